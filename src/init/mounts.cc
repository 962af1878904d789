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

constexpr uint32_t kTypeMask = 0170000, kTypeDirectory = 0040000;
constexpr uint32_t kPermissions = 07777;
constexpr size_t kMaxConfigValue = 255;  // fsconfig(2) takes no longer string

// Flags of mount(2) that belong to the superblock, and their names for fsconfig(2).
struct SuperblockFlag {
  uint64_t flag;
  const char* name;
};
constexpr SuperblockFlag kSuperblockFlags[] = {
    {MS_RDONLY, "ro"},     {MS_SYNCHRONOUS, "sync"},  {MS_DIRSYNC, "dirsync"},
    {MS_MANDLOCK, "mand"}, {MS_LAZYTIME, "lazytime"},
};

// What the filesystem has to say about a failure: fsopen's context is read like a log, "e tmpfs: Bad value for 'size'".
void read_log(Context& c, int context) {
  char line[200];
  long n = sys(SYS_read, context, line, sizeof line);
  if (n <= 2) return;
  while (n > 0 && line[n - 1] == '\n') --n;
  c.detail.add(line + 2, static_cast<size_t>(n) - 2);
}

long configure(Context& c, int context, const Step& s) {
  const char* source = c.string(s.args[1]);
  long error = sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", source, 0);
  if (error < 0) return error;
  for (const SuperblockFlag& flag : kSuperblockFlags) {
    if ((s.args[3] & flag.flag) == 0) continue;
    error = sys(SYS_fsconfig, context, FSCONFIG_SET_FLAG, flag.name, 0, 0);
    if (error < 0) return error;
  }
  const char* option = c.blob(s.args[2]);
  for (uint32_t i = 0; i < c.range(s.args[2]).count; ++i, option += length(option) + 1) {
    const char* value = find(option, '=');
    Path key;
    if (value == nullptr) {
      error = sys(SYS_fsconfig, context, FSCONFIG_SET_FLAG, option, 0, 0);
    } else {
      key.add(option, static_cast<size_t>(value - option));
      error = sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, key.data, value + 1, 0);
    }
    if (error < 0) {
      read_log(c, context);
      if (c.detail.used == 0) c.detail.add("option ").add(option);
      return error;
    }
  }
  return sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
}

bool has_long_option(const Context& c, const Step& s) {
  const char* option = c.blob(s.args[2]);
  for (uint32_t i = 0; i < c.range(s.args[2]).count; ++i, option += length(option) + 1) {
    if (length(option) > kMaxConfigValue) return true;
  }
  return false;
}

// mount(2) in the directory itself, so that no path is involved.
long attach_legacy(Context& c, const Step& s, int target) {
  char data[4096];
  size_t used = 0;
  const char* option = c.blob(s.args[2]);
  for (uint32_t i = 0; i < c.range(s.args[2]).count; ++i, option += length(option) + 1) {
    size_t n = length(option);
    if (used + n + 2 > sizeof data) return -E2BIG;
    if (used > 0) data[used++] = ',';
    for (size_t k = 0; k < n; ++k) data[used++] = option[k];
  }
  data[used] = '\0';
  long error = sys(SYS_fchdir, target);
  if (error < 0) return error;
  uint64_t flags =
      s.args[3] | (s.args[4] & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (s.args[4] & MOUNT_ATTR_NOATIME) flags |= MS_NOATIME;
  if (s.args[4] & MOUNT_ATTR_STRICTATIME) flags |= MS_STRICTATIME;
  if (s.args[4] & MOUNT_ATTR_NODIRATIME) flags |= MS_NODIRATIME;
  if (s.args[4] & MOUNT_ATTR_NOSYMFOLLOW) flags |= MS_NOSYMFOLLOW;
  return sys(SYS_mount, c.string(s.args[1]), ".", c.string(s.args[0]), flags, data);
}
static_assert(MOUNT_ATTR_RDONLY == MS_RDONLY && MOUNT_ATTR_NOSUID == MS_NOSUID && MOUNT_ATTR_NODEV == MS_NODEV &&
              MOUNT_ATTR_NOEXEC == MS_NOEXEC);

bool is_proc(int fd) {
  struct statfs filesystem;
  return sys(SYS_fstatfs, fd, &filesystem) == 0 && filesystem.f_type == PROC_SUPER_MAGIC;
}

// CVE-2019-16884, CVE-2019-19921: no mount may take the place of what is read and written as procfs, however an image's
// links lead there.
long check_proc(Context& c, int target, uint64_t flags) {
  if ((flags & plan::kAttachIsProc) && !is_proc(c.mount_fd)) {
    c.detail.add("only a procfs may be mounted there");
    return -EINVAL;
  }
  if ((flags & plan::kAttachInProc) == 0 && is_proc(target)) {
    c.detail.add("the target is inside a procfs");
    return -EINVAL;
  }
  return 0;
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

long do_new_mount(Context& c, const Step& s) {
  close_fd(c.mount_fd);
  c.legacy_mount = nullptr;
  if (has_long_option(c, s)) {
    c.legacy_mount = &s;
    return 0;
  }
  long context = sys(SYS_fsopen, c.string(s.args[0]), FSOPEN_CLOEXEC);
  if (context < 0) return context;
  long error = configure(c, static_cast<int>(context), s);
  if (error == 0) error = sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, s.args[4]);
  if (error < 0 && c.detail.used == 0) read_log(c, static_cast<int>(context));
  sys(SYS_close, context);
  if (error < 0) return error;
  c.mount_fd = static_cast<int>(error);
  return 0;
}

long do_clone_tree(Context& c, const Step& s) {
  close_fd(c.mount_fd);
  long recursive = s.args[1] & plan::kTreeRecursive ? AT_RECURSIVE : 0;
  long fd = sys(SYS_open_tree, AT_FDCWD, c.string(s.args[0]), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
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

long do_mount_attributes(Context& c, const Step& s) {
  if (c.legacy_mount != nullptr) {
    c.detail.add("not possible with an option of more than 255 characters");
    return -EOPNOTSUPP;
  }
  mount_attr attributes = {};
  attributes.attr_set = s.args[0];
  attributes.attr_clr = s.args[1];
  attributes.propagation = s.args[2];
  return sys(SYS_mount_setattr, c.mount_fd, "", AT_EMPTY_PATH | (s.args[3] ? AT_RECURSIVE : 0), &attributes,
             sizeof attributes);
}

long do_attach(Context& c, const Step& s) {
  const char* path = c.string(s.args[0]);
  uint64_t flags = s.args[1];
  uint64_t resolve = flags & plan::kAttachNoSymlink ? RESOLVE_NO_SYMLINKS : 0;
  bool directory = (flags & plan::kAttachFile) == 0;
  struct statx status;
  if (flags & plan::kAttachAuto) {
    long error = sys(SYS_statx, c.mount_fd, "", AT_EMPTY_PATH, STATX_TYPE, &status);
    if (error < 0) return error;
    directory = (status.stx_mode & kTypeMask) == kTypeDirectory;
  }
  long target = directory ? make_directory(c, path, static_cast<uint32_t>(s.args[2]), resolve) : make_file(c, path);
  if (target < 0) {
    if (target == -ELOOP && resolve != 0) c.detail.add("the image has a symbolic link in its place");
    return target;
  }
  long error = check_proc(c, static_cast<int>(target), flags);
  if (error == 0 && (flags & plan::kAttachKeepMode) && c.mount_fd >= 0 &&
      sys(SYS_statx, target, "", AT_EMPTY_PATH, STATX_MODE, &status) == 0) {
    // What a tmpfs covers, not what it would be by default (1777), decides who may write.
    long root = sys(SYS_openat, c.mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0) {
      error = sys(SYS_fchmod, root, status.stx_mode & kPermissions);
      sys(SYS_close, root);
    }
  }
  if (error == 0) {
    error = c.legacy_mount != nullptr
                ? attach_legacy(c, *c.legacy_mount, static_cast<int>(target))
                : sys(SYS_move_mount, c.mount_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  }
  c.legacy_mount = nullptr;
  sys(SYS_close, target);
  close_fd(c.mount_fd);
  return error;
}

}  // namespace cella::init
