// Signals by name or number.
#pragma once

#include <optional>
#include <string_view>

namespace cella::cli {

// "KILL", "SIGKILL", "kill", "9", "RTMIN+2", "RTMAX-1"; numbers up to SIGRTMAX, 0 included.
std::optional<int> parse_signal(std::string_view text);

}  // namespace cella::cli
