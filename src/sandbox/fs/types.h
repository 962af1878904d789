// The types of filesystems that guests can mount: mount(2).
#pragma once

#include <string>

#include "sandbox/fs/filesystem.h"
#include "sandbox/task/kernel.h"

namespace cella::sandbox::fs {

// A new filesystem's root. ENODEV: there is no such type; EINVAL: it does not know an option.
SysResult<vfs::DentryPtr> make_filesystem(task::Kernel& kernel, const std::string& type, const std::string& options);

}  // namespace cella::sandbox::fs
