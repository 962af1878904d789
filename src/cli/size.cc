#include "cli/size.h"

#include <charconv>

namespace cella::cli {
namespace {

constexpr std::string_view kUnits = "kmgtp";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// What a unit multiplies by; 0: no unit.
double factor_of(std::string_view unit) {
  if (unit.empty() || (unit.size() == 1 && lower(unit[0]) == 'b')) return 1;
  const size_t power = kUnits.find(lower(unit[0]));
  if (power == std::string_view::npos) return 0;
  unit.remove_prefix(1);
  const bool known = unit.empty() || (unit.size() == 1 && lower(unit[0]) == 'b') ||
                     (unit.size() == 2 && lower(unit[0]) == 'i' && lower(unit[1]) == 'b');
  return known ? static_cast<double>(uint64_t{1} << (10 * (power + 1))) : 0;
}

}  // namespace

std::optional<int64_t> parse_size(std::string_view text) {
  double number = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(stop, static_cast<size_t>(text.data() + text.size() - stop));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  // Not "nan" and "inf", which from_chars knows.
  const bool digits = !text.empty() && ((text[0] >= '0' && text[0] <= '9') || text[0] == '.');
  const double bytes = number * factor_of(unit);
  constexpr double kTooLarge = 9223372036854775808.0;  // 2^63
  if (error != std::errc() || !digits || factor_of(unit) == 0 || bytes >= kTooLarge) return std::nullopt;
  return static_cast<int64_t>(bytes);
}

}  // namespace cella::cli
