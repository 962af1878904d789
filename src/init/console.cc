#include <asm/ioctls.h>
#include <asm/termios.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/statfs.h>

#include "init/context.h"

namespace cella::init {
namespace {

constexpr char kName[] = "/dev/ptmx";  // what the receiver of the master is told

// The container's own devpts, not what an image put at /dev/pts.
long open_ptmx(Context& c) {
  long ptmx = open_in_root(c, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (ptmx < 0) {
    c.detail.add("the container needs a devpts on /dev/pts");
    return ptmx;
  }
  struct statfs filesystem;
  long error = sys(SYS_fstatfs, ptmx, &filesystem);
  if (error == 0 && filesystem.f_type != DEVPTS_SUPER_MAGIC) {
    c.detail.add("/dev/pts is not a devpts");
    error = -ENODEV;
  }
  if (error == 0) error = sys(SYS_fcntl, ptmx, F_SETFL, O_RDWR);
  if (error < 0) {
    sys(SYS_close, ptmx);
    return error;
  }
  return ptmx;
}

// The terminal's other side comes from the master itself (TIOCGPTPEER) and is bound by descriptor: nobody can swap
// /dev/pts/N in between (CVE-2025-52565).
long bind_console(Context& c, int slave) {
  long tree = sys(SYS_open_tree, slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) return tree;
  long target = make_file(c, "/dev/console");
  long error = target;
  if (target >= 0) {
    error = sys(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    sys(SYS_close, target);
  }
  sys(SYS_close, tree);
  return error;
}

}  // namespace

long do_console(Context& c, const Step& s) {
  // An exec'd process has no root of ours: its root directory is the container's.
  bool borrowed = c.root_fd < 0;
  if (borrowed) {
    long root = sys(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return root;
    c.root_fd = static_cast<int>(root);
  }
  long master = open_ptmx(c);
  if (master < 0) return master;
  int unlock = 0;
  long error = sys(SYS_ioctl, master, TIOCSPTLCK, &unlock);
  if (error < 0) return error;
  long slave = sys(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return slave;
  if (s.args[1] != 0 || s.args[2] != 0) {
    winsize size = {};
    size.ws_col = static_cast<unsigned short>(s.args[1]);
    size.ws_row = static_cast<unsigned short>(s.args[2]);
    error = sys(SYS_ioctl, slave, TIOCSWINSZ, &size);
    if (error < 0) return error;
  }
  error = sys(SYS_fchown, slave, s.args[3], -1);
  if (error < 0 && error != -EINVAL && error != -EPERM) return error;
  if (s.args[4] != 0) {
    error = bind_console(c, static_cast<int>(slave));
    if (error < 0) return error;
  }
  if (int socket = c.slot(s.args[0]); socket >= 0) {
    error = send_descriptor(socket, kName, sizeof kName - 1, static_cast<int>(master));
    if (error < 0) {
      c.detail.add("sending the terminal to the console socket");
      return error;
    }
    close_fd(c.plan->slots[s.args[0]]);
  }
  error = sys(SYS_ioctl, slave, TIOCSCTTY, 0);
  if (error < 0) return error;
  for (int fd = 0; fd < 3; ++fd) {
    error = sys(SYS_dup3, slave, fd, 0);
    if (error < 0) return error;
  }
  sys(SYS_close, slave);
  sys(SYS_close, master);
  if (borrowed) close_fd(c.root_fd);
  return 0;
}

}  // namespace cella::init
