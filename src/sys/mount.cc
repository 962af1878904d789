#include "sys/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace cella::sys {

SysResult<FileDescriptor> clone_tree(const char* path, bool recursive, bool nofollow) {
  unsigned flags =
      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) | (nofollow ? AT_SYMLINK_NOFOLLOW : 0);
  long raw = ::syscall(SYS_open_tree, AT_FDCWD, path, flags);
  if (raw < 0) return std::unexpected(Errno{errno});
  return FileDescriptor(static_cast<int>(raw));
}

SysResult<void> map_ids(int tree, int user_namespace, bool recursive) {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(user_namespace);
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  if (::syscall(SYS_mount_setattr, tree, "", flags, &attributes, sizeof attributes) < 0) {
    return std::unexpected(Errno{errno});
  }
  return {};
}

SysResult<void> mount_file_at(int fd, int directory, const char* name) {
  long raw = ::syscall(SYS_open_tree, fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (raw < 0) return std::unexpected(Errno{errno});
  FileDescriptor tree(static_cast<int>(raw));
  if (::syscall(SYS_move_mount, tree.get(), "", directory, name, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return std::unexpected(Errno{errno});
  }
  return {};
}

SysResult<void> detach_mount(const char* path) {
  if (::umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) return std::unexpected(Errno{errno});
  return {};
}

}  // namespace cella::sys
