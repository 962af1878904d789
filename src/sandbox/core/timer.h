// TimerQueue: calls Timers when their time has come, from a host thread of its own. For what happens while nobody
// waits: a sleeping task has its deadline in Task::sleep.
//
// All of it is used with the kernel lock held, and Timer::on_expiry is called with it.
#pragma once

#include <pthread.h>

#include <set>
#include <utility>

#include "sandbox/core/kernel_lock.h"
#include "sandbox/core/time.h"

namespace cella::sandbox::core {

class TimerQueue;

class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { cancel(); }

  // Its time has come; it is no longer set. May set it again.
  virtual void on_expiry() = 0;
  void cancel();

 private:
  friend class TimerQueue;
  TimerQueue* queue_ = nullptr;  // null: not set
  Nanoseconds deadline_ = kNever;
};

class TimerQueue {
 public:
  explicit TimerQueue(KernelLock& lock) : lock_(lock) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  // Without the kernel lock: waits for the thread. No timer may be set any more.
  ~TimerQueue();

  // `deadline` is on CLOCK_MONOTONIC; kNever cancels. Takes the place of what was set before.
  void set(Timer& timer, Nanoseconds deadline);

 private:
  friend class Timer;
  static void* run(void* self);

  KernelLock& lock_;
  std::set<std::pair<Nanoseconds, Timer*>> timers_;
  Wakeup changed_;
  pthread_t thread_ = {};
  bool has_thread_ = false, ending_ = false;
};

// A timer that may go off again and again: timer_settime(2), timerfd_settime(2), setitimer(2).
class IntervalTimer : public Timer {
 public:
  // `first` on CLOCK_MONOTONIC, kNever: not at all. `interval` 0: once.
  void start(TimerQueue& queue, Nanoseconds first, Nanoseconds interval);
  bool is_running() const { return next_ != kNever; }
  Nanoseconds interval() const { return interval_; }
  // Until it goes off next, at least 1; 0: it is not running.
  Nanoseconds left() const;

 protected:
  // It has gone off `times` times since it did so last.
  virtual void on_ticks(uint64_t times) = 0;

 private:
  void on_expiry() final;

  TimerQueue* timers_ = nullptr;
  Nanoseconds next_ = kNever, interval_ = 0;
};

}  // namespace cella::sandbox::core
