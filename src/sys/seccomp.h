// What seccomp(2) of the running kernel can do, and a filter for this process. Those of containers are init's work.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>

#include <cella/error.h>

namespace cella::sys {

// Does the kernel take these SECCOMP_FILTER_FLAG_*? Loads nothing and needs no privilege.
bool seccomp_takes(uint32_t flags);
// Loads a filter for all threads of this process, which must have no_new_privs. ESRCH: a thread has another filter.
SysResult<void> load_seccomp_filter(std::span<const sock_filter> program);

}  // namespace cella::sys
