// Timers of a process that send signals: timer_create(2), setitimer(2), and RLIMIT_CPU of setrlimit(2).
#pragma once

#include <sys/time.h>

#include <optional>

#include "sandbox/core/timer.h"
#include "sandbox/task/signals.h"

namespace cella::sandbox::task {

class Kernel;
class Task;
class ThreadGroup;

// Clocks of CPU time: CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, and those of other processes and threads whose
// numbers clock_getcpuclockid(3) and pthread_getcpuclockid(3) make up.
struct CpuClock {
  enum class Counts { kAll, kUser };
  int id = 0;  // of the process or thread
  bool is_of_thread = false;
  Counts counts = Counts::kAll;
};
// The one that `clock` is for `task`; none: it is another kind of clock, or there is no such process.
std::optional<CpuClock> cpu_clock(const Task& task, clockid_t clock);
// Of a process or thread that has ended: what it used.
core::Nanoseconds read_cpu_clock(const Kernel& kernel, const CpuClock& clock);
// As in core::IntervalTimer.
int64_t cpu_clock_speed(const Kernel& kernel, const CpuClock& clock);

// SIGALRM, SIGVTALRM or SIGPROF, when time has passed, or the process has used it.
class ProcessTimer final : public core::IntervalTimer {
 public:
  ProcessTimer(ThreadGroup& group, __itimer_which which) : group_(group), which_(which) {}
  core::Nanoseconds clock_time() const override;

 private:
  void on_ticks(uint64_t times) override;
  int64_t clock_speed() const override;

  ThreadGroup& group_;
  __itimer_which which_;
};

// SIGXCPU at the soft limit, and each second beyond; SIGKILL at the hard one.
class CpuLimitTimer final : public core::IntervalTimer {
 public:
  explicit CpuLimitTimer(ThreadGroup& group) : group_(group) {}
  void follow_limit();

 private:
  void on_ticks(uint64_t times) override;
  core::Nanoseconds clock_time() const override;
  int64_t clock_speed() const override;

  ThreadGroup& group_;
};

class PosixTimer final : public core::IntervalTimer {
 public:
  struct Notification {
    int signal = 0;      // 0: none, SIGEV_NONE
    uint64_t value = 0;  // sigev_value
    int thread = 0;      // 0: to the process
  };
  // `cpu`: what `clock` is, when it counts CPU time.
  PosixTimer(ThreadGroup& group, int id, clockid_t clock, std::optional<CpuClock> cpu, Notification notification)
      : group_(group), id_(id), clock_(clock), cpu_(cpu), notification_(notification) {}

  clockid_t clock() const { return clock_; }
  core::Nanoseconds clock_time() const override;
  // timer_getoverrun(2): of the signal that was taken last.
  int overrun() const { return taken_overrun_; }
  // Its signal is being delivered: fills in the overruns.
  void on_taken(siginfo_t& info);

 private:
  void on_ticks(uint64_t times) override;
  int64_t clock_speed() const override;

  ThreadGroup& group_;
  int id_;
  clockid_t clock_;
  std::optional<CpuClock> cpu_;
  Notification notification_;
  uint64_t overrun_ = 0;
  int taken_overrun_ = 0;
};

}  // namespace cella::sandbox::task
