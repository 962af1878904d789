// What a tmpfs of the container's covers, copied into it before there is a task: the mount option tmpcopyup.
#pragma once

#include "sandbox/vfs/walk.h"

namespace cella::sandbox::fs {

// Directories, files, links and nodes below `from`, which is left as it is, with owners, modes, times and extended
// attributes; `to` is an empty directory of a filesystem that can be written to. What is mounted below is not looked
// at, and hard links become files of their own. ELOOP: deeper than any path can say.
SysResult<void> copy_tree(const vfs::Path& from, vfs::Inode& to);

}  // namespace cella::sandbox::fs
