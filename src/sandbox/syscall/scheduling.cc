// Scheduling is the host's: what is set here is remembered for those who ask, but for the processors, which are those
// that we have.
#include <linux/membarrier.h>
#include <linux/rseq.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::Task;

namespace {

SysResult<Task*> target_of(Task& task, int tid) {
  if (tid < 0) return fail(EINVAL);
  Task* target = tid == 0 ? &task : task.kernel.task(tid);
  if (target == nullptr) return fail(ESRCH);
  return target;
}
// A negative number is nobody's here.
SysResult<Task*> affinity_target(Task& task, int tid) {
  return tid < 0 ? fail(ESRCH) : target_of(task, tid);
}
// The guest's processors are numbered from 0, whichever the host gave us.
uint64_t processors_of(const task::Kernel& kernel) {
  constexpr int kWord = 64;
  return kernel.cpu_count >= kWord ? ~0ul : (1ul << kernel.cpu_count) - 1;
}

constexpr int kResetOnFork = 0x40000000;  // SCHED_RESET_ON_FORK

// What has a priority of its own is for nobody: EPERM, as without CAP_SYS_NICE.
SysResult<void> check_policy(int policy, int priority) {
  switch (policy) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
      return priority == 0 ? SysResult<void>() : fail(EINVAL);
    case SCHED_FIFO:
    case SCHED_RR:
      return priority >= 1 && priority <= 99 ? fail(EPERM) : fail(EINVAL);
    case SCHED_DEADLINE:
      return fail(EPERM);
    default:
      return fail(EINVAL);
  }
}

// Until each of those others that runs guest code has stopped once: whatever stops a thread is a barrier to it.
void stop_all(Task& task, auto is_meant) {
  task::Kernel& kernel = task.kernel;
  std::map<int, uint64_t> running;
  for (const auto& [id, other] : kernel.tasks) {
    if (other == &task || !other->is_in_guest() || !is_meant(*other)) continue;
    running[id] = other->stops();
    other->interrupt();
  }
  for (const auto& [id, stops] : running) {
    for (;;) {
      const Task* other = kernel.task(id);
      if (other == nullptr || !other->is_in_guest() || other->stops() != stops) break;
      core::Unlocked unlocked(kernel.lock);
      ::sched_yield();
    }
  }
}

}  // namespace

Outcome sys_sched_yield(Task& task, const Arguments&) {
  core::Unlocked unlocked(task.kernel.lock);
  ::sched_yield();
  return 0;
}
Outcome sys_sched_getaffinity(Task& task, const Arguments& a) {
  constexpr size_t kWord = 8;
  if (a[1] < kWord || a[1] % kWord != 0) return fail(EINVAL);
  const Task* target = TRY(affinity_target(task, a.integer(0)));
  TRY(task.memory().write(a[2], target->processors & processors_of(task.kernel)));
  return kWord;
}
Outcome sys_sched_setaffinity(Task& task, const Arguments& a) {
  uint64_t mask = 0;
  TRY(task.memory().copy_in(a[2], &mask, std::min<size_t>(a[1], sizeof mask)));
  Task* target = TRY(affinity_target(task, a.integer(0)));
  constexpr int kSysNice = 23;  // CAP_SYS_NICE
  if (task.creds.euid != target->creds.euid && task.creds.euid != target->creds.uid && !task.creds.has(kSysNice))
    return fail(EPERM);
  const uint64_t all = processors_of(task.kernel);
  mask &= all;
  if (mask == 0) return fail(EINVAL);
  target->set_processors(mask == all ? ~uint64_t{0} : mask);
  return 0;
}
Outcome sys_sched_getscheduler(Task& task, const Arguments& a) {
  return static_cast<uint64_t>(TRY(target_of(task, a.integer(0)))->policy);
}
Outcome sys_sched_setscheduler(Task& task, const Arguments& a) {
  if (a.integer(1) < 0) return fail(EINVAL);
  const int priority = TRY(task.memory().read<int>(a[2]));
  Task* target = TRY(target_of(task, a.integer(0)));
  const int policy = a.integer(1) & ~kResetOnFork;
  TRY(check_policy(policy, priority));
  target->policy = policy;
  return 0;
}
Outcome sys_sched_getparam(Task& task, const Arguments& a) {
  TRY(target_of(task, a.integer(0)));
  TRY(task.memory().write(a[1], 0));
  return 0;
}
Outcome sys_sched_setparam(Task& task, const Arguments& a) {
  TRY(target_of(task, a.integer(0)));
  return TRY(task.memory().read<int>(a[1]))
  == 0 ? Outcome(0) : Outcome(fail(EINVAL));
}
Outcome sys_sched_get_priority_max(Task&, const Arguments& a) {
  const int result = ::sched_get_priority_max(a.integer(0));
  return result < 0 ? Outcome(fail(EINVAL)) : Outcome(static_cast<uint64_t>(result));
}
Outcome sys_sched_get_priority_min(Task&, const Arguments& a) {
  const int result = ::sched_get_priority_min(a.integer(0));
  return result < 0 ? Outcome(fail(EINVAL)) : Outcome(static_cast<uint64_t>(result));
}
// getpriority(2): a thread, a process group or a user's.
static std::vector<Task*> priority_targets(Task& task, int which, int who) {
  std::vector<Task*> found;
  for (const auto& [id, other] : task.kernel.tasks) {
    const bool matches = which == PRIO_PROCESS ? id == (who != 0 ? who : task.id)
                         : which == PRIO_PGRP
                             ? other->group->process_group == (who != 0 ? who : task.group->process_group)
                             : other->creds.uid == (who != 0 ? static_cast<uint32_t>(who) : task.creds.uid);
    if (matches) found.push_back(other);
  }
  return found;
}
// The kernel gives 20 - nice, getpriority(2) "C library/kernel differences".
Outcome sys_getpriority(Task& task, const Arguments& a) {
  if (a.word(0) > PRIO_USER) return fail(EINVAL);
  const std::vector<Task*> targets = priority_targets(task, a.integer(0), a.integer(1));
  if (targets.empty()) return fail(ESRCH);
  const Task* first = *std::ranges::min_element(targets, {}, [](const Task* one) { return one->nice; });
  return static_cast<uint64_t>(20 - first->nice);
}
Outcome sys_setpriority(Task& task, const Arguments& a) {
  if (a.word(0) > PRIO_USER) return fail(EINVAL);
  const int nice = std::clamp(a.integer(2), -20, 19);
  const std::vector<Task*> targets = priority_targets(task, a.integer(0), a.integer(1));
  if (targets.empty()) return fail(ESRCH);
  constexpr int kSysNice = 23;  // CAP_SYS_NICE
  const bool may_all = task.creds.has(kSysNice);
  int error = 0;
  for (Task* target : targets) {
    const bool own = task.creds.euid == target->creds.uid || task.creds.euid == target->creds.euid;
    if (!own && !may_all) {
      error = EPERM;
    } else if (nice < target->nice && !may_all) {
      error = EACCES;
    } else {
      target->nice = nice;
    }
  }
  return error != 0 ? Outcome(fail(error)) : Outcome(0);
}
// struct sched_attr of sched_setattr(2), as it was first; later fields are zero.
struct SchedulingAttributes {
  uint32_t size = 48, policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};
Outcome sys_sched_getattr(Task& task, const Arguments& a) {
  if (a.integer(0) < 0 || a[1] == 0 || a[3] != 0) return fail(EINVAL);
  if (a.word(2) < sizeof(SchedulingAttributes) || a.word(2) > mm::kPageSize) return fail(EINVAL);
  SchedulingAttributes attributes;
  const Task* target = TRY(target_of(task, a.integer(0)));
  attributes.nice = target->nice;
  attributes.policy = static_cast<uint32_t>(target->policy);
  TRY(task.memory().write(a[1], attributes));
  return 0;
}
Outcome sys_sched_setattr(Task& task, const Arguments& a) {
  if (a.integer(0) < 0 || a[1] == 0 || a[2] != 0) return fail(EINVAL);
  SchedulingAttributes wanted;
  wanted.size = TRY(task.memory().read<uint32_t>(a[1]));
  if (wanted.size == 0) wanted.size = sizeof wanted;
  if (wanted.size < sizeof wanted || wanted.size > mm::kPageSize) return fail(E2BIG);
  wanted = TRY(task.memory().read<SchedulingAttributes>(a[1]));
  Task* target = TRY(target_of(task, a.integer(0)));
  TRY(check_policy(static_cast<int>(wanted.policy), static_cast<int>(wanted.priority)));
  constexpr int kSysNice = 23;  // CAP_SYS_NICE
  const int nice = std::clamp(wanted.nice, -20, 19);
  if (nice < target->nice && !task.creds.has(kSysNice)) return fail(EPERM);
  target->nice = nice;
  target->policy = static_cast<int>(wanted.policy);
  return 0;
}
// Of the policies that there are, none takes turns.
Outcome sys_sched_rr_get_interval(Task& task, const Arguments& a) {
  TRY(target_of(task, a.integer(0)));
  TRY(task.memory().write(a[1], timespec{0, 4'000'000}));
  return 0;
}

namespace {

constexpr int kIoPriorityProcess = 1, kIoPriorityUser = 3;  // IOPRIO_WHO_*

}  // namespace

Outcome sys_ioprio_get(Task& task, const Arguments& a) {
  if (a.integer(0) < kIoPriorityProcess || a.integer(0) > kIoPriorityUser) return fail(EINVAL);
  if (a.integer(0) != kIoPriorityProcess) return static_cast<uint64_t>(task.io_priority);
  Task* target = a.integer(1) == 0 ? &task : task.kernel.task(a.integer(1));
  if (target == nullptr) return fail(ESRCH);
  return static_cast<uint64_t>(target->io_priority);
}
Outcome sys_ioprio_set(Task& task, const Arguments& a) {
  constexpr int kClassShift = 13, kRealTime = 1, kIdle = 3;
  const int priority = a.integer(2), level = priority & 7, kind = priority >> kClassShift;
  if (kind < 0 || kind > kIdle || (kind == 0 && level != 0)) return fail(EINVAL);
  if (kind == kRealTime && !task.creds.has(21 /* CAP_SYS_ADMIN */)) return fail(EPERM);
  if (a.integer(0) < kIoPriorityProcess || a.integer(0) > kIoPriorityUser) return fail(EINVAL);
  Task* target = a.integer(0) != kIoPriorityProcess || a.integer(1) == 0 ? &task : task.kernel.task(a.integer(1));
  if (target == nullptr) return fail(ESRCH);
  target->io_priority = priority;
  return 0;
}
Outcome sys_getcpu(Task& task, const Arguments& a) {
  const auto cpu = static_cast<uint32_t>(std::max(::sched_getcpu(), 0));
  if (a[0] != 0) TRY(task.memory().write(a[0], cpu));
  if (a[1] != 0) TRY(task.memory().write(a[1], uint32_t{0}));
  return 0;
}
Outcome sys_rseq(Task& task, const Arguments& a) {
  constexpr uint32_t kSize = 32;  // struct rseq of Linux 4.18, and how it is aligned
  // The host keeps it, with its own numbers of CPUs.
  if (!task.kernel.platform->has_rseq(task.kernel.cpu_count)) return fail(ENOSYS);
  const uint64_t address = a[0];
  const uint32_t size = a.word(1), signature = a.word(3);
  const task::Task::RestartableSequences& now = task.rseq;
  if (a.integer(2) & RSEQ_FLAG_UNREGISTER) {
    if (a.integer(2) != RSEQ_FLAG_UNREGISTER || now.address == 0 || address != now.address || size != kSize)
      return fail(EINVAL);
    if (signature != now.signature) return fail(EPERM);
    TRY(task.set_rseq({}));
    return 0;
  }
  if (a.integer(2) != 0) return fail(EINVAL);
  if (now.address != 0) {
    if (address != now.address || size != kSize) return fail(EINVAL);
    return fail(signature != now.signature ? EPERM : EBUSY);
  }
  if (address % kSize != 0 || size != kSize) return fail(EINVAL);
  if (address > task.memory().limit() - kSize) return fail(EFAULT);
  // Linux does not look before it goes back to the program.
  if (address != 0 && !task.set_rseq({address, signature})) task.force_signal(task::signal_info(SIGSEGV, SI_KERNEL));
  return 0;
}
// Every switch between guest and kernel is a full barrier for that thread, and the end of the restartable sequence that
// it is in; others have one at their next.
Outcome sys_membarrier(Task& task, const Arguments& a) {
  constexpr int kSupported = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
                             MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
                             MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |
                             MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |
                             MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ;
  // On which CPU, for those of restartable sequences: all is more, and no harm.
  const bool has_cpu = a.integer(0) == MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ && a.integer(1) == MEMBARRIER_CMD_FLAG_CPU;
  if (a.integer(1) != 0 && !has_cpu) return fail(EINVAL);
  int& registered = task.memory().barriers;
  switch (a.integer(0)) {
    case MEMBARRIER_CMD_QUERY:
      return kSupported;
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ:
      registered |= a.integer(0);
      return 0;
    case MEMBARRIER_CMD_GLOBAL:
      stop_all(task, [](const Task&) { return true; });
      return 0;
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
      stop_all(task, [](Task& other) { return other.memory().barriers & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED; });
      return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ: {
      // The command that registers is the next bit.
      if (!(registered & a.integer(0) << 1)) return fail(EPERM);
      stop_all(task, [&](Task& other) { return &other.memory() == &task.memory(); });
      return 0;
    }
    default:
      return fail(EINVAL);
  }
}

}  // namespace cella::sandbox::syscall
