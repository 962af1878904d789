// Names and numbers of capabilities(7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cella::config {

inline constexpr int kLastCapability = 40;  // CAP_CHECKPOINT_RESTORE, Linux 5.9

// "CAP_CHOWN" for 0; nullptr for a number that is not known.
const char* capability_name(int number);
// Exactly as written; nullopt when unknown.
std::optional<int> capability_from_name(std::string_view name);

// The set of the named ones; the indices of unknown names go to `unknown`, if given.
uint64_t capability_set(const std::vector<std::string>& names, std::vector<size_t>* unknown = nullptr);
// Names of a set in the order of their numbers.
std::vector<std::string> capability_names(uint64_t set);

}  // namespace cella::config
