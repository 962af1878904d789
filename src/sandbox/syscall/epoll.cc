// epoll(7).
#include <sys/epoll.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/epoll.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using core::Nanoseconds;
using task::Task;

namespace {

Outcome create(Task& task, bool close_on_exec) {
  return static_cast<uint64_t>(TRY(task.files->add(fs::make_epoll(), close_on_exec, task.group->limit(RLIMIT_NOFILE))));
}

Outcome wait(Task& task, const Arguments& a, Nanoseconds deadline) {
  constexpr size_t kMost = INT32_MAX / sizeof(epoll_event);
  if (a.integer(2) <= 0 || a.word(2) > kMost) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  fs::Epoll* epoll = TRY(fs::epoll_of(*file));
  for (;;) {
    const std::vector<epoll_event> events = epoll->collect(task, a.word(2));
    if (!events.empty()) {
      TRY(task.memory().copy_out(a[1], events.data(), events.size() * sizeof(epoll_event)));
      return events.size();
    }
    if (deadline <= core::now()) return 0;
    SysResult<void> slept = task.sleep_on(*epoll->queue(), POLLIN, deadline);
    if (!slept && slept.error().value == ETIMEDOUT) return 0;
    // Never restarted, not even without a handler: signal(7).
    if (!slept) return fail(EINTR);
  }
}

Nanoseconds deadline_in_ms(int timeout) {
  return timeout < 0 ? core::kNever : timeout == 0 ? 0 : core::add_time(core::now(), timeout * core::kSecond / 1000);
}

}  // namespace

Outcome sys_epoll_create(Task& task, const Arguments& a) {
  return a.integer(0) <= 0 ? Outcome(fail(EINVAL)) : create(task, false);
}
Outcome sys_epoll_create1(Task& task, const Arguments& a) {
  return a.integer(0) & ~EPOLL_CLOEXEC ? Outcome(fail(EINVAL)) : create(task, a.integer(0) & EPOLL_CLOEXEC);
}

Outcome sys_epoll_ctl(Task& task, const Arguments& a) {
  epoll_event event = {};
  if (a.integer(1) != EPOLL_CTL_DEL) event = TRY(task.memory().read<epoll_event>(a[3]));
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  vfs::FilePtr target = TRY(task.files->get_for_io(a.fd(2)));
  if (target->queue() == nullptr) return fail(EPERM);
  fs::Epoll* epoll = TRY(fs::epoll_of(*file));
  if (file == target) return fail(EINVAL);
  switch (a.integer(1)) {
    case EPOLL_CTL_ADD:
      TRY(epoll->add(task, a.fd(2), target, event));
      return 0;
    case EPOLL_CTL_MOD:
      TRY(epoll->modify(task, a.fd(2), target, event));
      return 0;
    case EPOLL_CTL_DEL:
      TRY(epoll->remove(a.fd(2), target));
      return 0;
    default:
      return fail(EINVAL);
  }
}

Outcome sys_epoll_wait(Task& task, const Arguments& a) {
  return wait(task, a, deadline_in_ms(a.integer(3)));
}
Outcome sys_epoll_pwait(Task& task, const Arguments& a) {
  TRY(set_temporary_mask(task, a[4], a[5]));
  return wait(task, a, deadline_in_ms(a.integer(3)));
}
Outcome sys_epoll_pwait2(Task& task, const Arguments& a) {
  const Nanoseconds deadline = TRY(deadline_from(task, a[3]));
  TRY(set_temporary_mask(task, a[4], a[5]));
  return wait(task, a, deadline);
}

}  // namespace cella::sandbox::syscall
