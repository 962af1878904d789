// Limits of a container as its programs see them: sysinfo(2), /proc, the cgroup files; and how many tasks there may be.
#pragma once

#include "sandbox/boot/boot_request.h"
#include "sandbox/task/kernel.h"

namespace cella::sandbox::boot {

// With the kernel lock. Tasks beyond a lower limit go on.
void set_limits(task::Kernel& kernel, const Limits& limits);

}  // namespace cella::sandbox::boot
