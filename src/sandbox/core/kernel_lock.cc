#include "sandbox/core/kernel_lock.h"

#include <utility>

#include "sys/futex.h"

namespace cella::sandbox::core {

void KernelLock::unlock_and_wake() {
  const auto due = due_;
  const size_t count = std::exchange(due_count_, 0);
  mutex_.unlock();
  for (size_t i = 0; i < count; ++i) sys::futex_wake(due[i]);
}

void Wakeup::wait(KernelLock& lock, Nanoseconds deadline) {
  const uint32_t seen = wakes_.load(std::memory_order_relaxed);
  is_waited_for_ = true;
  lock.unlock();
  const timespec until = to_timespec(deadline);
  sys::futex_wait(wakes_, seen, deadline == kNever ? nullptr : &until);
  lock.lock();
  is_waited_for_ = false;
}

void Wakeup::wake(KernelLock& lock) {
  if (!is_waited_for_) return;
  is_waited_for_ = false;
  wakes_.fetch_add(1, std::memory_order_relaxed);
  if (lock.due_count_ < KernelLock::kMostDue) {
    lock.due_[lock.due_count_++] = &wakes_;
  } else {
    sys::futex_wake(&wakes_);
  }
}

}  // namespace cella::sandbox::core
