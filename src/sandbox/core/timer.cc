#include "sandbox/core/timer.h"

#include <algorithm>

namespace cella::sandbox::core {

void Timer::cancel() {
  if (queue_ == nullptr) return;
  queue_->timers_.erase({deadline_, this});
  queue_ = nullptr;
}

TimerQueue::~TimerQueue() {
  if (!has_thread_) return;
  {
    Locked locked(lock_);
    ending_ = true;
    changed_.wake(lock_);
  }
  pthread_join(thread_, nullptr);
}

void TimerQueue::set(Timer& timer, Nanoseconds deadline) {
  timer.cancel();
  if (deadline == kNever) return;
  timer.queue_ = this;
  timer.deadline_ = deadline;
  timers_.insert({deadline, &timer});
  // Made when the first timer is set: most programs have none. Without it (the host is out of threads) later ones try.
  if (!has_thread_) has_thread_ = pthread_create(&thread_, nullptr, run, this) == 0;
  changed_.wake(lock_);
}

void* TimerQueue::run(void* self) {
  auto& queue = *static_cast<TimerQueue*>(self);
  Locked locked(queue.lock_);
  while (!queue.ending_) {
    if (queue.timers_.empty()) {
      queue.changed_.wait(queue.lock_);
      continue;
    }
    auto [deadline, timer] = *queue.timers_.begin();
    if (deadline > now()) {
      queue.changed_.wait(queue.lock_, deadline);
      continue;
    }
    timer->cancel();
    timer->on_expiry();
  }
  return nullptr;
}

void IntervalTimer::start(TimerQueue& queue, Nanoseconds first, Nanoseconds interval) {
  timers_ = &queue;
  next_ = first;
  interval_ = interval;
  schedule(0);
}

Nanoseconds IntervalTimer::left() const {
  return is_running() ? std::max<Nanoseconds>(next_ - clock_time(), 1) : 0;
}

void IntervalTimer::schedule(Nanoseconds not_before) {
  constexpr Nanoseconds kTick = 4'000'000;
  const int64_t speed = clock_speed();
  if (speed == kMonotonic || next_ == kNever) {
    timers_->set(*this, std::max(next_, not_before));
  } else if (speed > 0) {
    const Nanoseconds left = std::max<Nanoseconds>(next_ - clock_time(), 0);
    timers_->set(*this, add_time(now(), std::max(left / speed, kTick)));
  } else {
    cancel();
  }
}

void IntervalTimer::on_expiry() {
  // A guest's interval of a nanosecond must not keep the kernel busy: what goes off sooner is counted together.
  constexpr Nanoseconds kLeast = 50'000;
  const Nanoseconds time = clock_time();
  if (time < next_) return schedule(0);
  uint64_t times = 1;
  if (interval_ == 0) {
    next_ = kNever;
  } else {
    times += static_cast<uint64_t>((time - next_) / interval_);
    next_ = add_time(next_, static_cast<Nanoseconds>(times) * interval_);
    schedule(now() + kLeast);
  }
  on_ticks(times);
}

}  // namespace cella::sandbox::core
