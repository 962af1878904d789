// procfs, proc(5): what the kernel tells of its processes and of itself. What programs read to size themselves is the
// container's, never the host's.
#pragma once

#include "sandbox/fs/generated/generated.h"
#include "sandbox/task/kernel.h"

namespace cella::sandbox::fs {

struct ProcfsHooks {
  // Fills /proc/PID/net, which is the same for all.
  std::function<void(FixedDirectory&)> net;
};

// Its root. `kernel` must outlive it.
vfs::DentryPtr make_procfs(task::Kernel& kernel, const ProcfsHooks& hooks = {});

}  // namespace cella::sandbox::fs
