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

// The mounts of a mountinfo file, proc_pid_mountinfo(5), one after the other.
class MountList {
 public:
  explicit MountList(int fd) : fd_(fd) {}

  Path point;
  Text<16> type;

  // False at the end.
  bool next() {
    point = {};
    type = {};
    constexpr int kPoint = 4, kOptional = 6;
    int field = 0, separator = 0;  // the field that is "-"
    bool dash = false;             // the current field begins with '-'
    char previous = ' ';
    for (;;) {
      if (at_ == size_) {
        long n = sys(SYS_read, fd_, buffer_, sizeof buffer_);
        if (n <= 0) return false;
        at_ = 0;
        size_ = static_cast<size_t>(n);
      }
      char c = buffer_[at_++];
      if (c == '\n') break;
      if (c == ' ') {
        if (dash && previous == '-' && separator == 0 && field >= kOptional) separator = field;
        ++field;
      } else {
        if (previous == ' ')
          dash = c == '-';
        else if (previous == '-')
          dash = false;
        if (field == kPoint) point.add(&c, 1);
        if (separator != 0 && field == separator + 1) type.add(&c, 1);
      }
      previous = c;
    }
    unescape();
    return true;
  }

 private:
  // Spaces, tabs, newlines and backslashes are three octal digits.
  void unescape() {
    size_t to = 0;
    for (size_t from = 0; from < point.used; ++to) {
      const char* p = point.data + from;
      if (p[0] == '\\' && from + 3 < point.used) {
        point.data[to] = static_cast<char>((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
        from += 4;
      } else {
        point.data[to] = *p;
        ++from;
      }
    }
    point.data[to] = '\0';
    point.used = to;
  }

  int fd_;
  char buffer_[2048];
  size_t at_ = 0, size_ = 0;
};

// Takes away every procfs and sysfs that is not below `root`; `changed`: there was one.
long hide_host_mounts(Context& c, const char* root, bool& changed) {
  long fd = sys(SYS_openat, c.proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  MountList mounts(static_cast<int>(fd));
  size_t n = length(root);
  long error = 0;
  while (error == 0 && mounts.next()) {
    if (!equal(mounts.type.data, "proc") && !equal(mounts.type.data, "sysfs")) continue;
    const char* path = mounts.point.data;
    if (starts_with(path, root) && (path[n] == '\0' || path[n] == '/')) continue;
    constexpr long kNoFollow = 8;  // UMOUNT_NOFOLLOW
    error = sys(SYS_umount2, path, kDetach | kNoFollow);
    if (error == 0) {
      changed = true;
    } else {
      // One that is locked can be covered, and then is not visible; one that is not there was below another.
      if (error == -EPERM || error == -EINVAL) error = sys(SYS_mount, "tmpfs", path, "tmpfs", MS_RDONLY, 0);
      if (error == -ENOENT || error == -ENOTDIR) error = 0;
    }
  }
  sys(SYS_close, fd);
  return error;
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

// Without pivot_root the host's mounts stay in our namespace, below the root. As long as one of them is a whole procfs
// or sysfs, the kernel lets everybody in here who makes a user namespace mount another, without the masks.
long do_move_root(Context& c, const Step&) {
  long error = private_proc(c);
  if (error == 0) error = sys(SYS_fchdir, c.root_fd);
  if (error < 0) return error;
  Path root;
  error = sys(SYS_getcwd, root.data, sizeof root.data);
  if (error < 0) return error;
  // One may come to light under another.
  constexpr int kMaxPasses = 64;
  bool changed = true;
  for (int pass = 0; changed && pass < kMaxPasses; ++pass) {
    changed = false;
    error = hide_host_mounts(c, root.data, changed);
    if (error < 0) return error;
  }
  error = sys(SYS_move_mount, c.root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
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
  return sys(SYS_mount_setattr, c.root_fd, "", AT_EMPTY_PATH | (s.args[2] ? AT_RECURSIVE : 0), &attributes,
             sizeof attributes);
}

long do_remount_attributes(Context& c, const Step& s) {
  const uint64_t change[] = {s.args[1], 0, 0, s.args[2]};
  return change_mount_on(c, c.string(s.args[0]), change);
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
