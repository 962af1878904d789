// What seccomp(2) of the running kernel can do. Loading a filter is init's work.
#pragma once

#include <cstdint>

namespace cella::sys {

// Does the kernel take these SECCOMP_FILTER_FLAG_*? Loads nothing and needs no privilege.
bool seccomp_takes(uint32_t flags);

}  // namespace cella::sys
