#include "sandbox/boot/limits.h"

namespace cella::sandbox::boot {

void set_limits(task::Kernel& kernel, const Limits& limits) {
  kernel.memory_limit = limits.memory != 0 ? limits.memory : kernel.own_memory;
  kernel.task_limit = limits.tasks != 0 ? limits.tasks : task::Kernel::kMostTasks;
  kernel.cpu_quota = limits.cpu_quota;
  kernel.cpu_period = limits.cpu_period != 0 ? limits.cpu_period : task::Kernel::kCpuPeriod;
}

}  // namespace cella::sandbox::boot
