// prctl(2): what a thread or a process says about itself.
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/syscall/seccomp.h"

namespace cella::sandbox::syscall {

using task::Task;
using vfs::Credentials;

namespace {

constexpr int kGetAuxv = 0x41555856;  // PR_GET_AUXV, Linux 6.4

bool are_zero(const Arguments& a, size_t from) {
  for (size_t i = from; i < 5; ++i)
    if (a[i] != 0) return false;
  return true;
}

Outcome set_name(Task& task, uint64_t address) {
  char name[16] = {};
  SysResult<std::string> text = task.memory().read_string(address, sizeof name);
  if (text) {
    task.name = text->substr(0, 15);
    return 0;
  }
  if (text.error().value != ENAMETOOLONG) return std::unexpected(text.error());
  TRY(task.memory().copy_in(address, name, sizeof name - 1));
  task.name.assign(name);
  return 0;
}

Outcome get_name(Task& task, uint64_t address) {
  char name[16] = {};
  task.name.copy(name, sizeof name - 1);
  TRY(task.memory().write(address, name));
  return 0;
}

Outcome keep_capabilities(Credentials& who, uint64_t keep) {
  if (keep > 1) return fail(EINVAL);
  if (who.has_securebit(SECURE_KEEP_CAPS_LOCKED)) return fail(EPERM);
  const uint32_t bit = Credentials::mask(SECURE_KEEP_CAPS);
  who.securebits = keep == 1 ? who.securebits | bit : who.securebits & ~bit;
  return 0;
}

// capabilities(7), "The securebits flags": each has its lock above it, which nobody takes away.
Outcome set_securebits(Credentials& who, uint64_t wanted) {
  const uint64_t locks = who.securebits & SECURE_ALL_LOCKS;
  const bool is_locked = (locks >> 1 & (who.securebits ^ wanted)) != 0 || (locks & ~wanted) != 0;
  const bool is_known = (wanted & ~uint64_t{SECURE_ALL_BITS | SECURE_ALL_LOCKS}) == 0;
  if (is_locked || !is_known || !who.has(CAP_SETPCAP)) return fail(EPERM);
  who.securebits = static_cast<uint32_t>(wanted);
  return 0;
}

Outcome drop_from_bounding_set(Credentials& who, uint64_t capability) {
  if (!who.has(CAP_SETPCAP)) return fail(EPERM);
  if (capability > CAP_LAST_CAP) return fail(EINVAL);
  who.bounding &= ~(uint64_t{1} << capability);
  return 0;
}

Outcome change_ambient_set(Credentials& who, const Arguments& a) {
  if (a[1] == PR_CAP_AMBIENT_CLEAR_ALL) {
    if (!are_zero(a, 2)) return fail(EINVAL);
    who.ambient = 0;
    return 0;
  }
  if (a[2] > CAP_LAST_CAP || !are_zero(a, 3)) return fail(EINVAL);
  const uint64_t bit = uint64_t{1} << a[2];
  switch (a[1]) {
    case PR_CAP_AMBIENT_IS_SET:
      return (who.ambient & bit) != 0;
    case PR_CAP_AMBIENT_LOWER:
      who.ambient &= ~bit;
      return 0;
    case PR_CAP_AMBIENT_RAISE:
      if (!(who.permitted & who.inheritable & bit)) return fail(EPERM);
      if (who.has_securebit(SECURE_NO_CAP_AMBIENT_RAISE)) return fail(EPERM);
      who.ambient |= bit;
      return 0;
    default:
      return fail(EINVAL);
  }
}

Outcome set_timer_slack(Task& task, uint64_t nanoseconds) {
  const bool is_default = static_cast<int64_t>(nanoseconds) <= 0;
  task.remembered.timer_slack = is_default ? task.remembered.default_timer_slack : nanoseconds;
  return 0;
}

Outcome set_memory_failure_policy(Task& task, const Arguments& a) {
  if (!are_zero(a, 3)) return fail(EINVAL);
  if (a[1] == PR_MCE_KILL_CLEAR && a[2] == 0) {
    task.remembered.memory_failure_policy = PR_MCE_KILL_DEFAULT;
    return 0;
  }
  if (a[1] != PR_MCE_KILL_SET || a[2] > PR_MCE_KILL_DEFAULT) return fail(EINVAL);
  task.remembered.memory_failure_policy = a.integer(2);
  return 0;
}

Outcome set_io_flusher(Task& task, const Arguments& a) {
  if (!task.creds.has(CAP_SYS_RESOURCE)) return fail(EPERM);
  if (a[1] > 1 || !are_zero(a, 2)) return fail(EINVAL);
  task.remembered.is_io_flusher = a[1] == 1;
  return 0;
}

// As much as there is room for; the result is the whole size.
Outcome get_auxv(Task& task, const Arguments& a) {
  if (!are_zero(a, 3)) return fail(EINVAL);
  const std::vector<std::byte>& auxv = task.memory().layout.auxv;
  TRY(task.memory().copy_out(a[1], auxv.data(), std::min<uint64_t>(a[2], auxv.size())));
  return auxv.size();
}

}  // namespace

Outcome sys_prctl(Task& task, const Arguments& a) {
  switch (a.integer(0)) {
    case PR_SET_NAME:
      return set_name(task, a[1]);
    case PR_GET_NAME:
      return get_name(task, a[1]);
    case PR_SET_PDEATHSIG:
      if (a[1] > task::kSignals) return fail(EINVAL);
      task.parent_death_signal = a.integer(1);
      return 0;
    case PR_GET_PDEATHSIG:
      TRY(task.memory().write(a[1], task.parent_death_signal));
      return 0;
    case PR_SET_DUMPABLE:
      if (a[1] > 1) return fail(EINVAL);
      task.dumpable = a[1] == 1;
      return 0;
    case PR_GET_DUMPABLE:
      return task.dumpable;
    case PR_SET_CHILD_SUBREAPER:
      task.group->is_subreaper = a[1] != 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      TRY(task.memory().write(a[1], static_cast<int>(task.group->is_subreaper)));
      return 0;
    case PR_GET_TID_ADDRESS:
      TRY(task.memory().write(a[1], task.clear_child_tid));
      return 0;

    // --- what it may do
    case PR_SET_NO_NEW_PRIVS:
      if (a[1] != 1 || !are_zero(a, 2)) return fail(EINVAL);
      task.creds.no_new_privileges = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      if (!are_zero(a, 1)) return fail(EINVAL);
      return task.creds.no_new_privileges;
    case PR_SET_SECCOMP:
      return set_seccomp_mode(task, a[1], a[2]);
    case PR_GET_SECCOMP:
      return static_cast<uint64_t>(task.seccomp.mode);
    case PR_SET_KEEPCAPS:
      return keep_capabilities(task.creds, a[1]);
    case PR_GET_KEEPCAPS:
      return task.creds.has_securebit(SECURE_KEEP_CAPS);
    case PR_SET_SECUREBITS:
      return set_securebits(task.creds, a[1]);
    case PR_GET_SECUREBITS:
      return task.creds.securebits;
    case PR_CAPBSET_READ:
      if (a[1] > CAP_LAST_CAP) return fail(EINVAL);
      return task.creds.bounding >> a[1] & 1;
    case PR_CAPBSET_DROP:
      return drop_from_bounding_set(task.creds, a[1]);
    case PR_CAP_AMBIENT:
      return change_ambient_set(task.creds, a);

    // --- clocks and memory
    case PR_SET_TIMING:
      return a[1] == PR_TIMING_STATISTICAL ? Outcome(0) : Outcome(fail(EINVAL));
    case PR_GET_TIMING:
      return PR_TIMING_STATISTICAL;
    case PR_SET_TIMERSLACK:
      return set_timer_slack(task, a[1]);
    case PR_GET_TIMERSLACK:
      return std::min<uint64_t>(task.remembered.timer_slack, INT32_MAX);
    case PR_SET_TSC:
      return a[1] == PR_TSC_ENABLE ? Outcome(0) : Outcome(fail(EINVAL));
    case PR_GET_TSC:
      TRY(task.memory().write(a[1], PR_TSC_ENABLE));
      return 0;
    case PR_SET_THP_DISABLE:
      if (!are_zero(a, 2)) return fail(EINVAL);
      task.memory().no_huge_pages = a[1] != 0;
      return 0;
    case PR_GET_THP_DISABLE:
      if (!are_zero(a, 1)) return fail(EINVAL);
      return task.memory().no_huge_pages;
    case PR_MCE_KILL:
      return set_memory_failure_policy(task, a);
    case PR_MCE_KILL_GET:
      if (!are_zero(a, 1)) return fail(EINVAL);
      return static_cast<uint64_t>(task.remembered.memory_failure_policy);
    case PR_SET_IO_FLUSHER:
      return set_io_flusher(task, a);
    case PR_GET_IO_FLUSHER:
      if (!task.creds.has(CAP_SYS_RESOURCE)) return fail(EPERM);
      if (!are_zero(a, 1)) return fail(EINVAL);
      return task.remembered.is_io_flusher;
    // There are no such events to be switched.
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
      return 0;
    case kGetAuxv:
      return get_auxv(task, a);
    default:
      return fail(EINVAL);
  }
}

}  // namespace cella::sandbox::syscall
