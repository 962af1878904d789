#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/statfs.h>

#include "init/context.h"

namespace cella::init {
namespace {

constexpr uint32_t kTypeMask = 0170000, kTypeCharacter = 0020000;
constexpr int kMaxLinks = 40;

// The parent directory and the last component of a path without trailing slashes.
void split(const char* path, Path& parent, Path& name) {
  size_t end = length(path);
  while (end > 1 && path[end - 1] == '/') --end;
  size_t slash = end;
  while (slash > 0 && path[slash - 1] != '/') --slash;
  parent.add(path, slash);
  name.add(path + slash, end - slash);
}

long make_directory_at_depth(Context& c, const char* path, uint32_t mode, uint64_t resolve, int links) {
  long fd = open_in_root(c, path, O_PATH | O_DIRECTORY, resolve);
  if (fd != -ENOENT) return fd;
  if (links > kMaxLinks) return -ELOOP;
  Path parent, name;
  split(path, parent, name);
  if (name.used == 0 || parent.truncated || name.truncated) return -ENOENT;
  long parent_fd = make_directory_at_depth(c, parent.used == 0 ? "/" : parent.data, mode, resolve, links + 1);
  if (parent_fd < 0) return parent_fd;
  long error = sys(SYS_mkdirat, parent_fd, name.data, mode);
  if (error == -EEXIST && (resolve & RESOLVE_NO_SYMLINKS) == 0) {
    // Perhaps a dangling link: what it points to, inside the root, is to be made.
    Path target;
    long n = sys(SYS_readlinkat, parent_fd, name.data, target.data, kPathMax - 1);
    if (n > 0) {
      target.data[n] = '\0';
      Path full;
      if (target.data[0] != '/') full.add(parent.data).add("/");
      full.add(target.data);
      sys(SYS_close, parent_fd);
      return full.truncated ? -ENAMETOOLONG : make_directory_at_depth(c, full.data, mode, resolve, links + 1);
    }
  }
  if (error == 0 || error == -EEXIST) {
    open_how how = {};
    how.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    error = sys(SYS_openat2, parent_fd, name.data, &how, sizeof how);
  }
  sys(SYS_close, parent_fd);
  return error;
}

}  // namespace

long open_in_root(const Context& c, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve;
  long fd = -EAGAIN;
  // EAGAIN: a rename raced with the resolution.
  for (int attempt = 0; attempt < 128 && fd == -EAGAIN; ++attempt) {
    fd = sys(SYS_openat2, c.root_fd, path, &how, sizeof how);
  }
  return fd;
}

long make_directory(Context& c, const char* path, uint32_t mode, uint64_t resolve) {
  return make_directory_at_depth(c, path, mode, resolve, 0);
}

long open_parent(Context& c, const char* path, const char*& name, uint64_t resolve) {
  Path parent, last;
  split(path, parent, last);
  if (last.used == 0 || parent.truncated) return -EINVAL;
  name = path + length(path) - last.used;
  return make_directory(c, parent.used == 0 ? "/" : parent.data, 0755, resolve);
}

long make_file(Context& c, const char* path) {
  long fd = open_in_root(c, path, O_PATH);
  if (fd != -ENOENT) return fd;
  const char* name = nullptr;
  long parent = open_parent(c, path, name);
  if (parent < 0) return parent;
  long created = sys(SYS_openat, parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
  if (created >= 0) sys(SYS_close, created);
  if (created >= 0 || created == -EEXIST) {
    open_how how = {};
    how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    created = sys(SYS_openat2, parent, name, &how, sizeof how);
  }
  sys(SYS_close, parent);
  return created;
}

long private_proc(Context& c) {
  if (c.proc_fd >= 0) return 0;
  long context = sys(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
  if (context >= 0) {
    long error = sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
    if (error == 0) error = sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    sys(SYS_close, context);
    context = error;
  }
  if (context < 0) {
    // Where /proc is itself covered in part (a container inside a container) the kernel refuses a fresh one. What is at
    // /proc then serves, if it is a procfs and its root: an image's fake is neither.
    context = c.root_fd >= 0 ? open_in_root(c, "/proc", O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS)
                             : sys(SYS_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (context < 0) return context;
    struct statfs filesystem;
    struct statx status;
    constexpr uint64_t kProcRootInode = 1;
    if (sys(SYS_fstatfs, context, &filesystem) != 0 || filesystem.f_type != PROC_SUPER_MAGIC ||
        sys(SYS_statx, context, "", AT_EMPTY_PATH, STATX_INO, &status) != 0 || status.stx_ino != kProcRootInode) {
      sys(SYS_close, context);
      c.detail.add("/proc is not a procfs");
      return -kDetailOnly;
    }
  }
  c.proc_fd = static_cast<int>(context);
  return 0;
}

long write_proc(Context& c, const char* path, const char* text, size_t size) {
  long error = private_proc(c);
  if (error < 0) return error;
  open_how how = {};
  how.flags = O_WRONLY | O_CLOEXEC;
  // "self" is a symbolic link of procfs's own, so links are followed, but nothing leaves this mount.
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  long fd = sys(SYS_openat2, c.proc_fd, path, &how, sizeof how);
  if (fd < 0) return fd;
  long n = sys(SYS_write, fd, text, size);
  sys(SYS_close, fd);
  return n < 0 ? n : 0;
}

bool is_character_device(int fd, unsigned major, unsigned minor) {
  struct statx status;
  return sys(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
         (status.stx_mode & kTypeMask) == kTypeCharacter && status.stx_rdev_major == major &&
         status.stx_rdev_minor == minor;
}

}  // namespace cella::init
