// Terminal: what processes have to do with a terminal, whatever it is made of: the session that it controls, and the
// process group in its foreground; credentials(7), ioctl_tty(2). What goes over it is fs/tty's.
#pragma once

#include <cstdint>
#include <memory>

#include <cella/error.h>

namespace cella::sandbox::task {

class Kernel;
class Task;
class ThreadGroup;

class Terminal : public std::enable_shared_from_this<Terminal> {
 public:
  explicit Terminal(Kernel& owner) : kernel(owner) {}
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  virtual ~Terminal() = default;

  Kernel& kernel;
  int session = 0;     // 0: it controls none
  int foreground = 0;  // 0: no process group
  // As st_rdev and tty_nr of proc_pid_stat(5) have it.
  virtual uint64_t device() const = 0;

  void signal_foreground(int signal);
  // May a process of this group touch the terminal? Not from the background: ERESTARTSYS when the group has been sent
  // `signal` (SIGTTIN or SIGTTOU) about it, EIO when that would be of no use. Who has another terminal may.
  SysResult<void> check_foreground(Task& task, int signal);

  // TIOCSCTTY: EPERM. `steal`: from another session, with CAP_SYS_ADMIN. `readable`: it was opened for reading.
  SysResult<void> control(Task& task, bool steal, bool readable);
  // The same as open(2) does it by the way: a session leader without a terminal gets one.
  void control_if_wanted(Task& task);
  // Of a session's leader before it runs: the first process.
  void control(ThreadGroup& leader);
  // TIOCSPGRP, TIOCGPGRP and TIOCGSID as far as they are about processes: ENOTTY, ESRCH, EPERM, EINVAL.
  SysResult<void> set_foreground(Task& task, int process_group);
  // The window at the other end may have another size.
  virtual void window_changed() {}
  // The line is gone: the session has no terminal any more, and its leader is sent SIGHUP.
  void hang_up();
};

// A session's leader gives its terminal up, for the whole session: TIOCNOTTY, or because it `is_ending`. Of another
// process: it alone does without from here on.
void give_up_terminal(ThreadGroup& group, bool is_ending);

}  // namespace cella::sandbox::task
