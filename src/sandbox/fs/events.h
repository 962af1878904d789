// Files without a filesystem that stand for events: eventfd(2), timerfd_create(2), signalfd(2), epoll(7),
// pidfd_open(2).
//
// Which kind of file a descriptor is, is asked of its dentry's name, as /proc/PID/fd shows it: there is no RTTI.
#pragma once

#include <sys/epoll.h>

#include "sandbox/core/timer.h"
#include "sandbox/fs/filesystem.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::fs {

// Where such a file "is": "anon_inode:[eventpoll]".
vfs::Path event_path(const char* name);
bool is_event_file(const vfs::File& file, const char* name);

vfs::FilePtr make_eventfd(uint64_t value, bool semaphore, int flags);

// `flags`: O_NONBLOCK or nothing.
vfs::FilePtr make_signalfd(task::Kernel& kernel, task::SignalSet mask, int flags);
// EINVAL: not a signalfd.
SysResult<void> change_signalfd(vfs::File& file, task::SignalSet mask);

// They have a position that nothing moves, as on Linux.
class EventLikeFile : public vfs::File {
 public:
  using File::File;
  SysResult<uint64_t> seek(vfs::Caller&, int64_t, int) override { return 0; }
};

class TimerFile final : public EventLikeFile {
 public:
  static constexpr const char* kName = "anon_inode:[timerfd]";
  TimerFile(clockid_t clock, int open_flags) : EventLikeFile(event_path(kName), open_flags), clock_(clock) {}
  // The number of times that it has gone off since it was asked last: 8 bytes.
  SysResult<size_t> read(vfs::Caller&, vfs::IoVector& io) override;
  uint32_t ready(vfs::Caller&) override { return ticks_ > 0 ? POLLIN | POLLRDNORM : 0; }
  core::WaitQueue* queue() override { return &queue_; }

  clockid_t clock() const { return clock_; }
  core::IntervalTimer& timer() { return timer_; }
  void forget() { ticks_ = 0; }

 private:
  class Ticker final : public core::IntervalTimer {
   public:
    explicit Ticker(TimerFile& file) : file_(file) {}

   private:
    void on_ticks(uint64_t times) override;
    TimerFile& file_;
  };

  clockid_t clock_;
  uint64_t ticks_ = 0;
  core::WaitQueue queue_;
  Ticker timer_{*this};
};
vfs::FilePtr make_timerfd(clockid_t clock, int flags);
// EINVAL: not one.
SysResult<TimerFile*> timerfd_of(vfs::File& file);

// A process: readable once it has ended.
vfs::FilePtr make_pidfd(const std::shared_ptr<task::ThreadGroup>& group, int flags);
// EBADF: not one; ESRCH: it has been waited for.
SysResult<std::shared_ptr<task::ThreadGroup>> pidfd_target(const vfs::File& file);

}  // namespace cella::sandbox::fs
