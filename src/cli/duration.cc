#include "cli/duration.h"

#include <charconv>
#include <cstdint>

namespace cella::cli {
namespace {

struct Unit {
  std::string_view name;
  double nanoseconds;
};
// A name comes before its beginnings. U+00B5 and U+03BC are both in use for "micro".
constexpr Unit kUnits[] = {
    {"ns", 1}, {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9},
};

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    // from_chars would take a sign, "inf" and "nan".
    if ((text[0] < '0' || text[0] > '9') && text[0] != '.') return std::nullopt;
    double number = 0;
    auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (!text.starts_with(candidate.name)) continue;
      unit = &candidate;
      break;
    }
    if (unit == nullptr) return std::nullopt;
    text.remove_prefix(unit->name.size());
    sum += number * unit->nanoseconds;
  }
  constexpr double kTooLarge = 9223372036854775808.0;  // 2^63
  if (sum >= kTooLarge) return std::nullopt;
  const auto nanoseconds = static_cast<int64_t>(sum);
  return std::chrono::nanoseconds(negative ? -nanoseconds : nanoseconds);
}

}  // namespace cella::cli
