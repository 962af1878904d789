// Mounts by descriptor: open_tree(2), move_mount(2), mount_setattr(2).
#pragma once

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::sys {

// A detached copy of the mount tree at a path of the host. What is shared there is shared with the copy, so it is the
// caller's to make a slave of it. Needs CAP_SYS_ADMIN. `nofollow`: a symbolic link at the end of the path is itself
// cloned.
SysResult<FileDescriptor> clone_tree(const char* path, bool recursive, bool nofollow = false);

// Maps the ids of a detached mount, and of those below it when `recursive`, as those of a user namespace are mapped
// (MOUNT_ATTR_IDMAP). EINVAL: a filesystem cannot. EPERM: a mount is mapped already, or the namespace is the initial
// one.
SysResult<void> map_ids(int tree, int user_namespace, bool recursive);

// Mounts the file behind a descriptor, such as one of proc_pid_ns(5), on the file `name` in `directory`.
SysResult<void> mount_file_at(int fd, int directory, const char* name);
// umount2(2) with MNT_DETACH, never following a symbolic link. EINVAL: nothing is mounted there.
SysResult<void> detach_mount(const char* path);

}  // namespace cella::sys
