// KernelLock: the one lock of the application kernel.
//
// Everything in sandbox/ but platform/'s Context::run is called with it held; a task gives it back while its program
// runs, while it sleeps (Sleeper) and around host calls that may block (Unlocked). One lock means one lock order; the
// price is that two tasks are not in the kernel at once, and a task is in the kernel for about a microsecond a call.
// See docs/decisions/0016-one-kernel-lock.md.
#pragma once

#include <mutex>

namespace cella::sandbox::core {

class KernelLock {
 public:
  KernelLock() = default;
  KernelLock(const KernelLock&) = delete;
  KernelLock& operator=(const KernelLock&) = delete;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  std::mutex& mutex() { return mutex_; }

 private:
  std::mutex mutex_;
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
