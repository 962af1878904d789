#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include "init/arguments.h"
#include "init/context.h"

namespace cella::init {
namespace {

constexpr int kKill = 9, kChild = 17;  // SIGKILL, SIGCHLD

// In the child: the hook, with the state document as standard input, and its output where that goes. Returns when it
// could not be executed.
long execute_hook(Context& c, const Step& s) {
  constexpr unsigned kUmask = 022;
  // Init works without one; what a hook of the host's makes must not be everybody's to write.
  if (unsigned own = static_cast<unsigned>(sys(SYS_umask, kUmask)); own != 0) sys(SYS_umask, own);
  // Before the pivot we stand in the image, where an interpreter would look for its modules first.
  long error = sys(SYS_chdir, "/");
  if (error < 0) return error;
  int state = c.slot(s.args[0]);
  error = sys(SYS_lseek, state, 0, 0);
  if (error >= 0) error = sys(SYS_dup3, state, 0, 0);
  for (uint64_t stream = 0; error >= 0 && stream < 2; ++stream) {
    const int output = c.slot(s.args[5] + stream);
    if (output >= 0) error = sys(SYS_dup3, output, 1 + stream, 0);
  }
  char** args = pointers(c, s.args[2]);
  char** env = pointers(c, s.args[3]);
  if (args == nullptr || env == nullptr) return -ENOMEM;
  if (error < 0) return error;
  return sys(SYS_execve, c.string(s.args[1]), args, env);
}

enum class End { kEnded, kLate, kAbandoned };

// Waits for the hook, at most `seconds` (0: for ever), and as long as there is a launcher to go on for.
End wait_for_hook(int pidfd, int sync_fd, uint64_t seconds) {
  constexpr short kHangup = POLLRDHUP;
  pollfd wait[] = {{pidfd, POLLIN, 0}, {sync_fd, kHangup, 0}};
  // The kernel takes off what has passed, so that an interrupted wait does not start anew.
  __kernel_timespec left = {static_cast<long long>(seconds), 0};
  for (;;) {
    long n = sys(SYS_ppoll, wait, 2, seconds != 0 ? &left : nullptr, 0, 0);
    if (n == -EINTR) continue;
    if (n == 0) return End::kLate;
    if (n > 0 && wait[0].revents == 0) return End::kAbandoned;
    return End::kEnded;
  }
}

long describe(Context& c, int status) {
  if ((status & 0x7f) == 0) {
    c.detail.add("exit status ").add_number((static_cast<unsigned>(status) >> 8) & 0xff);
  } else {
    c.detail.add("killed by signal ").add_number(static_cast<unsigned>(status) & 0x7f);
  }
  return -kDetailOnly;
}

}  // namespace

long do_hook(Context& c, const Step& s) {
  int failure[2];
  long error = sys(SYS_pipe2, failure, O_CLOEXEC);
  if (error < 0) return error;
  int pidfd = -1;
  clone_args args = {};
  args.flags = CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = kChild;
  long pid = sys(SYS_clone3, &args, sizeof args);
  if (pid < 0) return pid;
  if (pid == 0) {
    long reason = execute_hook(c, s);
    sys(SYS_write, failure[1], &reason, sizeof reason);
    leave(127);
  }
  sys(SYS_close, failure[1]);
  long reason = 0;
  bool executed = sys(SYS_read, failure[0], &reason, sizeof reason) != sizeof reason;
  sys(SYS_close, failure[0]);

  End end = executed ? wait_for_hook(pidfd, c.sync_fd, s.args[4]) : End::kEnded;
  if (end != End::kEnded) sys(SYS_kill, pid, kKill);
  if (end == End::kAbandoned) leave(1);
  int status = 0;
  do error = sys(SYS_wait4, pid, &status, 0, 0);
  while (error == -EINTR);
  sys(SYS_close, pidfd);
  if (!executed) return reason;
  if (end == End::kLate) {
    c.detail.add("not finished after ").add_number(s.args[4]).add(" s");
    return -kDetailOnly;
  }
  if (error < 0) return error;
  return status == 0 ? 0 : describe(c, status);
}

}  // namespace cella::init
