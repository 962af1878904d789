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

// A timer that may go off again and again: timer_settime(2), timerfd_settime(2), setitimer(2). Its clock is
// CLOCK_MONOTONIC, unless a subclass has one that counts something else.
class IntervalTimer : public Timer {
 public:
  // `first` on its clock, kNever: not at all. `interval` 0: once.
  void start(TimerQueue& queue, Nanoseconds first, Nanoseconds interval);
  bool is_running() const { return next_ != kNever; }
  Nanoseconds interval() const { return interval_; }
  // Until it goes off next, at least 1; 0: it is not running.
  Nanoseconds left() const;
  // On its clock.
  virtual Nanoseconds clock_time() const { return now(); }

 protected:
  // It has gone off `times` times since it did so last.
  virtual void on_ticks(uint64_t times) = 0;
  // How many times as fast as CLOCK_MONOTONIC its clock runs at most, now; 0: it stands still for good. Those that may
  // run slower are looked at again and again, as Linux does at each tick.
  virtual int64_t clock_speed() const { return kMonotonic; }
  static constexpr int64_t kMonotonic = -1;

 private:
  void on_expiry() final;
  void schedule(Nanoseconds not_before);

  TimerQueue* timers_ = nullptr;
  Nanoseconds next_ = kNever, interval_ = 0;
};

}  // namespace cella::sandbox::core
