// HostThreads: the host's threads that serve tasks, one a task. One whose task has ended waits for the next: to wake it
// costs the host a fraction of making one and ending another.
#pragma once

#include <pthread.h>

#include <vector>

#include <cella/error.h>

#include "sandbox/core/kernel_lock.h"

namespace cella::sandbox::task {

class Task;

class HostThreads {
 public:
  // `serve` runs a task to its end and destroys it; called with `lock` held. The lock must outlive this.
  using Serve = void (*)(Task& task);
  HostThreads(core::KernelLock& lock, Serve serve) : lock_(lock), serve_(serve) {}
  HostThreads(const HostThreads&) = delete;
  HostThreads& operator=(const HostThreads&) = delete;
  // Without the lock. Waits for those that have nothing to do; others must have come to their end.
  ~HostThreads();

  // Serves the task on another thread, which waits for the lock first. EAGAIN: the host has none to give.
  SysResult<void> start(Task& task);

 private:
  struct Thread {
    HostThreads& owner;
    Task* task;
    pthread_t handle = {};
    bool ends = false;
    core::Wakeup wakeup = {};
  };
  static void* main(void* thread);
  // False: it has ended, and nobody waits for it.
  bool rest(Thread& self);

  core::KernelLock& lock_;
  Serve serve_;
  std::vector<Thread*> idle_;
};

}  // namespace cella::sandbox::task
