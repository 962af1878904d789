// Sending signals, and what a task does about those that it has.
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::task {
namespace {

constexpr uint64_t kDefault = 0, kIgnore = 1;  // SIG_DFL, SIG_IGN

bool is_kernel(const siginfo_t& info) {
  return info.si_code == SI_KERNEL || info.si_code > 0;
}

// SIGCONT and the stop signals take each other back, whatever is blocked or ignored.
void cancel_contrary(ThreadGroup& group, int signal) {
  const SignalSet contrary = signal == SIGCONT ? kStops : bit(signal) & kStops ? bit(SIGCONT) : 0;
  if (contrary == 0) return;
  group.pending.remove(contrary);
  for (Task* task : group.tasks) task->pending.remove(contrary);
}

// Process 1 gets only what it has a handler for or waits for, pid_namespaces(7); from the kernel (a terminal's SIGINT)
// and from outside of the container (pid 0) SIGKILL and SIGSTOP too.
bool is_lost_on_init(const ThreadGroup& group, const siginfo_t& info) {
  if (group.id != 1 || group.actions->of(info.si_signo).handler != kDefault) return false;
  return (!is_kernel(info) && info.si_pid != 0) || !(bit(info.si_signo) & kUnblockable);
}

void go_on(ThreadGroup& group) {
  if (!group.stopped) return;
  group.stopped = false;
  group.stop_reported = true;
  group.continue_reported = false;
  if (auto parent = group.parent.lock()) {
    siginfo_t info = signal_info(SIGCHLD, CLD_CONTINUED, group.id);
    info.si_status = SIGCONT;
    if (!(parent->actions->of(SIGCHLD).flags & SA_NOCLDSTOP)) parent->send(info);
    parent->child_events.notify(~0u);
  }
}

}  // namespace

bool Task::has_signals() const {
  return ((pending.set() | group->pending.set()) & (~blocked | kUnblockable)) != 0;
}

bool ThreadGroup::send(const siginfo_t& info) {
  const int signal = info.si_signo;
  if (is_zombie || signal == 0) return false;
  cancel_contrary(*this, signal);
  if (signal == SIGCONT || signal == SIGKILL) {
    go_on(*this);
    for (Task* task : tasks) task->interrupt();
  }
  bool is_kept = false;
  for (Task* task : tasks) is_kept |= task->keeps(signal);
  if (!is_kept && (is_lost_on_init(*this, info) || actions->ignores(signal))) return false;
  if (!pending.add(info)) return false;
  kernel.signal_events.notify(POLLIN);
  // To one who takes it now; else all look at it when they unblock it.
  for (Task* task : tasks) {
    if ((task->blocked & bit(signal)) && !(bit(signal) & kUnblockable)) {
      task->wake();  // sigtimedwait(2) and signalfd(2) want blocked ones
      continue;
    }
    task->interrupt();
    if (signal != SIGKILL) break;
  }
  return true;
}

void ThreadGroup::exit(int wait_status) {
  if (!exiting) {
    exiting = true;
    status = wait_status;
  }
  stopped = false;
  for (Task* task : tasks) task->interrupt();
}

bool Task::send(const siginfo_t& info) {
  const int signal = info.si_signo;
  if (signal == 0) return false;
  cancel_contrary(*group, signal);
  if (signal == SIGCONT || signal == SIGKILL) go_on(*group);
  if (!keeps(signal) && (is_lost_on_init(*group, info) || group->actions->ignores(signal))) return false;
  if (!pending.add(info)) return false;
  kernel.signal_events.notify(POLLIN);
  if (blocked & bit(signal)) wake();
  interrupt();
  return true;
}

std::optional<siginfo_t> Task::take_signal(SignalSet wanted) {
  std::optional<siginfo_t> info = pending.take(wanted);
  if (!info) info = group->pending.take(wanted);
  if (info && info->si_code == SI_TIMER) {
    if (auto timer = group->timers.find(info->si_timerid); timer != group->timers.end()) timer->second->on_taken(*info);
  }
  return info;
}

void Task::force_signal(const siginfo_t& info) {
  const int signal = info.si_signo;
  SignalAction& action = group->actions->of(signal);
  if ((blocked & bit(signal)) || action.handler == kIgnore) {
    action = {};
    blocked &= ~bit(signal);
  }
  pending.add(info);
}

// --- delivery

// A system call that a signal has ended: started again, or EINTR, as core/restart.h has it.
void Task::restart_or_fail(const SignalAction* action) {
  platform::Registers& r = registers();
  if (r.orig_rax == ~0ul) return;
  const auto error = -static_cast<int64_t>(r.rax);
  bool again = false, block = false;
  switch (error) {
    case core::kRestartSys:
      again = action == nullptr || (action->flags & SA_RESTART);
      break;
    case core::kRestartNoIntr:
      again = true;
      break;
    case core::kRestartNoHand:
      again = action == nullptr;
      break;
    case core::kRestartBlock:
      block = again = action == nullptr;
      break;
    default:
      return;
  }
  constexpr uint64_t kInstruction = 2, kRestartSyscall = 219;
  if (again) {
    r.rax = block ? kRestartSyscall : r.orig_rax;
    r.rip -= kInstruction;
  } else {
    r.rax = static_cast<uint64_t>(-EINTR);
  }
  r.orig_rax = ~0ul;
}

bool Task::handle_signals() {
  for (;;) {
    if (exit_requested_ || group->exiting) return false;
    if (group->stopped) {
      // Until somebody continues us, or ends us.
      while (group->stopped && !group->exiting) wakeup_.wait(kernel.lock);
      continue;
    }
    const SignalSet wanted = ~blocked | kUnblockable;
    std::optional<siginfo_t> info = take_signal(wanted);
    if (!info) break;
    if (!deliver(*info)) return false;
  }
  restart_or_fail(nullptr);
  if (saved_mask) {
    blocked = *saved_mask;
    saved_mask.reset();
    if (has_signals()) return handle_signals();
  }
  return true;
}

bool Task::deliver(const siginfo_t& info) {
  const int signal = info.si_signo;
  SignalAction& action = group->actions->of(signal);
  if (signal == SIGKILL) {
    group->exit(SIGKILL);
    return false;
  }
  if (signal != SIGSTOP && action.handler == kIgnore) return true;
  if (signal != SIGSTOP && action.handler != kDefault) {
    const SignalAction taken = action;
    restart_or_fail(&taken);
    if (action.flags & SA_RESETHAND) action.handler = kDefault;
    if (!abort_sequence() || !push_frame(info, taken)) {
      group->exit(SIGSEGV);
      return false;
    }
    blocked |= taken.mask;
    if (!(taken.flags & SA_NODEFER)) blocked |= bit(signal);
    blocked &= ~kUnblockable;
    saved_mask.reset();
    return true;
  }
  if (bit(signal) & kIgnoredByDefault) return true;
  if (bit(signal) & kStops) {
    if (signal != SIGSTOP && is_orphaned(kernel, group->process_group)) return true;
    return stop(signal);
  }
  constexpr int kCoreDumped = 0x80;
  const bool dumps = (bit(signal) & kDumpsCore) && group->limit(RLIMIT_CORE) > 0;
  group->exit(signal | (dumps ? kCoreDumped : 0));
  return false;
}

bool Task::stop(int signal) {
  group->stopped = true;
  group->stop_signal = signal;
  group->stop_reported = false;
  group->continue_reported = true;
  for (Task* other : group->tasks)
    if (other != this) other->interrupt();
  if (auto parent = group->parent.lock()) {
    siginfo_t info = signal_info(SIGCHLD, CLD_STOPPED, group->id, creds.uid);
    info.si_status = signal;
    if (!(parent->actions->of(SIGCHLD).flags & SA_NOCLDSTOP)) parent->send(info);
    parent->child_events.notify(~0u);
  }
  return true;
}

// --- kill(2)

bool may_signal(const Task& sender, const ThreadGroup& target, int signal) {
  if (sender.group.get() == &target || sender.creds.has(CAP_KILL)) return true;
  const Task* leader = target.leader();
  if (leader == nullptr) return true;
  const vfs::Credentials &from = sender.creds, &to = leader->creds;
  if (from.euid == to.suid || from.euid == to.uid || from.uid == to.suid || from.uid == to.uid) return true;
  return signal == SIGCONT && sender.group->session == target.session;
}

void signal_process_group(Kernel& kernel, int process_group, const siginfo_t& info) {
  std::vector<std::shared_ptr<ThreadGroup>> members;
  for (const auto& [id, group] : kernel.groups)
    if (group->process_group == process_group && !group->is_zombie) members.push_back(group);
  for (const auto& group : members) group->send(info);
}

SysResult<void> kill_processes(Task& sender, int pid, const siginfo_t& info) {
  if (pid > 0) {
    ThreadGroup* target = sender.kernel.group(pid);
    if (target == nullptr) {
      Task* task = sender.kernel.task(pid);
      if (task == nullptr) return std::unexpected(Errno{ESRCH});
      target = task->group.get();
    }
    if (!may_signal(sender, *target, info.si_signo)) return std::unexpected(Errno{EPERM});
    target->send(info);
    return {};
  }
  std::vector<std::shared_ptr<ThreadGroup>> targets;
  const int wanted = pid == 0 ? sender.group->process_group : -pid;
  for (const auto& [id, group] : sender.kernel.groups) {
    if (pid == -1 ? id != 1 && group != sender.group : group->process_group == wanted) targets.push_back(group);
  }
  if (targets.empty()) return std::unexpected(Errno{ESRCH});
  bool sent = false;
  for (const auto& target : targets) {
    if (!may_signal(sender, *target, info.si_signo)) continue;
    target->send(info);
    sent = true;
  }
  return sent ? SysResult<void>() : std::unexpected(Errno{EPERM});
}

bool is_orphaned(Kernel& kernel, int process_group) {
  for (const auto& [id, group] : kernel.groups) {
    if (group->process_group != process_group || group->is_zombie) continue;
    auto parent = group->parent.lock();
    if (parent != nullptr && parent->process_group != process_group && parent->session == group->session) return false;
  }
  return true;
}

void tell_orphans(Kernel& kernel, int process_group) {
  const bool any_stopped = std::ranges::any_of(kernel.groups, [&](const auto& entry) {
    return entry.second->process_group == process_group && entry.second->stopped;
  });
  if (!any_stopped) return;
  signal_process_group(kernel, process_group, signal_info(SIGHUP, SI_KERNEL));
  signal_process_group(kernel, process_group, signal_info(SIGCONT, SI_KERNEL));
}

}  // namespace cella::sandbox::task
