// Names of the numbers in a Plan's arguments, for print.h. Private to plan/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cella::plan {

// The names of the set bits in `value`; bits without a name come last, as one hexadecimal number. `kind` is a kind of
// ops.h that is a set: c m a t h k.
std::vector<std::string> flag_names(char kind, uint64_t value);
bool is_flag_kind(char kind);

std::string rlimit_name(uint64_t resource);               // "RLIMIT_NOFILE"
std::string scheduler_text(std::string_view sched_attr);  // "SCHED_FIFO, priority 5"
std::string memory_policy_name(uint64_t mode);            // "MPOL_BIND,MPOL_F_STATIC_NODES"
std::string sync_point_name(uint64_t point);              // "user-maps"

}  // namespace cella::plan
