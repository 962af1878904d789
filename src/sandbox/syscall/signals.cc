#include <cerrno>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::bit;
using task::SignalSet;
using task::Task;

namespace {

constexpr size_t kSetSize = sizeof(SignalSet);

bool is_signal(int signal) {
  return signal >= 1 && signal <= task::kSignals;
}

siginfo_t from_user(Task& task, int signal, int code) {
  return task::signal_info(signal, code, task.group->id, task.creds.uid);
}

Outcome send_to_thread(Task& task, int tgid, int tid, const siginfo_t& info) {
  Task* target = task.kernel.task(tid);
  if (target == nullptr || (tgid != -1 && target->group->id != tgid)) return fail(ESRCH);
  if (!task::may_signal(task, *target->group, info.si_signo)) return fail(EPERM);
  target->send(info);
  return 0;
}

}  // namespace

SysResult<void> set_temporary_mask(Task& task, uint64_t address, uint64_t size) {
  if (address == 0) return {};
  if (size != kSetSize) return fail(EINVAL);
  const auto mask = TRY(task.memory().read<SignalSet>(address));
  task.saved_mask = task.blocked;
  task.blocked = mask & ~task::kUnblockable;
  return {};
}

Outcome sys_rt_sigaction(Task& task, const Arguments& a) {
  const int signal = a.integer(0);
  if (a[3] != kSetSize || !is_signal(signal)) return fail(EINVAL);
  if (a[1] != 0 && (bit(signal) & task::kUnblockable)) return fail(EINVAL);
  task::SignalAction& action = task.group->actions->of(signal);
  const task::SignalAction old = action;
  if (a[1] != 0) {
    action = TRY(task.memory().read<task::SignalAction>(a[1]));
    action.mask &= ~task::kUnblockable;
    if (task.group->actions->ignores(signal)) {
      task.group->pending.remove(bit(signal));
      for (Task* other : task.group->tasks) other->pending.remove(bit(signal));
    }
  }
  if (a[2] != 0) TRY(task.memory().write(a[2], old));
  return 0;
}

Outcome sys_rt_sigprocmask(Task& task, const Arguments& a) {
  if (a[3] != kSetSize) return fail(EINVAL);
  const SignalSet old = task.blocked;
  if (a[1] != 0) {
    const auto set = TRY(task.memory().read<SignalSet>(a[1]));
    switch (a.integer(0)) {
      case SIG_BLOCK:
        task.blocked |= set;
        break;
      case SIG_UNBLOCK:
        task.blocked &= ~set;
        break;
      case SIG_SETMASK:
        task.blocked = set;
        break;
      default:
        return fail(EINVAL);
    }
    task.blocked &= ~task::kUnblockable;
  }
  if (a[2] != 0) TRY(task.memory().write(a[2], old));
  return 0;
}

Outcome sys_rt_sigreturn(Task& task, const Arguments&) {
  if (!task.pop_frame()) {
    siginfo_t info = task::signal_info(SIGSEGV, SI_KERNEL);
    task.force_signal(info);
  }
  return task.registers().rax;
}

Outcome sys_rt_sigpending(Task& task, const Arguments& a) {
  if (a[1] > kSetSize) return fail(EINVAL);
  const SignalSet set = (task.pending.set() | task.group->pending.set()) & task.blocked;
  TRY(task.memory().copy_out(a[0], &set, a[1]));
  return 0;
}

Outcome sys_rt_sigsuspend(Task& task, const Arguments& a) {
  if (a[1] != kSetSize) return fail(EINVAL);
  TRY(set_temporary_mask(task, a[0], a[1]));
  while (task.sleep()) {
  }
  return fail(core::kRestartNoHand);
}
Outcome sys_pause(Task& task, const Arguments&) {
  while (task.sleep()) {
  }
  return fail(core::kRestartNoHand);
}

Outcome sys_rt_sigtimedwait(Task& task, const Arguments& a) {
  if (a[3] != kSetSize) return fail(EINVAL);
  const SignalSet wanted = TRY(task.memory().read<SignalSet>(a[0]))
  &~task::kUnblockable;
  const core::Nanoseconds deadline = TRY(deadline_from(task, a[2]));
  std::optional<siginfo_t> info;
  for (;;) {
    info = task.take_signal(wanted);
    if (info) break;
    // Those that are waited for count as unblocked.
    const SignalSet blocked = task.blocked;
    task.waited_for = wanted & blocked;
    task.blocked &= ~wanted;
    SysResult<void> slept = task.sleep(deadline);
    task.blocked = blocked;
    task.waited_for = 0;
    if (!slept && slept.error().value == ETIMEDOUT) return fail(EAGAIN);
    if (!slept && !((task.pending.set() | task.group->pending.set()) & wanted)) return fail(EINTR);
  }
  if (a[1] != 0) TRY(task.memory().write(a[1], *info));
  return static_cast<uint64_t>(info->si_signo);
}

Outcome sys_kill(Task& task, const Arguments& a) {
  const int signal = a.integer(1);
  if (signal != 0 && !is_signal(signal)) return fail(EINVAL);
  TRY(task::kill_processes(task, a.integer(0), from_user(task, signal, SI_USER)));
  return 0;
}
Outcome sys_tkill(Task& task, const Arguments& a) {
  const int signal = a.integer(1);
  if (a.integer(0) <= 0 || (signal != 0 && !is_signal(signal))) return fail(EINVAL);
  return send_to_thread(task, -1, a.integer(0), from_user(task, signal, SI_TKILL));
}
Outcome sys_tgkill(Task& task, const Arguments& a) {
  const int signal = a.integer(2);
  if (a.integer(0) <= 0 || a.integer(1) <= 0 || (signal != 0 && !is_signal(signal))) return fail(EINVAL);
  return send_to_thread(task, a.integer(0), a.integer(1), from_user(task, signal, SI_TKILL));
}
Outcome sys_rt_sigqueueinfo(Task& task, const Arguments& a) {
  auto info = TRY(task.memory().read<siginfo_t>(a[2]));
  if (a.integer(1) != 0 && !is_signal(a.integer(1))) return fail(EINVAL);
  info.si_signo = a.integer(1);
  if ((info.si_code >= 0 || info.si_code == SI_TKILL) && a.integer(0) != task.group->id) return fail(EPERM);
  TRY(task::kill_processes(task, a.integer(0), info));
  return 0;
}
Outcome sys_rt_tgsigqueueinfo(Task& task, const Arguments& a) {
  auto info = TRY(task.memory().read<siginfo_t>(a[3]));
  if (a.integer(2) != 0 && !is_signal(a.integer(2))) return fail(EINVAL);
  info.si_signo = a.integer(2);
  if ((info.si_code >= 0 || info.si_code == SI_TKILL) && a.integer(1) != task.id) return fail(EPERM);
  return send_to_thread(task, a.integer(0), a.integer(1), info);
}

Outcome sys_sigaltstack(Task& task, const Arguments& a) {
  const uint64_t sp = task.registers().rsp;
  const bool on_it = !(task.alternate_stack_flags & SS_DISABLE) && sp > task.alternate_stack &&
                     sp - task.alternate_stack <= task.alternate_stack_size;
  stack_t old = {};
  old.ss_sp = reinterpret_cast<void*>(task.alternate_stack);
  old.ss_size = task.alternate_stack_size;
  old.ss_flags = task.alternate_stack_flags | (on_it ? SS_ONSTACK : 0);
  if (a[0] != 0) {
    const auto stack = TRY(task.memory().read<stack_t>(a[0]));
    constexpr int kAutodisarm = 1 << 31;
    const int mode = stack.ss_flags & ~kAutodisarm;
    if (on_it) return fail(EPERM);
    if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK) return fail(EINVAL);
    constexpr size_t kLeast = 2048;  // MINSIGSTKSZ
    if (mode == SS_DISABLE) {
      task.alternate_stack = task.alternate_stack_size = 0;
      task.alternate_stack_flags = SS_DISABLE;
    } else if (stack.ss_size < kLeast) {
      return fail(ENOMEM);
    } else {
      task.alternate_stack = reinterpret_cast<uint64_t>(stack.ss_sp);
      task.alternate_stack_size = stack.ss_size;
      task.alternate_stack_flags = stack.ss_flags & kAutodisarm;
    }
  }
  if (a[1] != 0) TRY(task.memory().write(a[1], old));
  return 0;
}

Outcome sys_restart_syscall(Task& task, const Arguments&) {
  if (!task.restart) return fail(EINTR);
  auto restart = std::exchange(task.restart, nullptr);
  return restart(task);
}

}  // namespace cella::sandbox::syscall
