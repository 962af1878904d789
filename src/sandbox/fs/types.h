// The types of filesystems that can be mounted: by mount(2), and by a container's configuration.
#pragma once

#include <string>

#include "sandbox/fs/filesystem.h"
#include "sandbox/fs/mount_types.h"
#include "sandbox/fs/proc/procfs.h"
#include "sandbox/fs/sys/sysfs.h"
#include "sandbox/task/kernel.h"

namespace cella::sandbox::fs {

// What other modules have files in.
struct FilesystemHooks {
  ProcfsHooks proc;
  SysfsHooks sys;
};

// A new filesystem's root. ENODEV: there is no such type; EINVAL: it does not know an option. `kernel` must outlive it.
SysResult<vfs::DentryPtr> make_filesystem(task::Kernel& kernel, const FilesystemHooks& hooks, const std::string& type,
                                          const std::string& options);
// Among comma-separated ones, with a value.
bool has_option(std::string_view options, std::string_view key);

}  // namespace cella::sandbox::fs
