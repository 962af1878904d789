// HostThreads: the host's threads that serve tasks, one a task. One whose task has ended waits for the next: to wake it
// costs the host a fraction of making one and ending another.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <functional>
#include <utility>
#include <vector>

#include <cella/error.h>

#include "sandbox/core/kernel_lock.h"

namespace cella::sandbox::task {

class Task;

class HostThreads {
 public:
  // `serve` runs a task to its end and destroys it; `leave` is a thread's last word, if others go on. Both are called
  // with `lock` held. The lock must outlive this.
  using Serve = void (*)(Task& task);
  using Leave = std::function<void()>;
  HostThreads(core::KernelLock& lock, Serve serve, Leave leave)
      : lock_(lock), serve_(serve), leave_(std::move(leave)) {}
  HostThreads(const HostThreads&) = delete;
  HostThreads& operator=(const HostThreads&) = delete;
  // Without the lock. Waits for those that have nothing to do; others must have come to their end.
  ~HostThreads();

  // The host's id of the thread that the next task is served on; 0: of one that is to be made.
  pid_t next() const { return idle_.empty() ? 0 : idle_.back()->tid; }
  // Serves the task on another thread, which waits for the lock first. EAGAIN: the host has none to give.
  SysResult<void> start(Task& task);

 private:
  struct Thread {
    HostThreads& owner;
    Task* task;
    pthread_t handle = {};
    pid_t tid = 0;
    bool ends = false;
    core::Wakeup wakeup = {};
  };
  static void* main(void* thread);
  // False: it has ended, and nobody waits for it.
  bool rest(Thread& self);

  core::KernelLock& lock_;
  Serve serve_;
  Leave leave_;
  std::vector<Thread*> idle_;
};

}  // namespace cella::sandbox::task
