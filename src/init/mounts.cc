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

constexpr uint32_t kTypeMask = 0170000, kTypeDirectory = 0040000, kTypeLink = 0120000;
constexpr uint32_t kPermissions = 07777;

long filesystem_of(int fd) {
  struct statfs filesystem;
  long error = sys(SYS_fstatfs, fd, &filesystem);
  return error < 0 ? error : static_cast<long>(filesystem.f_type);
}

// CVE-2019-16884, CVE-2019-19921: no mount may take the place of what is read and written as procfs, however an image's
// links lead there.
long check_proc(Context& c, int target, uint64_t flags) {
  if ((flags & plan::kAttachIsProc) && filesystem_of(c.mount_fd) != PROC_SUPER_MAGIC) {
    c.detail.add("only a procfs may be mounted there");
    return -EINVAL;
  }
  if (flags & plan::kAttachInProc) return 0;
  long type = filesystem_of(target);
  if (type == PROC_SUPER_MAGIC) {
    c.detail.add("the target is inside a procfs");
    return -EINVAL;
  }
  // Links that the kernel makes may lead anywhere.
  if ((flags & plan::kAttachNoFollow) && (type == SYSFS_MAGIC || type == DEVPTS_SUPER_MAGIC)) {
    c.detail.add("the target is inside a sysfs or devpts");
    return -EINVAL;
  }
  return 0;
}

// mount_setattr(2), with the arguments that change_mount_on() has.
long change_mount(Context& c, int mount, const uint64_t* args) {
  mount_attr attributes = {};
  attributes.attr_set = args[0];
  attributes.attr_clr = args[1];
  attributes.propagation = args[2];
  long flags = AT_EMPTY_PATH | (args[3] != 0 ? AT_RECURSIVE : 0);
  long error = sys(SYS_mount_setattr, mount, "", flags, &attributes, sizeof attributes);
  // mount_namespaces(7): what a more privileged mount namespace has set stays.
  if (error == -EPERM && args[1] != 0) c.detail.add("a flag that is to be cleared is locked");
  return error;
}

long open_target(Context& c, const char* path, uint64_t flags, bool directory, uint32_t mode) {
  uint64_t resolve = flags & plan::kAttachNoSymlink ? RESOLVE_NO_SYMLINKS : 0;
  long target = flags & plan::kAttachNoFollow ? open_in_root(c, path, O_PATH | O_NOFOLLOW)
                : directory                   ? make_directory(c, path, mode, resolve)
                                              : make_file(c, path);
  if (target == -ELOOP && resolve != 0) c.detail.add("the image has a symbolic link in its place");
  return target;
}

// What a tmpfs covers, not what it would be by default (1777), decides who may write.
long keep_mode(int target, int mount) {
  struct statx status;
  long error = sys(SYS_statx, target, "", AT_EMPTY_PATH, STATX_MODE, &status);
  if (error < 0) return error;
  long root = sys(SYS_openat, mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return root;
  error = sys(SYS_fchmod, root, status.stx_mode & kPermissions);
  sys(SYS_close, root);
  return error;
}

// crun(1), "copy-symlink": the link that the tree is, made anew. One that is there already must lead to the same.
long copy_link(Context& c, const char* path) {
  Path wanted, found;
  long n = sys(SYS_readlinkat, c.mount_fd, "", wanted.data, kPathMax - 1);
  if (n < 0) return n;
  wanted.data[n] = '\0';
  const char* name = nullptr;
  long parent = open_parent(c, path, name);
  if (parent < 0) return parent;
  long error = sys(SYS_symlinkat, wanted.data, parent, name);
  if (error == -EEXIST && sys(SYS_readlinkat, parent, name, found.data, kPathMax - 1) >= 0 &&
      equal(found.data, wanted.data)) {
    error = 0;
  }
  if (error == -EEXIST) c.detail.add("the image has something else in the place of the link");
  sys(SYS_close, parent);
  return error;
}

// Everything that is to be as it is before the mount is seen.
long prepare_mount(Context& c, int target, uint64_t flags) {
  long error = check_proc(c, target, flags);
  if (error == 0 && (flags & plan::kAttachKeepMode)) error = keep_mode(target, c.mount_fd);
  if (error == 0 && (flags & plan::kAttachCopyUp)) {
    error = copy_up(c, target, c.mount_fd, (flags & plan::kAttachKeepOwner) != 0);
  }
  return error;
}

}  // namespace

long do_change_directory(Context& c, const Step& s) {
  return sys(SYS_fchdir, c.slot(s.args[0]));
}

long do_propagation(Context&, const Step& s) {
  return sys(SYS_mount, 0, "/", 0, s.args[0], 0);
}

// The working directory was opened by the launcher, once; unshare(2) has moved it to our copy of the mount tree.
long do_root_mount(Context& c, const Step&) {
  long fd = sys(SYS_open_tree, AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (fd < 0) return fd;
  c.root_fd = static_cast<int>(fd);
  return sys(SYS_move_mount, fd, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH);
}

long do_root_directory(Context& c, const Step&) {
  long fd = sys(SYS_openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fd;
  c.root_fd = static_cast<int>(fd);
  return 0;
}

long do_clone_tree(Context& c, const Step& s) {
  close_fd(c.mount_fd);
  long flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  if (s.args[1] != 0) flags |= AT_RECURSIVE;
  if (s.args[2] != 0) flags |= AT_SYMLINK_NOFOLLOW;
  long fd = sys(SYS_open_tree, AT_FDCWD, c.string(s.args[0]), flags);
  if (fd < 0) return fd;
  c.mount_fd = static_cast<int>(fd);
  return 0;
}

long do_slot_tree(Context& c, const Step& s) {
  close_fd(c.mount_fd);
  c.mount_fd = c.slot(s.args[0]);
  if (c.mount_fd < 0) return -EBADF;
  c.plan->slots[s.args[0]] = -1;
  return 0;
}

long change_mount_on(Context& c, const char* path, const uint64_t* args) {
  long mount = open_in_root(c, path, O_PATH);
  if (mount < 0) return mount;
  long error = change_mount(c, static_cast<int>(mount), args);
  sys(SYS_close, mount);
  return error;
}

long do_remount(Context& c, const Step& s) {
  return change_mount_on(c, c.string(s.args[0]), s.args + 1);
}

long do_mount_attributes(Context& c, const Step& s) {
  return change_mount(c, c.mount_fd, s.args);
}

long do_attach(Context& c, const Step& s) {
  const char* path = c.string(s.args[0]);
  uint64_t flags = s.args[1];
  bool directory = (flags & plan::kAttachFile) == 0;
  if (flags & plan::kAttachAuto) {
    struct statx status;
    long error = sys(SYS_statx, c.mount_fd, "", AT_EMPTY_PATH, STATX_TYPE, &status);
    if (error < 0) return error;
    directory = (status.stx_mode & kTypeMask) == kTypeDirectory;
    if ((flags & plan::kAttachCopyLink) && (status.stx_mode & kTypeMask) == kTypeLink) {
      error = copy_link(c, path);
      close_fd(c.mount_fd);
      return error;
    }
  }
  long target = open_target(c, path, flags, directory, static_cast<uint32_t>(s.args[2]));
  if (target < 0) return target;
  long error = prepare_mount(c, static_cast<int>(target), flags);
  if (error == 0) {
    error = sys(SYS_move_mount, c.mount_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  }
  sys(SYS_close, target);
  if (error == 0 && (flags & plan::kAttachAsRoot)) {
    close_fd(c.root_fd);
    c.root_fd = c.mount_fd;
    c.mount_fd = -1;
  }
  close_fd(c.mount_fd);
  return error;
}

}  // namespace cella::init
