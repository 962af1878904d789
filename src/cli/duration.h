// Durations on the command line, in Go's syntax (time.ParseDuration), as runc takes them.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace cella::cli {

// "5s", "1m30s", "1.5h", "300ms", "-2us", "0": numbers, each with one of the units ns, us, µs, ms, s, m and h; their
// sum. nullopt for anything else, also for more than an int64_t of nanoseconds holds.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace cella::cli
