// Container::notify_oom and notify_memory_pressure.
#include <cella/notification.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"
#include "container/container_impl.h"
#include "sys/process.h"

namespace cella {

struct Notification::Impl {
  sys::FileDescriptor epoll;  // of the two below: readable when one is
  sys::FileDescriptor events;
  sys::FileDescriptor init;
  cgroup::Manager cgroups;
  std::optional<uint64_t> kills;  // v2, where the descriptor tells of other events too: how many have been reported

  static Result<Notification> make(cgroup::Manager cgroups, sys::FileDescriptor events, sys::FileDescriptor init,
                                   std::optional<uint64_t> kills);
  Result<bool> happened();
};

Result<Notification> Notification::Impl::make(cgroup::Manager cgroups, sys::FileDescriptor events,
                                              sys::FileDescriptor init, std::optional<uint64_t> kills) {
  auto impl = std::make_unique<Impl>(Impl{sys::FileDescriptor(::epoll_create1(EPOLL_CLOEXEC)), std::move(events),
                                          std::move(init), std::move(cgroups), kills});
  if (!impl->epoll) return base::fail_errno(errno, "epoll_create1");
  for (int fd : {impl->events.get(), impl->init.get()}) {
    epoll_event event = {};
    event.events = EPOLLIN;
    if (::epoll_ctl(impl->epoll.get(), EPOLL_CTL_ADD, fd, &event) < 0) return base::fail_errno(errno, "epoll_ctl");
  }
  return Notification(std::move(impl));
}

Result<bool> Notification::Impl::happened() {
  char buffer[4096];  // an eventfd's number, or records of inotify
  bool any = false;
  for (;;) {
    ssize_t n = ::read(events.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return base::fail_errno(errno, "reading an event");
    if (n <= 0) break;
    any = true;
  }
  if (!kills) return any && cgroups.exists();  // the end of a v1 group is an event, too
  // The count, not the record: that comes late, perhaps after the end of the process that was killed.
  Result<uint64_t> count = cgroups.oom_kill_count();
  if (!count || *count <= *kills) return false;
  kills = *count;
  return true;
}

Notification::Notification(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Notification::Notification(Notification&&) noexcept = default;
Notification& Notification::operator=(Notification&&) noexcept = default;
Notification::~Notification() = default;

int Notification::fd() const {
  return impl_->epoll.get();
}

Result<Notification::Kind> Notification::receive() {
  // Looked at first: what happened before the end is reported before it.
  const bool ended = TRY(sys::wait_readable(impl_->init.get(), 0), "looking for the end of the container");
  if (TRY(impl_->happened())) return Kind::kEvent;
  return ended ? Kind::kEnd : Kind::kNone;
}

Result<Notification> Container::notify_oom() const {
  sys::FileDescriptor init = TRY(impl_->open_init());
  cgroup::Manager cgroups = impl_->cgroups();
  sys::FileDescriptor events = TRY(cgroups.notify_oom(), "watching container {} for a lack of memory", id());
  std::optional<uint64_t> kills;
  if (!cgroups.paths().contains("memory")) kills = TRY(cgroups.oom_kill_count());
  return Notification::Impl::make(std::move(cgroups), std::move(events), std::move(init), kills);
}

Result<Notification> Container::notify_memory_pressure(PressureLevel level) const {
  sys::FileDescriptor init = TRY(impl_->open_init());
  cgroup::Manager cgroups = impl_->cgroups();
  sys::FileDescriptor events =
      TRY(cgroups.notify_memory_pressure(level), "watching the memory pressure of container {}", id());
  return Notification::Impl::make(std::move(cgroups), std::move(events), std::move(init), {});
}

}  // namespace cella
