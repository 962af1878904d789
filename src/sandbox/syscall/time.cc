#include <sys/time.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/task/clocks.h"

namespace cella::sandbox::syscall {

using core::Nanoseconds;
using task::Task;

bool is_valid(const timespec& t) {
  return t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < core::kSecond;
}

// What the host counts for the sandbox as a whole is not what a guest's clocks of CPU time count.
SysResult<Nanoseconds> read_clock(Task& task, int clock) {
  if (const auto cpu = task::cpu_clock(task, clock)) return task::read_cpu_clock(task.kernel, *cpu);
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI:
      return task.kernel.clocks->read(clock);
    default:
      return fail(EINVAL);
  }
}

namespace {

Outcome sleep_until(Task& task, Nanoseconds deadline, uint64_t remaining) {
  for (;;) {
    SysResult<void> slept = task.sleep(deadline);
    if (slept) continue;  // woken for nothing
    if (slept.error().value == ETIMEDOUT) return 0;
    break;
  }
  if (remaining != 0) {
    const timespec left = core::to_timespec(std::max<Nanoseconds>(deadline - core::now(), 0));
    TRY(task.memory().write(remaining, left));
  }
  task.restart = [=](Task& again) { return sleep_until(again, deadline, remaining); };
  return fail(core::kRestartBlock);
}

// Until others have used that much CPU time.
Outcome sleep_while_used(Task& task, const task::CpuClock& clock, Nanoseconds until, uint64_t remaining) {
  constexpr Nanoseconds kTick = 4'000'000;
  for (;;) {
    const Nanoseconds left = until - task::read_cpu_clock(task.kernel, clock);
    const int64_t speed = task::cpu_clock_speed(task.kernel, clock);
    if (left <= 0) return 0;
    const Nanoseconds wait = speed > 0 ? std::max(left / speed, kTick) : core::kNever;
    SysResult<void> slept = task.sleep(core::add_time(core::now(), wait));
    if (slept || slept.error().value == ETIMEDOUT) continue;
    if (remaining != 0) TRY(task.memory().write(remaining, core::to_timespec(left)));
    task.restart = [=](Task& again) { return sleep_while_used(again, clock, until, remaining); };
    return fail(core::kRestartBlock);
  }
}

}  // namespace

SysResult<Nanoseconds> deadline_from(Task& task, uint64_t address) {
  if (address == 0) return core::kNever;
  const auto relative = TRY(task.memory().read<timespec>(address));
  if (!is_valid(relative)) return fail(EINVAL);
  return core::add_time(core::now(), core::from_timespec(relative));
}

Outcome sys_clock_gettime(Task& task, const Arguments& a) {
  const Nanoseconds now = TRY(read_clock(task, a.integer(0)));
  TRY(task.memory().write(a[1], core::to_timespec(now)));
  return 0;
}
Outcome sys_clock_getres(Task& task, const Arguments& a) {
  TRY(read_clock(task, a.integer(0)));
  const bool coarse = a.integer(0) == CLOCK_REALTIME_COARSE || a.integer(0) == CLOCK_MONOTONIC_COARSE;
  if (a[1] != 0) TRY(task.memory().write(a[1], timespec{0, coarse ? 4'000'000 : 1}));
  return 0;
}
Outcome sys_nanosleep(Task& task, const Arguments& a) {
  const auto wanted = TRY(task.memory().read<timespec>(a[0]));
  if (!is_valid(wanted)) return fail(EINVAL);
  return sleep_until(task, core::add_time(core::now(), core::from_timespec(wanted)), a[1]);
}
Outcome sys_clock_nanosleep(Task& task, const Arguments& a) {
  const int clock = a.integer(0);
  if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
    return fail(EOPNOTSUPP);
  const std::optional<task::CpuClock> cpu = task::cpu_clock(task, clock);
  if (clock == CLOCK_THREAD_CPUTIME_ID || (cpu && cpu->is_of_thread && cpu->id == task.id)) return fail(EINVAL);
  const Nanoseconds now = TRY(read_clock(task, clock));
  const auto wanted = TRY(task.memory().read<timespec>(a[2]));
  if (!is_valid(wanted)) return fail(EINVAL);
  const Nanoseconds time = core::from_timespec(wanted);
  if (cpu)
    return sleep_while_used(task, *cpu, a.integer(1) & TIMER_ABSTIME ? time : core::add_time(now, time),
                            a.integer(1) & TIMER_ABSTIME ? 0 : a[3]);
  if (!(a.integer(1) & TIMER_ABSTIME)) return sleep_until(task, core::add_time(core::now(), time), a[3]);
  if (time <= now) return 0;
  Outcome slept = sleep_until(task, core::add_time(core::now(), time - now), 0);
  if (!slept && slept.error().value == core::kRestartBlock) return fail(core::kRestartNoHand);
  return slept;
}
Outcome sys_gettimeofday(Task& task, const Arguments& a) {
  const Nanoseconds now = task.kernel.clocks->read(CLOCK_REALTIME);
  if (a[0] != 0) TRY(task.memory().write(a[0], timeval{now / core::kSecond, now % core::kSecond / 1000}));
  if (a[1] != 0) TRY(task.memory().write(a[1], uint64_t{0}));
  return 0;
}
Outcome sys_time(Task& task, const Arguments& a) {
  const Nanoseconds seconds = task.kernel.clocks->read(CLOCK_REALTIME) / core::kSecond;
  if (a[0] != 0) TRY(task.memory().write(a[0], seconds));
  return static_cast<uint64_t>(seconds);
}

}  // namespace cella::sandbox::syscall
