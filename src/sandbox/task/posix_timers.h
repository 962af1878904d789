// Timers of a process that send signals: timer_create(2), and ITIMER_REAL of setitimer(2).
#pragma once

#include "sandbox/core/timer.h"
#include "sandbox/task/signals.h"

namespace cella::sandbox::task {

class ThreadGroup;

// ITIMER_REAL: SIGALRM.
class AlarmTimer final : public core::IntervalTimer {
 public:
  explicit AlarmTimer(ThreadGroup& group) : group_(group) {}

 private:
  void on_ticks(uint64_t times) override;
  ThreadGroup& group_;
};

class PosixTimer final : public core::IntervalTimer {
 public:
  struct Notification {
    int signal = 0;      // 0: none, SIGEV_NONE
    uint64_t value = 0;  // sigev_value
    int thread = 0;      // 0: to the process
  };
  PosixTimer(ThreadGroup& group, int id, clockid_t clock, Notification notification)
      : group_(group), id_(id), clock_(clock), notification_(notification) {}

  clockid_t clock() const { return clock_; }
  // timer_getoverrun(2): of the signal that was taken last.
  int overrun() const { return taken_overrun_; }
  // Its signal is being delivered: fills in the overruns.
  void on_taken(siginfo_t& info);

 private:
  void on_ticks(uint64_t times) override;

  ThreadGroup& group_;
  int id_;
  clockid_t clock_;
  Notification notification_;
  uint64_t overrun_ = 0;
  int taken_overrun_ = 0;
};

}  // namespace cella::sandbox::task
