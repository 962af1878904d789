// poll(2), select(2) and their kind; eventfd(2), signalfd(2).
#include <sys/eventfd.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <deque>
#include <optional>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/fs/events.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using core::Nanoseconds;
using task::Task;

namespace {

class PollWaiter final : public core::Waiter {
 public:
  explicit PollWaiter(Task& task) : task_(task) {}
  void on_event(uint32_t) override { task_.wake(); }

 private:
  Task& task_;
};

constexpr uint32_t kAlways = POLLERR | POLLHUP | POLLNVAL;

// Fills revents; how many are not zero. Sleeps until one is, the deadline, or a signal.
SysResult<int> poll_files(Task& task, std::vector<pollfd>& fds, Nanoseconds deadline) {
  std::deque<PollWaiter> waiters;
  bool waiting = false;
  for (;;) {
    int ready = 0;
    for (pollfd& one : fds) {
      one.revents = 0;
      if (one.fd < 0) continue;
      SysResult<vfs::FilePtr> file = task.files->get_for_io(one.fd);
      one.revents = file ? static_cast<short>((*file)->ready(task) & (static_cast<uint16_t>(one.events) | kAlways))
                         : static_cast<short>(POLLNVAL);
      if (one.revents != 0) ++ready;
      if (file && !waiting) {
        if (core::WaitQueue* queue = (*file)->queue()) {
          queue->add(waiters.emplace_back(task), static_cast<uint16_t>(one.events) | kAlways);
        }
      }
    }
    waiting = true;
    if (ready > 0 || deadline <= core::now()) return ready;
    SysResult<void> slept = task.sleep(deadline);
    if (!slept && slept.error().value == ETIMEDOUT) return 0;
    if (!slept) return std::unexpected(slept.error());
  }
}

SysResult<std::vector<pollfd>> fds_from(Task& task, uint64_t address, uint64_t count) {
  if (count > task.group->limit(RLIMIT_NOFILE)) return fail(EINVAL);
  std::vector<pollfd> fds(count);
  TRY(task.memory().copy_in(address, fds.data(), count * sizeof(pollfd)));
  return fds;
}

Outcome poll_until(Task& task, uint64_t address, uint64_t count, Nanoseconds deadline, bool restartable) {
  std::vector<pollfd> fds = TRY(fds_from(task, address, count));
  SysResult<int> ready = poll_files(task, fds, deadline);
  if (!ready) {
    if (!restartable) return fail(core::kRestartNoHand);
    task.restart = [=](Task& again) { return poll_until(again, address, count, deadline, true); };
    return fail(core::kRestartBlock);
  }
  TRY(task.memory().copy_out(address, fds.data(), fds.size() * sizeof(pollfd)));
  return static_cast<uint64_t>(*ready);
}

// What is left of a timeout, if it goes back to where it came from.
std::optional<Nanoseconds> time_left(const Task& task, uint64_t address, Nanoseconds deadline) {
  if (address == 0 || deadline == core::kNever || task.has_personality(STICKY_TIMEOUTS)) return std::nullopt;
  return std::max<Nanoseconds>(deadline - core::now(), 0);
}
SysResult<void> write_left(Task& task, uint64_t address, Nanoseconds deadline) {
  const std::optional<Nanoseconds> left = time_left(task, address, deadline);
  return left ? task.memory().write(address, core::to_timespec(*left)) : SysResult<void>();
}

// --- select

constexpr uint32_t kSetEvents[3] = {POLLIN | POLLRDNORM | POLLHUP | POLLERR, POLLOUT | POLLWRNORM | POLLERR, POLLPRI};
constexpr short kSetWanted[3] = {POLLIN | POLLRDNORM, POLLOUT | POLLWRNORM, POLLPRI};

Outcome select_files(Task& task, int count, const uint64_t (&addresses)[3], Nanoseconds deadline) {
  if (count < 0) return fail(EINVAL);
  count = std::min<int>(count, static_cast<int>(std::max<size_t>(task.files->slots().size(), FD_SETSIZE)));
  const size_t words = (static_cast<size_t>(count) + 63) / 64;
  std::vector<uint64_t> sets[3];
  std::vector<pollfd> fds;
  for (size_t i = 0; i < 3; ++i) {
    sets[i].assign(words, 0);
    if (addresses[i] != 0) TRY(task.memory().copy_in(addresses[i], sets[i].data(), words * 8));
  }
  for (int fd = 0; fd < count; ++fd) {
    short events = 0;
    for (size_t i = 0; i < 3; ++i)
      if (sets[i][static_cast<size_t>(fd) / 64] >> (fd % 64) & 1) events |= kSetWanted[i];
    if (events == 0) continue;
    TRY(task.files->get_for_io(fd));
    fds.push_back({fd, events, 0});
  }
  SysResult<int> ready = poll_files(task, fds, deadline);
  if (!ready) return fail(core::kRestartNoHand);
  uint64_t bits = 0;
  std::vector<uint64_t> results[3];
  for (auto& set : results) set.assign(words, 0);
  for (const pollfd& one : fds) {
    for (size_t i = 0; i < 3; ++i) {
      const auto word = static_cast<size_t>(one.fd) / 64;
      if (!(sets[i][word] >> (one.fd % 64) & 1) || !(static_cast<uint16_t>(one.revents) & kSetEvents[i])) continue;
      results[i][word] |= uint64_t{1} << (one.fd % 64);
      ++bits;
    }
  }
  for (size_t i = 0; i < 3; ++i)
    if (addresses[i] != 0) TRY(task.memory().copy_out(addresses[i], results[i].data(), words * 8));
  return bits;
}

}  // namespace

Outcome sys_poll(Task& task, const Arguments& a) {
  const Nanoseconds deadline =
      a.integer(2) < 0 ? core::kNever : core::add_time(core::now(), a.integer(2) * core::kSecond / 1000);
  return poll_until(task, a[0], a[1], deadline, true);
}
Outcome sys_ppoll(Task& task, const Arguments& a) {
  const Nanoseconds deadline = TRY(deadline_from(task, a[2]));
  TRY(set_temporary_mask(task, a[3], a[4]));
  Outcome ready = poll_until(task, a[0], a[1], deadline, false);
  TRY(write_left(task, a[2], deadline));
  return ready;
}
Outcome sys_select(Task& task, const Arguments& a) {
  Nanoseconds deadline = core::kNever;
  if (a[4] != 0) {
    const auto timeout = TRY(task.memory().read<timeval>(a[4]));
    if (timeout.tv_sec < 0 || timeout.tv_usec < 0) return fail(EINVAL);
    deadline = core::add_time(core::now(), core::from_timespec({timeout.tv_sec + timeout.tv_usec / 1'000'000,
                                                                timeout.tv_usec % 1'000'000 * 1000}));
  }
  Outcome ready = select_files(task, a.integer(0), {a[1], a[2], a[3]}, deadline);
  if (const std::optional<Nanoseconds> left = time_left(task, a[4], deadline)) {
    TRY(task.memory().write(a[4], timeval{*left / core::kSecond, *left % core::kSecond / 1000}));
  }
  return ready;
}
Outcome sys_pselect6(Task& task, const Arguments& a) {
  const Nanoseconds deadline = TRY(deadline_from(task, a[4]));
  if (a[5] != 0) {
    struct Mask {
      uint64_t address, size;
    };
    const auto mask = TRY(task.memory().read<Mask>(a[5]));
    TRY(set_temporary_mask(task, mask.address, mask.size));
  }
  Outcome ready = select_files(task, a.integer(0), {a[1], a[2], a[3]}, deadline);
  TRY(write_left(task, a[4], deadline));
  return ready;
}

namespace {

Outcome add_file(Task& task, vfs::FilePtr file, bool close_on_exec) {
  return static_cast<uint64_t>(TRY(task.files->add(std::move(file), close_on_exec, task.group->limit(RLIMIT_NOFILE))));
}

}  // namespace

Outcome sys_eventfd2(Task& task, const Arguments& a) {
  const int flags = a.integer(1);
  if (flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) return fail(EINVAL);
  return add_file(task, fs::make_eventfd(a.word(0), flags & EFD_SEMAPHORE, flags & EFD_NONBLOCK), flags & EFD_CLOEXEC);
}
Outcome sys_eventfd(Task& task, const Arguments& a) {
  return sys_eventfd2(task, {{a[0], 0, 0, 0, 0, 0}});
}

Outcome sys_signalfd4(Task& task, const Arguments& a) {
  const int flags = a.integer(3);
  if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) || a[2] != sizeof(task::SignalSet)) return fail(EINVAL);
  const auto mask = TRY(task.memory().read<task::SignalSet>(a[1]))
  &~task::kUnblockable;
  if (a.fd(0) == -1) {
    return add_file(task, fs::make_signalfd(task.kernel, mask, flags & SFD_NONBLOCK), flags & SFD_CLOEXEC);
  }
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  TRY(fs::change_signalfd(*file, mask));
  return a[0];
}
Outcome sys_signalfd(Task& task, const Arguments& a) {
  return sys_signalfd4(task, {{a[0], a[1], a[2], 0, 0, 0}});
}

}  // namespace cella::sandbox::syscall
