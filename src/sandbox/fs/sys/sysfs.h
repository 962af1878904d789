// sysfs, sysfs(5): as much as says how many processors there are, and the directories that programs expect.
#pragma once

#include "sandbox/fs/generated/generated.h"
#include "sandbox/task/kernel.h"

namespace cella::sandbox::fs {

struct SysfsHooks {
  // Fills /sys/class/net.
  std::function<void(FixedDirectory&)> net;
};

// Its root. `kernel` must outlive it.
vfs::DentryPtr make_sysfs(task::Kernel& kernel, const SysfsHooks& hooks = {});
// The container's cgroup as cgroups(7) v2 shows it from inside: limits and use, to be read.
vfs::DentryPtr make_cgroup_filesystem(task::Kernel& kernel);

}  // namespace cella::sandbox::fs
