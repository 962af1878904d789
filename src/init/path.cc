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

// What `name` in `directory` is, itself.
long open_component(long directory, const char* name, uint64_t flags) {
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return sys(SYS_openat2, directory, name, &how, sizeof how);
}

// If the component of `path` from `start` to `end`, in `directory`, is a link, replaces the path up to there by where
// it leads. -EINVAL: it is no link.
long follow(long directory, Path& path, size_t start, size_t end) {
  Path target;
  char next = path.data[end];
  path.data[end] = '\0';
  long n = sys(SYS_readlinkat, directory, path.data + start, target.data, kPathMax - 1);
  path.data[end] = next;
  if (n < 0) return n;
  target.used = static_cast<size_t>(n);
  target.data[n] = '\0';
  Path full;
  if (target.data[0] != '/') full.add(path.data, start);
  full.add(target.data).add(path.data + end, path.used - end);
  if (full.truncated) return -ENAMETOOLONG;
  path = full;
  return 0;
}

// The directory that as much of `path` as exists leads to; `end` is set to the end of that.
long open_existing(const Context& c, Path& path, size_t& end, uint64_t resolve) {
  end = path.used;
  for (;;) {
    while (end > 0 && path.data[end - 1] == '/') --end;
    while (end > 0 && path.data[end - 1] != '/') --end;
    if (end == 0) return open_in_root(c, "/", O_PATH | O_DIRECTORY, resolve);
    char next = path.data[end];
    path.data[end] = '\0';
    long fd = open_in_root(c, path.data, O_PATH | O_DIRECTORY, resolve);
    path.data[end] = next;
    if (fd != -ENOENT) return fd;
  }
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

long make_directory(Context& c, const char* text, uint32_t mode, uint64_t resolve) {
  long fd = open_in_root(c, text, O_PATH | O_DIRECTORY, resolve);
  if (fd != -ENOENT) return fd;
  Path path;
  if (path.add(text).truncated) return -ENAMETOOLONG;
  for (int links = 0; links <= kMaxLinks; ++links) {
    size_t end = 0;
    long directory = open_existing(c, path, end, resolve);
    bool again = false;
    while (directory >= 0 && !again) {
      while (path.data[end] == '/') ++end;
      if (path.data[end] == '\0') return directory;
      size_t start = end;
      while (path.data[end] != '/' && path.data[end] != '\0') ++end;
      char next = path.data[end];
      path.data[end] = '\0';
      const char* name = path.data + start;
      long error = sys(SYS_mkdirat, directory, name, mode);
      long made = error == 0 || error == -EEXIST ? open_component(directory, name, O_DIRECTORY) : error;
      path.data[end] = next;
      if (error == -EEXIST && made < 0 && (resolve & RESOLVE_NO_SYMLINKS) == 0) {
        // Perhaps a dangling link: what it points to, inside the root, is to be made.
        error = follow(directory, path, start, end);
        again = error == 0;
        if (!again && error != -EINVAL) made = error;
      }
      sys(SYS_close, directory);
      directory = made;
    }
    if (!again) return directory;
  }
  return -ELOOP;
}

long open_parent(Context& c, const char* path, const char*& name, uint64_t resolve) {
  Path parent, last;
  split(path, parent, last);
  if (last.used == 0 || parent.truncated) return -EINVAL;
  name = path + length(path) - last.used;
  return make_directory(c, parent.used == 0 ? "/" : parent.data, 0755, resolve);
}

long make_file(Context& c, const char* text) {
  Path path;
  if (path.add(text).truncated) return -ENAMETOOLONG;
  for (int links = 0; links <= kMaxLinks; ++links) {
    long fd = open_in_root(c, path.data, O_PATH);
    if (fd != -ENOENT) return fd;
    const char* name = nullptr;
    long parent = open_parent(c, path.data, name);
    if (parent < 0) return parent;
    long error = sys(SYS_openat, parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
    if (error >= 0) sys(SYS_close, error);
    if (error == -EEXIST) {
      // A dangling link: the file that it points to, inside the root, is to be made.
      size_t start = static_cast<size_t>(name - path.data);
      error = follow(parent, path, start, path.used);
      if (error == 0) {
        sys(SYS_close, parent);
        continue;
      }
      if (error == -EINVAL) error = 0;  // somebody has made it
    }
    if (error >= 0) error = open_component(parent, name, 0);
    sys(SYS_close, parent);
    return error;
  }
  return -ELOOP;
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

uint64_t device_of(const struct statx& status) {
  return (uint64_t{status.stx_rdev_major & 0xfffu} << 8) | (status.stx_rdev_minor & 0xffu) |
         (uint64_t{status.stx_rdev_minor & ~0xffu} << 12) | (uint64_t{status.stx_rdev_major & ~0xfffu} << 32);
}

}  // namespace cella::init
