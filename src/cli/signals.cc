#include "cli/signals.h"

#include <cctype>
#include <csignal>
#include <cstring>
#include <string>

#include "cli/options.h"

namespace cella::cli {
namespace {

// The numbers that signal(7) gives real-time signals, two of which the C library keeps for itself.
constexpr int kRealTimeFirst = 34;
constexpr int kRealTimeLast = 64;

struct Alias {
  const char* name;
  int number;
};
// Names that sigabbrev_np(3) does not use.
constexpr Alias kAliases[] = {{"CLD", SIGCHLD},          {"IO", SIGIO},           {"IOT", SIGABRT}, {"POLL", SIGPOLL},
                              {"RTMIN", kRealTimeFirst}, {"RTMAX", kRealTimeLast}};

// "RTMIN+2": the sign says which end is meant.
std::optional<int> real_time(std::string_view name) {
  const bool from_first = name.starts_with("RTMIN+");
  if (!from_first && !name.starts_with("RTMAX-")) return std::nullopt;
  const std::optional<uint32_t> offset = parse_number(std::string(name.substr(6)).c_str());
  if (!offset || *offset > kRealTimeLast - kRealTimeFirst) return std::nullopt;
  return from_first ? kRealTimeFirst + static_cast<int>(*offset) : kRealTimeLast - static_cast<int>(*offset);
}

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
  if (const std::optional<uint32_t> number = parse_number(std::string(text).c_str())) {
    return *number <= kRealTimeLast ? std::optional(static_cast<int>(*number)) : std::nullopt;
  }
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  std::string_view name = upper;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const Alias& alias : kAliases)
    if (name == alias.name) return alias.number;
  for (int number = 1; number < kRealTimeFirst; ++number) {
    const char* known = sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  return real_time(name);
}

}  // namespace cella::cli
