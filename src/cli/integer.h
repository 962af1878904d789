// Whole numbers on the command line.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>

namespace cella::cli {

// The whole of `text` as a decimal number that T holds, "-3" when T is signed; nullopt for anything else.
template <std::integral T>
std::optional<T> parse_integer(std::string_view text) {
  T number{};
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace cella::cli
