// Lines of a resctrl group's `schemata` file, "L3:0=7f0;1=1f": a resource, and a value for each of its domains
// (caches). What is read differs in form from what was written: other order, zeros and spaces, bandwidth rounded up.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cella::rdt {

// What writing the lines `wanted` would change in a group whose file reads `existing`, as a sentence for an error:
// "L3 of 0 is 7ff, not f". nullopt: nothing. `bandwidth_step` is what the kernel rounds MB up to; 0 or 1: it does not.
std::optional<std::string> difference(std::string_view wanted, std::string_view existing, uint64_t bandwidth_step);

}  // namespace cella::rdt
