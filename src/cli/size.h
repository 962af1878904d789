// Amounts of memory on the command line, as runc takes them (docker/go-units, RAMInBytes).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cella::cli {

// "512m", "1.5 GiB", "2048", "64kb": a number that is not negative, and k, m, g, t or p in either case, each 1024 times
// the one before, perhaps with "b" or "ib" after it, or "b" alone. Fractions of a byte are cut off. nullopt for
// anything else, also for what is more than an int64_t holds.
std::optional<int64_t> parse_size(std::string_view text);

}  // namespace cella::cli
