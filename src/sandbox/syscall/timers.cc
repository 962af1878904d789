// What happens at a time: setitimer(2), timer_create(2), timerfd_create(2).
#include <sys/time.h>
#include <sys/timerfd.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/events.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using core::Nanoseconds;
using task::Task;

namespace {

// --- itimerval

Nanoseconds from_timeval(const timeval& t) {
  return core::add_time(core::from_timespec({t.tv_sec, 0}), t.tv_usec * 1000);
}
timeval to_timeval(Nanoseconds t) {
  return {t / core::kSecond, t % core::kSecond / 1000};
}

SysResult<task::ProcessTimer*> process_timer(Task& task, int which) {
  switch (which) {
    case ITIMER_REAL:
      return &task.group->real_timer;
    case ITIMER_VIRTUAL:
      return &task.group->virtual_timer;
    case ITIMER_PROF:
      return &task.group->profile_timer;
    default:
      return fail(EINVAL);
  }
}

itimerval remaining(const core::IntervalTimer& timer) {
  if (!timer.is_running()) return {};
  // A timer that is about to expire does not read as disarmed.
  return {to_timeval(timer.interval()), to_timeval(std::max<Nanoseconds>(timer.left(), 1000))};
}

// --- itimerspec

itimerspec left_of(const core::IntervalTimer& timer) {
  if (!timer.is_running()) return {core::to_timespec(timer.interval()), {}};
  return {core::to_timespec(timer.interval()), core::to_timespec(timer.left())};
}

bool is_wall_clock(int clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

// timer_settime(2) and timerfd_settime(2): what is wanted, and the doing, which tells what was left before.
SysResult<itimerspec> timer_setting(Task& task, uint64_t address) {
  const auto wanted = TRY(task.memory().read<itimerspec>(address));
  if (!is_valid(wanted.it_value) || !is_valid(wanted.it_interval)) return fail(EINVAL);
  return wanted;
}
Outcome set_timer(Task& task, core::IntervalTimer& timer, clockid_t clock, bool absolute, const itimerspec& wanted,
                  uint64_t old_address) {
  const itimerspec old = left_of(timer);
  Nanoseconds first = core::from_timespec(wanted.it_value);
  if (first == 0) {
    first = core::kNever;
  } else if (!absolute || is_wall_clock(clock)) {
    // Those clocks run alike; a jump of the real-time clock is not followed.
    if (absolute) first -= core::now(clock);
    first = core::add_time(timer.clock_time(), first);
  }
  timer.start(task.kernel.timers, first, core::from_timespec(wanted.it_interval));
  if (old_address != 0) TRY(task.memory().write(old_address, old));
  return 0;
}

SysResult<task::PosixTimer*> timer_of(Task& task, int id) {
  auto found = task.group->timers.find(id);
  if (found == task.group->timers.end()) return fail(EINVAL);
  return found->second.get();
}

}  // namespace

Outcome sys_getitimer(Task& task, const Arguments& a) {
  const task::ProcessTimer* timer = TRY(process_timer(task, a.integer(0)));
  TRY(task.memory().write(a[1], remaining(*timer)));
  return 0;
}
Outcome sys_setitimer(Task& task, const Arguments& a) {
  task::ProcessTimer* timer = TRY(process_timer(task, a.integer(0)));
  itimerval wanted = {};
  if (a[1] != 0) wanted = TRY(task.memory().read<itimerval>(a[1]));
  for (const timeval& t : {wanted.it_value, wanted.it_interval})
    if (t.tv_sec < 0 || t.tv_usec < 0 || t.tv_usec > 999'999) return fail(EINVAL);
  const itimerval old = remaining(*timer);
  const Nanoseconds first = from_timeval(wanted.it_value);
  timer->start(task.kernel.timers, first == 0 ? core::kNever : core::add_time(timer->clock_time(), first),
               from_timeval(wanted.it_interval));
  if (a[2] != 0) TRY(task.memory().write(a[2], old));
  return 0;
}
Outcome sys_alarm(Task& task, const Arguments& a) {
  const itimerval old = remaining(task.group->real_timer);
  task.group->real_timer.start(
      task.kernel.timers, a.word(0) == 0 ? core::kNever : core::add_time(core::now(), a.word(0) * core::kSecond), 0);
  const bool up = old.it_value.tv_usec >= 500'000 || (old.it_value.tv_sec == 0 && old.it_value.tv_usec > 0);
  return static_cast<uint64_t>(old.it_value.tv_sec + (up ? 1 : 0));
}

Outcome sys_timer_create(Task& task, const Arguments& a) {
  const std::optional<task::CpuClock> cpu = task::cpu_clock(task, a.integer(0));
  if (!cpu && !is_wall_clock(a.integer(0))) {
    TRY(read_clock(task, a.integer(0)));
    return fail(EOPNOTSUPP);
  }
  auto& timers = task.group->timers;
  int id = 0;
  while (timers.contains(id)) ++id;
  // Each may have a signal pending: RLIMIT_SIGPENDING, timer_create(2).
  if (timers.size() >= task.group->limit(RLIMIT_SIGPENDING)) return fail(EAGAIN);
  task::PosixTimer::Notification notification = {SIGALRM, static_cast<uint64_t>(id), 0};
  if (a[1] != 0) {
    const auto event = TRY(task.memory().read<sigevent>(a[1]));
    notification = {event.sigev_signo, reinterpret_cast<uint64_t>(event.sigev_value.sival_ptr), 0};
    switch (event.sigev_notify) {
      case SIGEV_NONE:
        notification.signal = 0;
        break;
      case SIGEV_THREAD_ID: {
        notification.thread = event._sigev_un._tid;
        Task* target = task.kernel.task(notification.thread);
        if (target == nullptr || target->group != task.group) return fail(EINVAL);
        [[fallthrough]];
      }
      case SIGEV_SIGNAL:
      case SIGEV_THREAD:
        if (event.sigev_signo < 1 || event.sigev_signo > task::kSignals) return fail(EINVAL);
        break;
      default:
        return fail(EINVAL);
    }
  }
  TRY(task.memory().write(a[2], id));
  timers[id] = std::make_unique<task::PosixTimer>(*task.group, id, a.integer(0), cpu, notification);
  return 0;
}
Outcome sys_timer_settime(Task& task, const Arguments& a) {
  if (a[2] == 0) return fail(EINVAL);
  const itimerspec wanted = TRY(timer_setting(task, a[2]));
  task::PosixTimer* timer = TRY(timer_of(task, a.integer(0)));
  return set_timer(task, *timer, timer->clock(), a.integer(1) & TIMER_ABSTIME, wanted, a[3]);
}
Outcome sys_timer_gettime(Task& task, const Arguments& a) {
  task::PosixTimer* timer = TRY(timer_of(task, a.integer(0)));
  TRY(task.memory().write(a[1], left_of(*timer)));
  return 0;
}
Outcome sys_timer_getoverrun(Task& task, const Arguments& a) {
  return static_cast<uint64_t>(TRY(timer_of(task, a.integer(0)))->overrun());
}
Outcome sys_timer_delete(Task& task, const Arguments& a) {
  TRY(timer_of(task, a.integer(0)));
  task.group->timers.erase(a.integer(0));
  return 0;
}

Outcome sys_timerfd_create(Task& task, const Arguments& a) {
  constexpr int kRealtimeAlarm = 8, kBoottimeAlarm = 9;
  const int clock = a.integer(0), flags = a.integer(1);
  if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) return fail(EINVAL);
  // Those that wake the machine up are for who may do that: CAP_WAKE_ALARM, which no container has.
  if (clock == kRealtimeAlarm || clock == kBoottimeAlarm) return fail(EPERM);
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) return fail(EINVAL);
  vfs::FilePtr file = fs::make_timerfd(clock, flags & TFD_NONBLOCK);
  return static_cast<uint64_t>(
      TRY(task.files->add(std::move(file), flags & TFD_CLOEXEC, task.group->limit(RLIMIT_NOFILE))));
}
Outcome sys_timerfd_settime(Task& task, const Arguments& a) {
  constexpr int kCancelOnSet = 2;
  const itimerspec wanted = TRY(timer_setting(task, a[2]));
  if (a.integer(1) & ~(TFD_TIMER_ABSTIME | kCancelOnSet)) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  fs::TimerFile* timer = TRY(fs::timerfd_of(*file));
  timer->forget();
  return set_timer(task, timer->timer(), timer->clock(), a.integer(1) & TFD_TIMER_ABSTIME, wanted, a[3]);
}
Outcome sys_timerfd_gettime(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  fs::TimerFile* timer = TRY(fs::timerfd_of(*file));
  TRY(task.memory().write(a[1], left_of(timer->timer())));
  return 0;
}

}  // namespace cella::sandbox::syscall
