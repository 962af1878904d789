#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "init/context.h"

namespace cella::init {
namespace {

constexpr uint32_t kTypeMask = 0170000, kTypeDirectory = 0040000;
constexpr long kDetach = 2;  // MNT_DETACH of umount2(2)

long attach_to(int mount, int target) {
  return sys(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

long clone_of(int fd, long flags) {
  return sys(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

// The number that makedev(3) makes.
uint64_t device_of(const struct statx& status) {
  return (uint64_t{status.stx_rdev_major & 0xfffu} << 8) | (status.stx_rdev_minor & 0xffu) |
         (uint64_t{status.stx_rdev_minor & ~0xffu} << 12) | (uint64_t{status.stx_rdev_major & ~0xfffu} << 32);
}

// `wanted`: the node that the source must be, nullptr: any.
long bind_device(Context& c, const char* path, const char* source, const Step* wanted = nullptr) {
  long tree = sys(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) return tree;
  struct statx status;
  if (wanted != nullptr &&
      (sys(SYS_statx, tree, "", AT_EMPTY_PATH, STATX_TYPE, &status) != 0 ||
       (status.stx_mode & kTypeMask) != (wanted->args[1] & kTypeMask) || device_of(status) != wanted->args[2])) {
    sys(SYS_close, tree);
    c.detail.add("the host's ").add(source).add(" is another device");
    return -EPERM;
  }
  long target = make_file(c, path);
  long error = target < 0 ? target : attach_to(static_cast<int>(tree), static_cast<int>(target));
  if (target >= 0) sys(SYS_close, target);
  sys(SYS_close, tree);
  return error;
}

bool is_directory(int fd) {
  struct statx status;
  return sys(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
         (status.stx_mode & kTypeMask) == kTypeDirectory;
}

// A descriptor of what hides a directory: an empty read-only tmpfs, one for all of them.
long empty_directory(Context& c) {
  if (c.empty_fd >= 0) return clone_of(c.empty_fd, 0);
  long context = sys(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
  if (context < 0) return context;
  long error = sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "tmpfs", 0);
  if (error == 0) error = sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "555", 0);
  if (error == 0) error = sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", "4k", 0);
  if (error == 0) error = sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
  if (error == 0) {
    error = sys(SYS_fsmount, context, FSMOUNT_CLOEXEC,
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  }
  sys(SYS_close, context);
  if (error >= 0) c.empty_fd = static_cast<int>(error);
  return error;
}

// A descriptor of what hides a file: /dev/null of the container, if that is what it is (CVE-2025-31133).
long null_device(Context& c) {
  if (c.null_fd < 0) {
    long fd = open_in_root(c, "/dev/null", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
    if (fd < 0) {
      c.detail.add("the container has no /dev/null to mask with");
      return fd;
    }
    if (!is_character_device(static_cast<int>(fd), 1, 3)) {
      c.detail.add("the container's /dev/null is not the null device");
      sys(SYS_close, fd);
      return -EINVAL;
    }
    c.null_fd = static_cast<int>(fd);
  }
  return clone_of(c.null_fd, 0);
}

bool is_missing(long error) {
  return error == -ENOENT || error == -ENOTDIR;
}

}  // namespace

long do_make_directory(Context& c, const Step& s) {
  long fd = make_directory(c, c.string(s.args[0]), static_cast<uint32_t>(s.args[1]));
  if (fd < 0) return fd;
  sys(SYS_close, fd);
  return 0;
}

long do_symlink(Context& c, const Step& s) {
  const char* name = nullptr;
  long parent = open_parent(c, c.string(s.args[1]), name, RESOLVE_NO_SYMLINKS);
  if (parent < 0) return parent;
  long error = sys(SYS_symlinkat, c.string(s.args[0]), parent, name);
  sys(SYS_close, parent);
  return error == -EEXIST ? 0 : error;
}

// /dev is opened without following links: an image whose /dev is one must not get nodes made elsewhere
// (CVE-2026-41579).
long do_make_node(Context& c, const Step& s) {
  const char* path = c.string(s.args[0]);
  const char* name = nullptr;
  long parent = open_parent(c, path, name, RESOLVE_NO_SYMLINKS);
  if (parent < 0) return parent;
  auto mode = static_cast<uint32_t>(s.args[1]);
  long error = sys(SYS_mknodat, parent, name, mode, s.args[2]);
  if (error == 0 && (s.args[3] != 0 || s.args[4] != 0)) {
    error = sys(SYS_fchownat, parent, name, s.args[3], s.args[4], AT_SYMLINK_NOFOLLOW);
  } else if (error == -EEXIST) {
    struct statx status;
    error = sys(SYS_statx, parent, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status);
    bool same = error == 0 && (status.stx_mode & kTypeMask) == (mode & kTypeMask) && device_of(status) == s.args[2];
    if (error == 0 && !same) {
      c.detail.add("the image has something else in its place");
      error = -EEXIST;
    }
  }
  sys(SYS_close, parent);
  if (error == -EPERM && (mode & kTypeMask) != 0010000) {
    // No right to make nodes here: the host's own, if it is the same device.
    return bind_device(c, path, path, &s);
  }
  return error;
}

long do_bind_device(Context& c, const Step& s) {
  return bind_device(c, c.string(s.args[0]), c.string(s.args[1]));
}

// pivot_root(2), "pivot_root(".", ".")": the old root is stacked on the new one and detached at once.
long do_pivot(Context& c, const Step&) {
  long old_root = sys(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old_root < 0) return old_root;
  long error = sys(SYS_fchdir, c.root_fd);
  if (error == 0) error = sys(SYS_pivot_root, ".", ".");
  if (error == 0) error = sys(SYS_fchdir, old_root);
  // The unmounting must not propagate to the host.
  if (error == 0) error = sys(SYS_mount, 0, ".", 0, MS_SLAVE | MS_REC, 0);
  if (error == 0) error = sys(SYS_umount2, ".", kDetach);
  if (error == 0) error = sys(SYS_chdir, "/");
  sys(SYS_close, old_root);
  return error;
}

// Without pivot_root the host's mounts stay reachable below the root for who can unmount it; at least its /proc and
// /sys must not be there to be found.
long do_move_root(Context& c, const Step&) {
  static constexpr const char* kHidden[] = {"/proc", "/sys"};
  for (const char* path : kHidden) {
    long error = sys(SYS_umount2, path, kDetach);
    if (error == -EPERM) error = sys(SYS_mount, "tmpfs", path, "tmpfs", 0, 0);
    if (error < 0 && error != -EINVAL && error != -ENOENT) return error;
  }
  long error = sys(SYS_move_mount, c.root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
  if (error == 0) error = sys(SYS_fchdir, c.root_fd);
  if (error == 0) error = sys(SYS_chroot, ".");
  if (error == 0) error = sys(SYS_chdir, "/");
  return error;
}

long do_chroot(Context& c, const Step&) {
  long error = sys(SYS_fchdir, c.root_fd);
  if (error == 0) error = sys(SYS_chroot, ".");
  if (error == 0) error = sys(SYS_chdir, "/");
  return error;
}

long do_root_attributes(Context& c, const Step& s) {
  mount_attr attributes = {};
  attributes.attr_set = s.args[0];
  attributes.propagation = s.args[1];
  return sys(SYS_mount_setattr, c.root_fd, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

long do_remount_attributes(Context& c, const Step& s) {
  long fd = open_in_root(c, c.string(s.args[0]), O_PATH);
  if (fd < 0) return fd;
  mount_attr attributes = {};
  attributes.attr_set = s.args[1];
  long error =
      sys(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (s.args[2] ? AT_RECURSIVE : 0), &attributes, sizeof attributes);
  sys(SYS_close, fd);
  return error;
}

long do_mask_path(Context& c, const Step& s) {
  long target = open_in_root(c, c.string(s.args[0]), O_PATH);
  if (target < 0) return is_missing(target) ? 0 : target;
  long mask = is_directory(static_cast<int>(target)) ? empty_directory(c) : null_device(c);
  long error = mask < 0 ? mask : attach_to(static_cast<int>(mask), static_cast<int>(target));
  if (mask >= 0 && mask != c.empty_fd) sys(SYS_close, mask);
  sys(SYS_close, target);
  return error;
}

long do_readonly_path(Context& c, const Step& s) {
  long target = open_in_root(c, c.string(s.args[0]), O_PATH);
  if (target < 0) return is_missing(target) ? 0 : target;
  long tree = clone_of(static_cast<int>(target), AT_RECURSIVE);
  long error = tree;
  if (tree >= 0) {
    mount_attr attributes = {};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    error = sys(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes);
    if (error == 0) error = attach_to(static_cast<int>(tree), static_cast<int>(target));
    sys(SYS_close, tree);
  }
  sys(SYS_close, target);
  return error;
}

}  // namespace cella::init
