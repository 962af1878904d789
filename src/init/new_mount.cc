// New filesystems, and changing those that are there: fsopen(2), fspick(2), fsconfig(2), fsmount(2).
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>

#include "init/context.h"

namespace cella::init {
namespace {

constexpr size_t kMaxConfigValue = 255;  // fsconfig(2) takes no longer string
constexpr long kDetach = 2;              // MNT_DETACH of umount2(2)

// Flags of mount(2) that belong to the superblock, and their names for fsconfig(2).
struct SuperblockFlag {
  uint64_t flag;
  const char* set;
  const char* clear;
};
constexpr SuperblockFlag kSuperblockFlags[] = {
    {MS_RDONLY, "ro", "rw"},         {MS_SYNCHRONOUS, "sync", "async"},       {MS_DIRSYNC, "dirsync", nullptr},
    {MS_MANDLOCK, "mand", "nomand"}, {MS_LAZYTIME, "lazytime", "nolazytime"},
};
// fsconfig(2) has no word for these.
constexpr uint64_t kMountFlagsOnly = MS_I_VERSION | MS_SILENT;

// What the filesystem has to say about a failure: fsopen's context is read like a log, "e tmpfs: Bad value for 'size'".
void read_log(Context& c, int context) {
  char line[200];
  long n = sys(SYS_read, context, line, sizeof line);
  if (n <= 2) return;
  while (n > 0 && line[n - 1] == '\n') --n;
  c.detail.add(line + 2, static_cast<size_t>(n) - 2);
}

long set_flag(int context, const char* name) {
  return name == nullptr ? 0 : sys(SYS_fsconfig, context, FSCONFIG_SET_FLAG, name, 0, 0);
}

// The filesystem's own options are the list `data`.
long configure(Context& c, int context, uint64_t data, uint64_t flags, uint64_t cleared) {
  long error = 0;
  for (const SuperblockFlag& flag : kSuperblockFlags) {
    if ((flags & flag.flag) != 0) error = set_flag(context, flag.set);
    if ((cleared & flag.flag) != 0) error = set_flag(context, flag.clear);
    if (error < 0) return error;
  }
  const char* option = c.blob(data);
  for (uint32_t i = 0; i < c.range(data).count; ++i, option += length(option) + 1) {
    const char* value = find(option, '=');
    Path key;
    if (value == nullptr) {
      error = set_flag(context, option);
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
  return 0;
}

// A descriptor of the detached mount.
long make_mount(Context& c, const Step& s) {
  long opened = sys(SYS_fsopen, c.string(s.args[0]), FSOPEN_CLOEXEC);
  if (opened < 0) return opened;
  int context = static_cast<int>(opened);
  long error = sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", c.string(s.args[1]), 0);
  if (error == 0) error = configure(c, context, s.args[2], s.args[3], 0);
  if (error == 0) error = sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
  if (error == 0) error = sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, s.args[4]);
  if (error < 0 && c.detail.used == 0) read_log(c, context);
  close_fd(context);
  return error;
}

bool needs_mount2(const Context& c, const Step& s) {
  if ((s.args[3] & kMountFlagsOnly) != 0) return true;
  const char* option = c.blob(s.args[2]);
  for (uint32_t i = 0; i < c.range(s.args[2]).count; ++i, option += length(option) + 1) {
    if (length(option) > kMaxConfigValue) return true;
  }
  return false;
}

// As mount(2) wants them.
uint64_t flags_of(uint64_t superblock, uint64_t attributes) {
  uint64_t flags =
      superblock | (attributes & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (attributes & MOUNT_ATTR_NOATIME) flags |= MS_NOATIME;
  if (attributes & MOUNT_ATTR_STRICTATIME) flags |= MS_STRICTATIME;
  if (attributes & MOUNT_ATTR_NODIRATIME) flags |= MS_NODIRATIME;
  if (attributes & MOUNT_ATTR_NOSYMFOLLOW) flags |= MS_NOSYMFOLLOW;
  return flags;
}
static_assert(MOUNT_ATTR_RDONLY == MS_RDONLY && MOUNT_ATTR_NOSUID == MS_NOSUID && MOUNT_ATTR_NODEV == MS_NODEV &&
              MOUNT_ATTR_NOEXEC == MS_NOEXEC);

// What is mounted on a directory: ".." of a root is that root, and whatever covers it.
long open_top(int directory) {
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  long fd = -EAGAIN;
  for (int attempt = 0; attempt < 128 && fd == -EAGAIN; ++attempt) {
    fd = sys(SYS_openat2, directory, "..", &how, sizeof how);
  }
  return fd;
}

// mount(2), for what fsconfig(2) cannot say. It attaches what it makes, so that is done on our root, where nobody else
// looks, and undone when a detached clone is there. No path is involved.
long make_mount_attached(Context& c, const Step& s) {
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
  long error = sys(SYS_fchdir, c.root_fd);
  if (error == 0) {
    error = sys(SYS_mount, c.string(s.args[1]), ".", c.string(s.args[0]), flags_of(s.args[3], s.args[4]), data);
  }
  if (error < 0) return error;
  long top = open_top(c.root_fd);
  if (top < 0) return top;
  long clone = sys(SYS_open_tree, top, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  error = sys(SYS_fchdir, top);
  if (error == 0) error = sys(SYS_umount2, ".", kDetach);
  if (error == 0) error = sys(SYS_fchdir, c.root_fd);
  sys(SYS_close, top);
  return error < 0 ? error : clone;
}

}  // namespace

long do_new_mount(Context& c, const Step& s) {
  close_fd(c.mount_fd);
  long mount = needs_mount2(c, s) ? make_mount_attached(c, s) : make_mount(c, s);
  if (mount < 0) return mount;
  c.mount_fd = static_cast<int>(mount);
  return 0;
}

long do_reconfigure(Context& c, const Step& s) {
  long target = open_in_root(c, c.string(s.args[0]), O_PATH);
  if (target < 0) return target;
  long opened = sys(SYS_fspick, target, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
  sys(SYS_close, target);
  if (opened == -EINVAL) c.detail.add("nothing is mounted there");
  if (opened < 0) return opened;
  int context = static_cast<int>(opened);
  long error = configure(c, context, s.args[1], s.args[2], s.args[3]);
  if (error == 0) error = sys(SYS_fsconfig, context, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0);
  if (error < 0 && c.detail.used == 0) read_log(c, context);
  close_fd(context);
  return error;
}

}  // namespace cella::init
