#include "sandbox/task/posix_timers.h"

#include "sandbox/task/task.h"

namespace cella::sandbox::task {

namespace {

constexpr uint64_t kSeconds = core::kSecond;

core::Nanoseconds from_limit(uint64_t seconds) {
  return seconds >= core::kNever / kSeconds ? core::kNever : static_cast<core::Nanoseconds>(seconds * kSeconds);
}
int64_t speed_of(const ThreadGroup& group) {
  return static_cast<int64_t>(group.tasks.size());
}

}  // namespace

std::optional<CpuClock> cpu_clock(const Task& task, clockid_t clock) {
  if (clock == CLOCK_PROCESS_CPUTIME_ID) return CpuClock{task.group->id};
  if (clock == CLOCK_THREAD_CPUTIME_ID) return CpuClock{task.id, true};
  if (clock >= 0) return std::nullopt;
  // As the kernel's posix-timers.h has it: the id inverted, and what of it in the last three bits.
  constexpr int kThread = 4, kKind = 3, kUserTime = 1, kDescriptor = 3;
  if ((clock & kKind) == kDescriptor) return std::nullopt;
  CpuClock result = {~(clock >> 3), (clock & kThread) != 0,
                     (clock & kKind) == kUserTime ? CpuClock::Counts::kUser : CpuClock::Counts::kAll};
  if (result.id == 0) result.id = result.is_of_thread ? task.id : task.group->id;
  const Kernel& kernel = task.kernel;
  if (result.is_of_thread) {
    const Task* other = kernel.task(result.id);
    if (other == nullptr || other->group != task.group) return std::nullopt;
  } else if (kernel.group(result.id) == nullptr) {
    return std::nullopt;
  }
  return result;
}

core::Nanoseconds read_cpu_clock(const Kernel& kernel, const CpuClock& clock) {
  Usage usage;
  if (clock.is_of_thread) {
    if (const Task* task = kernel.task(clock.id)) usage = task->usage();
  } else if (const ThreadGroup* group = kernel.group(clock.id)) {
    usage = group->usage();
  }
  return clock.counts == CpuClock::Counts::kUser ? usage.user_time : usage.time();
}

int64_t cpu_clock_speed(const Kernel& kernel, const CpuClock& clock) {
  if (clock.is_of_thread) return kernel.task(clock.id) != nullptr ? 1 : 0;
  const ThreadGroup* group = kernel.group(clock.id);
  return group != nullptr ? speed_of(*group) : 0;
}

core::Nanoseconds ProcessTimer::clock_time() const {
  if (which_ == ITIMER_REAL) return core::now();
  const Usage usage = group_.usage();
  return which_ == ITIMER_VIRTUAL ? usage.user_time : usage.time();
}

int64_t ProcessTimer::clock_speed() const {
  return which_ == ITIMER_REAL ? kMonotonic : speed_of(group_);
}

void ProcessTimer::on_ticks(uint64_t) {
  group_.send(signal_info(which_ == ITIMER_REAL ? SIGALRM : which_ == ITIMER_VIRTUAL ? SIGVTALRM : SIGPROF, SI_KERNEL));
}

void CpuLimitTimer::follow_limit() {
  // A process that has none never sets a timer.
  const rlimit limit = group_.limits[RLIMIT_CPU];
  const uint64_t first = std::min(limit.rlim_cur, limit.rlim_max);
  if (first == RLIM_INFINITY && !is_running()) return;
  start(group_.kernel.timers, from_limit(first), first == RLIM_INFINITY ? 0 : core::kSecond);
}

core::Nanoseconds CpuLimitTimer::clock_time() const {
  return group_.usage().time();
}

int64_t CpuLimitTimer::clock_speed() const {
  // It is set before there is a thread.
  return std::max<int64_t>(speed_of(group_), 1);
}

void CpuLimitTimer::on_ticks(uint64_t) {
  if (clock_time() >= from_limit(group_.limits[RLIMIT_CPU].rlim_max)) {
    group_.send(signal_info(SIGKILL, SI_KERNEL));
  } else {
    group_.send(signal_info(SIGXCPU, SI_KERNEL));
  }
}

core::Nanoseconds PosixTimer::clock_time() const {
  return cpu_ ? read_cpu_clock(group_.kernel, *cpu_) : core::now();
}

int64_t PosixTimer::clock_speed() const {
  return cpu_ ? cpu_clock_speed(group_.kernel, *cpu_) : kMonotonic;
}

void PosixTimer::on_ticks(uint64_t times) {
  if (notification_.signal == 0) return;
  Task* thread = notification_.thread == 0 ? nullptr : group_.kernel.task(notification_.thread);
  if (notification_.thread != 0 && thread == nullptr) return;
  if ((thread != nullptr ? thread->pending : group_.pending).has_timer(id_)) {
    overrun_ += times;
    return;
  }
  overrun_ = times - 1;
  siginfo_t info = {};
  info.si_signo = notification_.signal;
  info.si_code = SI_TIMER;
  info.si_timerid = id_;
  info.si_value.sival_ptr = reinterpret_cast<void*>(notification_.value);
  if (thread != nullptr) {
    thread->send(info);
  } else {
    group_.send(info);
  }
}

void PosixTimer::on_taken(siginfo_t& info) {
  constexpr uint64_t kMost = INT32_MAX;  // DELAYTIMER_MAX
  taken_overrun_ = info.si_overrun = static_cast<int>(std::min(overrun_, kMost));
}

}  // namespace cella::sandbox::task
