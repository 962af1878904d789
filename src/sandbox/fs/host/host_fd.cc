#include "sandbox/fs/host/host_fd.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::IoVector;

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}

class HostFdInode final : public vfs::Inode {
 public:
  HostFdInode(HostPoller& poller, sys::FileDescriptor fd, int flags)
      : poller_(poller), fd_(std::move(fd)), flags_(flags) {}
  SysResult<vfs::Attributes> attributes() override {
    vfs::Attributes result;
    if (::fstat(fd_.get(), &result) < 0) return last_error();
    return result;
  }
  SysResult<struct statfs> filesystem_statistics() override {
    struct statfs result;
    if (::fstatfs(fd_.get(), &result) < 0) return last_error();
    return result;
  }
  // Of a regular file: "> /dev/stdout" truncates it.
  SysResult<void> set_attributes(const vfs::AttributeChange& change) override {
    if (!change.size || change.mode || change.uid || change.gid) return std::unexpected(Errno{EPERM});
    if (::ftruncate(fd_.get(), static_cast<off_t>(*change.size)) < 0) return last_error();
    return {};
  }
  // Through /proc/self/fd/N, which is what /dev/stdout is: another description of what the host has given.
  SysResult<vfs::FilePtr> open(Caller&, const vfs::Path&, int flags) override {
    const int had = flags_ & O_ACCMODE, wanted = flags & O_ACCMODE;
    if (had != O_RDWR && had != wanted) return std::unexpected(Errno{EACCES});
    sys::FileDescriptor copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) return last_error();
    return make_host_fd(poller_, std::move(copy), flags);
  }
  int fd() const { return fd_.get(); }

 private:
  HostPoller& poller_;
  sys::FileDescriptor fd_;
  int flags_;
};

// As /proc/PID/fd shows it.
std::string name_of(int fd) {
  struct stat now;
  if (::fstat(fd, &now) < 0) return "anon_inode:[host]";
  if (S_ISFIFO(now.st_mode)) return fmt::format("pipe:[{}]", now.st_ino);
  if (S_ISSOCK(now.st_mode)) return fmt::format("socket:[{}]", now.st_ino);
  return S_ISCHR(now.st_mode) && now.st_rdev == makedev(1, 3) ? "/dev/null" : "anon_inode:[host]";
}

class HostFdFile final : public vfs::File {
 public:
  HostFdFile(HostPoller& poller, std::shared_ptr<HostFdInode> inode, int open_flags)
      : File(anonymous_path(inode, name_of(inode->fd())), open_flags), poller_(poller), fd_(inode->fd()) {
    // What cannot be polled is always ready: /dev/null, a regular file.
    polled_ = poller_.add(fd_, queue_).has_value();
  }
  ~HostFdFile() override {
    if (polled_) poller_.remove(fd_);
  }

  SysResult<size_t> read(Caller&, IoVector& io) override {
    if (!has(POLLIN)) return std::unexpected(Errno{EAGAIN});
    auto pieces = io.rest();
    ssize_t n = ::readv(fd_, pieces.data(), static_cast<int>(std::min<size_t>(pieces.size(), IOV_MAX)));
    if (n < 0) return last_error();
    return io.skip(static_cast<size_t>(n));
  }
  SysResult<size_t> write(Caller& caller, IoVector& io) override {
    if (!has(POLLOUT)) return std::unexpected(Errno{EAGAIN});
    auto pieces = io.rest();
    // A pipe that has room takes a page without blocking; more might not fit, and we must not wait in here.
    constexpr size_t kMost = 4096;
    if (polled_ && io.left() > kMost) {
      size_t kept = 0;
      for (iovec& piece : pieces) {
        piece.iov_len = std::min(piece.iov_len, kMost - kept);
        kept += piece.iov_len;
      }
    }
    ssize_t n = ::writev(fd_, pieces.data(), static_cast<int>(std::min<size_t>(pieces.size(), IOV_MAX)));
    if (n < 0) {
      if (errno == EPIPE) caller.send_signal_to_self(SIGPIPE);
      return last_error();
    }
    return io.skip(static_cast<size_t>(n));
  }
  uint32_t ready(Caller&) override {
    pollfd one = {fd_, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, 0};
    return ::poll(&one, 1, 0) > 0 ? static_cast<uint32_t>(one.revents) : 0;
  }
  core::WaitQueue* queue() override { return polled_ ? &queue_ : nullptr; }
  SysResult<uint64_t> seek(Caller&, int64_t offset, int whence) override {
    off_t at = ::lseek(fd_, offset, whence);
    if (at < 0) return last_error();
    return static_cast<uint64_t>(at);
  }
  SysResult<uint64_t> ioctl(Caller& caller, uint32_t request, uint64_t argument) override {
    switch (request) {
      case FIONREAD: {
        int n = 0;
        if (::ioctl(fd_, FIONREAD, &n) < 0) return last_error();
        TRY(caller.memory().write(argument, n));
        return 0;
      }
      default:
        return std::unexpected(Errno{ENOTTY});
    }
  }

 private:
  bool has(short event) const {
    pollfd one = {fd_, event, 0};
    return ::poll(&one, 1, 0) > 0;
  }

  HostPoller& poller_;
  int fd_;  // the inode's
  core::WaitQueue queue_;
  bool polled_ = false;
};

}  // namespace

SysResult<std::unique_ptr<HostPoller>> HostPoller::make(core::KernelLock& lock) {
  std::unique_ptr<HostPoller> poller(new HostPoller(lock));
  poller->epoll_ = sys::FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
  poller->end_ = sys::FileDescriptor(::eventfd(0, EFD_CLOEXEC));
  if (!poller->epoll_ || !poller->end_) return last_error();
  epoll_event event = {.events = EPOLLIN, .data = {.fd = -1}};
  if (::epoll_ctl(poller->epoll_.get(), EPOLL_CTL_ADD, poller->end_.get(), &event) < 0) return last_error();
  if (pthread_create(&poller->thread_, nullptr, run, poller.get()) != 0) return std::unexpected(Errno{EAGAIN});
  return poller;
}

HostPoller::~HostPoller() {
  if (thread_ == pthread_t{}) return;
  uint64_t one = 1;
  (void)!::write(end_.get(), &one, sizeof one);
  pthread_join(thread_, nullptr);
}

void* HostPoller::run(void* self) {
  auto& poller = *static_cast<HostPoller*>(self);
  for (;;) {
    epoll_event events[16];
    int n = ::epoll_wait(poller.epoll_.get(), events, 16, -1);
    if (n < 0 && errno != EINTR) return nullptr;
    core::Locked locked(poller.lock_);
    for (int i = 0; i < n; ++i) {
      if (events[i].data.fd < 0) return nullptr;
      auto queue = poller.queues_.find(events[i].data.fd);
      if (queue != poller.queues_.end()) queue->second->notify(events[i].events | POLLIN | POLLOUT);
    }
  }
}

SysResult<void> HostPoller::add(int fd, core::WaitQueue& queue) {
  epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.fd = fd}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return last_error();
  queues_[fd] = &queue;
  return {};
}

void HostPoller::remove(int fd) {
  queues_.erase(fd);
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

vfs::FilePtr make_host_fd(HostPoller& poller, sys::FileDescriptor fd, int flags) {
  return std::make_shared<HostFdFile>(poller, std::make_shared<HostFdInode>(poller, std::move(fd), flags), flags);
}

}  // namespace cella::sandbox::fs
