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

// In the child: the hook, with the state document as standard input. Returns when it could not be executed.
long execute_hook(Context& c, const Step& s) {
  int state = c.slot(s.args[0]);
  long error = sys(SYS_lseek, state, 0, 0);
  if (error >= 0) error = sys(SYS_dup3, state, 0, 0);
  char** args = pointers(c, s.args[2]);
  char** env = pointers(c, s.args[3]);
  if (args == nullptr || env == nullptr) return -ENOMEM;
  if (error < 0) return error;
  return sys(SYS_execve, c.string(s.args[1]), args, env);
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

  bool late = false;
  if (executed && s.args[4] != 0) {
    pollfd wait = {pidfd, POLLIN, 0};
    __kernel_timespec limit = {static_cast<long long>(s.args[4]), 0};
    late = sys(SYS_ppoll, &wait, 1, &limit, 0, 0) == 0;
    if (late) sys(SYS_kill, pid, kKill);
  }
  int status = 0;
  do error = sys(SYS_wait4, pid, &status, 0, 0);
  while (error == -EINTR);
  sys(SYS_close, pidfd);
  if (!executed) return reason;
  if (late) {
    c.detail.add("not finished after ").add_number(s.args[4]).add(" s");
    return -kDetailOnly;
  }
  if (error < 0) return error;
  return status == 0 ? 0 : describe(c, status);
}

}  // namespace cella::init
