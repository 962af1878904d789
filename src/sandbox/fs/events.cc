#include "sandbox/fs/events.h"

#include <sys/signalfd.h>

#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::IoVector;

constexpr const char kEventName[] = "anon_inode:[eventfd]", kSignalName[] = "anon_inode:[signalfd]",
                     kProcessName[] = "anon_inode:[pidfd]";

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

class AnonymousInode final : public MemoryInode {
 public:
  using MemoryInode::MemoryInode;
  SysResult<vfs::FilePtr> open(Caller&, const vfs::Path&, int) override { return fail(ENXIO); }
  long magic() const override { return 0x09041934; }  // ANON_INODE_FS_MAGIC
};

class EventFile final : public EventLikeFile {
 public:
  EventFile(int open_flags, uint64_t value, bool semaphore)
      : EventLikeFile(event_path(kEventName), open_flags), value_(value), semaphore_(semaphore) {}
  SysResult<size_t> read(Caller&, IoVector& io) override {
    if (io.left() < sizeof value_) return fail(EINVAL);
    if (value_ == 0) return fail(EAGAIN);
    const uint64_t given = semaphore_ ? 1 : value_;
    value_ -= given;
    queue_.notify(POLLOUT | POLLWRNORM);
    return io.put(&given, sizeof given);
  }
  SysResult<size_t> write(Caller&, IoVector& io) override {
    if (io.left() < sizeof value_) return fail(EINVAL);
    IoVector look = io;
    uint64_t added = 0;
    look.take(&added, sizeof added);
    if (added == UINT64_MAX) return fail(EINVAL);
    if (UINT64_MAX - 1 - value_ < added) return fail(EAGAIN);
    io.skip(sizeof added);
    value_ += added;
    queue_.notify(POLLIN | POLLRDNORM);
    return sizeof added;
  }
  uint32_t ready(Caller&) override {
    return (value_ > 0 ? POLLIN | POLLRDNORM : 0) | (value_ < UINT64_MAX - 1 ? POLLOUT | POLLWRNORM : 0);
  }
  core::WaitQueue* queue() override { return &queue_; }

 private:
  uint64_t value_;
  bool semaphore_;
  core::WaitQueue queue_;
};

// Whoever reads gets its own signals, whoever made it. The one implementation of Caller is task::Task.
class SignalFile final : public EventLikeFile {
 public:
  SignalFile(task::Kernel& kernel, task::SignalSet wanted, int open_flags)
      : EventLikeFile(event_path(kSignalName), open_flags), mask(wanted), kernel_(kernel) {}
  SysResult<size_t> read(Caller& caller, IoVector& io) override {
    auto& task = static_cast<task::Task&>(caller);
    if (io.left() < sizeof(signalfd_siginfo)) return fail(EINVAL);
    size_t done = 0;
    while (io.left() >= sizeof(signalfd_siginfo)) {
      std::optional<siginfo_t> info = task.take_signal(mask);
      if (!info) break;
      const signalfd_siginfo shown = show(*info);
      done += io.put(&shown, sizeof shown);
    }
    return done > 0 ? SysResult<size_t>(done) : fail(EAGAIN);
  }
  uint32_t ready(Caller& caller) override {
    auto& task = static_cast<task::Task&>(caller);
    return (task.pending.set() | task.group->pending.set()) & mask ? POLLIN | POLLRDNORM : 0;
  }
  core::WaitQueue* queue() override { return &kernel_.signal_events; }

  task::SignalSet mask;

 private:
  static signalfd_siginfo show(const siginfo_t& info) {
    signalfd_siginfo shown = {};
    shown.ssi_signo = static_cast<uint32_t>(info.si_signo);
    shown.ssi_code = info.si_code;
    if (info.si_code == SI_TIMER) {
      shown.ssi_tid = static_cast<uint32_t>(info.si_timerid);
      shown.ssi_overrun = static_cast<uint32_t>(info.si_overrun);
    } else {
      shown.ssi_pid = static_cast<uint32_t>(info.si_pid);
      shown.ssi_uid = info.si_uid;
    }
    if (info.si_signo == SIGCHLD && info.si_code > 0) {
      shown.ssi_status = info.si_status;
      return shown;
    }
    shown.ssi_int = info.si_value.sival_int;
    shown.ssi_ptr = reinterpret_cast<uint64_t>(info.si_value.sival_ptr);
    return shown;
  }
  task::Kernel& kernel_;
};

class ProcessFile final : public vfs::File {
 public:
  ProcessFile(const std::shared_ptr<task::ThreadGroup>& group, int open_flags)
      : File(event_path(kProcessName), open_flags), group_(group) {}
  uint32_t ready(Caller&) override { return group_->is_zombie ? POLLIN | POLLRDNORM : 0; }
  core::WaitQueue* queue() override { return &group_->exits; }
  const std::shared_ptr<task::ThreadGroup>& group() const { return group_; }

 private:
  std::shared_ptr<task::ThreadGroup> group_;
};

}  // namespace

vfs::Path event_path(const char* name) {
  static const vfs::InodePtr kInode = std::make_shared<AnonymousInode>(new_device_number(), 0600, 0, 0);
  return anonymous_path(kInode, name);
}
bool is_event_file(const vfs::File& file, const char* name) {
  const vfs::DentryPtr& dentry = file.path.dentry;
  static const vfs::InodePtr kInode = event_path("").dentry->inode;
  return dentry->inode == kInode && dentry->name == name;
}

vfs::FilePtr make_eventfd(uint64_t value, bool semaphore, int flags) {
  return std::make_shared<EventFile>(O_RDWR | flags, value, semaphore);
}

vfs::FilePtr make_signalfd(task::Kernel& kernel, task::SignalSet mask, int flags) {
  return std::make_shared<SignalFile>(kernel, mask, O_RDWR | flags);
}
SysResult<void> change_signalfd(vfs::File& file, task::SignalSet mask) {
  if (!is_event_file(file, kSignalName)) return fail(EINVAL);
  static_cast<SignalFile&>(file).mask = mask;
  file.queue()->notify(POLLIN);
  return {};
}

SysResult<size_t> TimerFile::read(Caller&, IoVector& io) {
  if (io.left() < sizeof ticks_) return fail(EINVAL);
  if (ticks_ == 0) return fail(EAGAIN);
  const uint64_t given = std::exchange(ticks_, 0);
  return io.put(&given, sizeof given);
}
void TimerFile::Ticker::on_ticks(uint64_t times) {
  file_.ticks_ += times;
  file_.queue_.notify(POLLIN | POLLRDNORM);
}
vfs::FilePtr make_timerfd(clockid_t clock, int flags) {
  return std::make_shared<TimerFile>(clock, O_RDWR | flags);
}
SysResult<TimerFile*> timerfd_of(vfs::File& file) {
  if (!is_event_file(file, TimerFile::kName)) return fail(EINVAL);
  return static_cast<TimerFile*>(&file);
}

vfs::FilePtr make_pidfd(const std::shared_ptr<task::ThreadGroup>& group, int flags) {
  return std::make_shared<ProcessFile>(group, O_RDWR | flags);
}
SysResult<std::shared_ptr<task::ThreadGroup>> pidfd_target(const vfs::File& file) {
  if (!is_event_file(file, kProcessName)) return fail(EBADF);
  auto group = static_cast<const ProcessFile&>(file).group();
  if (group->kernel.group(group->id) != group.get()) return fail(ESRCH);
  return group;
}

}  // namespace cella::sandbox::fs
