// KernelLock: the one lock of the application kernel.
//
// Everything in sandbox/ but platform/'s Context::run is called with it held; a task gives it back while its program
// runs, while it sleeps (Wakeup) and around host calls that may block (Unlocked). One lock means one lock order; the
// price is that two tasks are not in the kernel at once, and a task is in the kernel for about a microsecond a call.
// See docs/decisions/0016-one-kernel-lock.md.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "sandbox/core/time.h"

namespace cella::sandbox::core {

class KernelLock {
 public:
  KernelLock() = default;
  KernelLock(const KernelLock&) = delete;
  KernelLock& operator=(const KernelLock&) = delete;

  void lock() { mutex_.lock(); }
  void unlock() {
    if (due_count_ == 0) {
      mutex_.unlock();
    } else {
      unlock_and_wake();
    }
  }

 private:
  friend class Wakeup;
  void unlock_and_wake();

  static constexpr size_t kMostDue = 16;
  std::mutex mutex_;
  // Whom to wake up when the lock is given back.
  std::array<const std::atomic<uint32_t>*, kMostDue> due_ = {};
  size_t due_count_ = 0;
};

// What one thread sleeps at until another wakes it up. The host is asked to do so when the lock is given back: who is
// woken up before finds the lock taken, and sleeps again.
class Wakeup {
 public:
  Wakeup() = default;
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // Gives the lock, which the caller holds, back until a wake(), the deadline (CLOCK_MONOTONIC), or for no reason.
  void wait(KernelLock& lock, Nanoseconds deadline = kNever);
  // With the lock held. Nothing when nobody waits. This may be gone before the lock is given back.
  void wake(KernelLock& lock);

 private:
  std::atomic<uint32_t> wakes_ = 0;
  bool is_waited_for_ = false;
};

// Held for as long as this object lives.
using Locked = std::lock_guard<KernelLock>;

// Given back for as long as this object lives.
class Unlocked {
 public:
  explicit Unlocked(KernelLock& lock) : lock_(lock) { lock_.unlock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() { lock_.lock(); }

 private:
  KernelLock& lock_;
};

}  // namespace cella::sandbox::core
