// seccomp(2), and what filters have to say about each system call.
#include "sandbox/syscall/seccomp.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {
namespace {

using task::Task;

constexpr int kSysSeccomp = 1;  // SYS_SECCOMP of sigaction(2), which C libraries do not have

void log(Task& task, uint32_t verdict, uint64_t number) {
  if (!task.kernel.log) return;
  const Entry* entry = find(number);
  task.kernel.log(fmt::format("[{}] {}: seccomp: {}: action {:#x}", task.id, task.name,
                              entry != nullptr ? entry->name : std::to_string(number), verdict));
}

// SECCOMP_RET_KILL_THREAD and what strict mode does.
void kill_thread(Task& task, int signal) {
  if (task.group->tasks.size() == 1) {
    task.group->exit(signal);
  } else {
    task.request_exit(signal);
  }
}

Outcome set_strict(Task& task) {
  if (task.seccomp.mode == SECCOMP_MODE_FILTER) return fail(EINVAL);
  task.seccomp.mode = SECCOMP_MODE_STRICT;
  return 0;
}

// As the kernel and user space have it on x86_64: sock_fprog.
struct UserProgram {
  uint16_t length;
  uint64_t filter;
};

Outcome set_filter(Task& task, uint64_t flags, uint64_t address) {
  constexpr uint64_t kKnown = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
                              SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  if ((flags & ~kKnown) != 0 || task.seccomp.mode == SECCOMP_MODE_STRICT) return fail(EINVAL);
  const auto user = TRY(task.memory().read<UserProgram>(address));
  if (user.length == 0 || user.length > BPF_MAXINSNS) return fail(EINVAL);
  if (!task.creds.no_new_privileges && !task.creds.has(CAP_SYS_ADMIN)) return fail(EACCES);
  std::vector<sock_filter> program(user.length);
  TRY(task.memory().copy_in(user.filter, program.data(), program.size() * sizeof(sock_filter)));
  const bool is_for_all = (flags & SECCOMP_FILTER_FLAG_TSYNC) != 0;
  const task::SeccompFilter* newest = task.seccomp.filter.get();
  if (is_for_all) {
    // The others must not have filters that this thread has not.
    for (const Task* other : task.group->tasks) {
      const task::SeccompFilter* theirs = other->seccomp.filter.get();
      const bool is_behind = other->seccomp.mode != SECCOMP_MODE_STRICT &&
                             (theirs == nullptr || (newest != nullptr && newest->descends_from(theirs)));
      if (other == &task || is_behind) continue;
      if ((flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) != 0) return fail(ESRCH);
      return static_cast<uint64_t>(other->id);
    }
  }
  task.seccomp.filter = TRY(task::SeccompFilter::make(std::move(program), flags, task.seccomp.filter));
  task.seccomp.mode = SECCOMP_MODE_FILTER;
  if (!is_for_all) return 0;
  for (Task* other : task.group->tasks) {
    other->seccomp = task.seccomp;
    other->creds.no_new_privileges |= task.creds.no_new_privileges;
  }
  return 0;
}

Outcome has_action(Task& task, uint64_t address) {
  const auto action = TRY(task.memory().read<uint32_t>(address));
  constexpr uint32_t kServed[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                                  SECCOMP_RET_ERRNO,        SECCOMP_RET_TRACE,       SECCOMP_RET_LOG,
                                  SECCOMP_RET_ALLOW};
  return std::ranges::find(kServed, action) != std::end(kServed) ? Outcome(0) : fail(EOPNOTSUPP);
}

}  // namespace

Outcome sys_seccomp(Task& task, const Arguments& a) {
  switch (static_cast<uint32_t>(a[0])) {
    case SECCOMP_SET_MODE_STRICT:
      return a[1] == 0 && a[2] == 0 ? set_strict(task) : fail(EINVAL);
    case SECCOMP_SET_MODE_FILTER:
      return set_filter(task, static_cast<uint32_t>(a[1]), a[2]);
    case SECCOMP_GET_ACTION_AVAIL:
      return a[1] == 0 ? has_action(task, a[2]) : fail(EINVAL);
    default:
      return fail(EINVAL);
  }
}

Outcome set_seccomp_mode(Task& task, uint64_t mode, uint64_t program) {
  if (mode == SECCOMP_MODE_STRICT) return set_strict(task);
  return mode == SECCOMP_MODE_FILTER ? set_filter(task, 0, program) : fail(EINVAL);
}

std::optional<Outcome> filter_call(Task& task) {
  const platform::Registers& r = task.registers();
  const uint64_t number = r.orig_rax;
  if (task.seccomp.mode == SECCOMP_MODE_STRICT) {
    constexpr uint64_t kAllowed[] = {SYS_read, SYS_write, SYS_exit, SYS_rt_sigreturn};
    if (std::ranges::find(kAllowed, number) != std::end(kAllowed)) return std::nullopt;
    kill_thread(task, SIGKILL);
    return fail(ENOSYS);
  }
  const seccomp_data call = {.nr = static_cast<int>(number),
                             .arch = AUDIT_ARCH_X86_64,
                             .instruction_pointer = r.rip,
                             .args = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}};
  const auto [verdict, is_logged] = task.seccomp.filter->evaluate(call);
  if (is_logged) log(task, verdict, number);
  const auto data = static_cast<int>(verdict & SECCOMP_RET_DATA);
  switch (verdict & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
      return std::nullopt;
    case SECCOMP_RET_ERRNO: {
      constexpr int kMostErrno = 4095;
      return data == 0 ? Outcome(0) : fail(std::min(data, kMostErrno));
    }
    case SECCOMP_RET_TRAP: {
      siginfo_t info = {};
      info.si_signo = SIGSYS;
      info.si_code = kSysSeccomp;
      info.si_errno = data;
      info.si_call_addr = reinterpret_cast<void*>(r.rip);
      info.si_syscall = call.nr;
      info.si_arch = call.arch;
      task.force_signal(info);
      return number;  // as if the call had not been made
    }
    case SECCOMP_RET_TRACE:       // nobody traces
    case SECCOMP_RET_USER_NOTIF:  // nobody listens
      return fail(ENOSYS);
    case SECCOMP_RET_KILL_THREAD:
      kill_thread(task, SIGSYS);
      return fail(ENOSYS);
    default:  // SECCOMP_RET_KILL_PROCESS, and what Linux does not know
      task.group->exit(SIGSYS);
      return fail(ENOSYS);
  }
}

}  // namespace cella::sandbox::syscall
