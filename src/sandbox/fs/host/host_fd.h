// A descriptor of the host's that the guest has been given: its standard streams.
#pragma once

#include <atomic>
#include <map>

#include <pthread.h>

#include "sandbox/core/kernel_lock.h"
#include "sandbox/fs/filesystem.h"
#include "sys/fd.h"

namespace cella::sandbox::fs {

// Tells wait queues when host descriptors become ready: a thread in epoll_wait(2).
class HostPoller {
 public:
  static SysResult<std::unique_ptr<HostPoller>> make(core::KernelLock& lock);
  ~HostPoller();

  // Until remove(). Edge-triggered: whoever sleeps has looked before.
  SysResult<void> add(int fd, core::WaitQueue& queue);
  void remove(int fd);

 private:
  explicit HostPoller(core::KernelLock& lock) : lock_(lock) {}
  static void* run(void* self);

  core::KernelLock& lock_;
  sys::FileDescriptor epoll_, end_;
  pthread_t thread_ = {};
  std::map<int, core::WaitQueue*> queues_;
};

// Takes `fd` over. Regular files and directories are not for this.
vfs::FilePtr make_host_fd(HostPoller& poller, sys::FileDescriptor fd, int flags);

}  // namespace cella::sandbox::fs
