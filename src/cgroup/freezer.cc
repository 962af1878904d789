// Manager::freeze, frozen and kill_all.
//
// On a hybrid host the v2 tree's freezer is used: it is complete when it says so, and a frozen process can be killed.
// v1's (cgroup-v1/freezer-subsystem.rst) can stay FREEZING while processes keep forking, and has to be asked again.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "base/scope_exit.h"
#include "cgroup/manager.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

constexpr int64_t kFreezeLimit = 10'000;  // milliseconds
// Freezing before a signal is a help, not a condition: a process in an uninterruptible wait must not hold it up.
constexpr int64_t kFreezeToSignalLimit = 500;
constexpr int kKillRounds = 1000;

int64_t now_milliseconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

bool is_missing(int error) {
  return error == ENOENT || error == ENODEV;
}

Result<void> freeze_v2(Group& group, bool on, int64_t limit) {
  // Opened first: a change between the write and the first read is then an event as well.
  sys::FileDescriptor events = TRY(group.open("cgroup.events", O_RDONLY), "opening cgroup.events");
  TRY(group.set("cgroup.freeze", on ? "1" : "0"));
  if (!on) return {};
  base::ScopeExit thaw([&] { (void)group.write("cgroup.freeze", "0"); });
  int64_t deadline = now_milliseconds() + limit;
  for (;;) {
    char text[256];
    ssize_t n = ::pread(events.get(), text, sizeof text, 0);
    if (n < 0) return base::fail_errno(errno, "reading cgroup.events");
    if (find_key({text, static_cast<size_t>(n)}, "frozen") == 1) break;
    int64_t left = deadline - now_milliseconds();
    if (left <= 0) return base::fail_errno(ETIMEDOUT, "waiting for the cgroup to freeze");
    pollfd wait = {events.get(), POLLPRI, 0};
    ::poll(&wait, 1, static_cast<int>(left));
  }
  thaw.dismiss();
  return {};
}

Result<void> freeze_v1(Group& group, bool on, int64_t limit) {
  if (!on) return group.set("freezer.state", "THAWED");
  // A group left FREEZING stops processes for ever that nobody thinks frozen.
  base::ScopeExit thaw([&] { (void)group.write("freezer.state", "THAWED"); });
  int64_t deadline = now_milliseconds() + limit;
  for (int attempt = 0;; ++attempt) {
    TRY(group.set("freezer.state", "FROZEN"));
    std::string state = TRY(group.read("freezer.state"), "reading freezer.state");
    if (trim(state) == "FROZEN") break;
    if (trim(state) != "FREEZING") {
      return base::fail(ErrorCode::kSystemError, "unexpected state {} while freezing", trim(state));
    }
    if (now_milliseconds() >= deadline) return base::fail_errno(ETIMEDOUT, "unable to freeze");
    // What forks faster than it is frozen is let go now and then: the freezer may catch it elsewhere.
    if (attempt % 50 == 49) {
      TRY(group.set("freezer.state", "THAWED"));
      ::usleep(10'000);
    } else if (attempt % 25 == 24) {
      ::usleep(1'000);
    }
  }
  thaw.dismiss();
  return {};
}

}  // namespace

Result<bool> Manager::frozen() {
  if (Group* group = unified()) {
    SysResult<std::string> text = group->read("cgroup.freeze");
    if (text && trim(*text) == "1") return true;
    if (!text && !is_missing(text.error().value)) return base::fail_errno(text.error().value, "reading cgroup.freeze");
  }
  return v1_frozen();  // also on a hybrid host: another runtime freezes there
}

bool Manager::v1_frozen() {
  Group* group = find("freezer");
  if (group == nullptr) return false;
  SysResult<std::string> text = group->read("freezer.self_freezing");
  return text && trim(*text) == "1";
}

Result<void> Manager::freeze(bool on) {
  return freeze_within(on, kFreezeLimit);
}

Result<void> Manager::freeze_within(bool on, int64_t limit) {
  Group* v1 = find("freezer");
  if (Group* v2 = unified()) {
    Result<void> done = freeze_v2(*v2, on, limit);
    if (!done && (v1 == nullptr || !is_missing(done.error().errno_value))) {
      TRY(std::move(done), "{} cgroup {}", on ? "freezing" : "thawing", v2->path());
    }
    if (done && on) return {};
    if (done && !v1_frozen()) return {};  // thawed here; not frozen there by another runtime
  }
  if (v1 == nullptr) {
    return std::unexpected(no_group(groups_.empty() ? "" : "freezer").with(on ? "cannot freeze" : "cannot thaw"));
  }
  TRY(freeze_v1(*v1, on, limit), "{} cgroup {}", on ? "freezing" : "thawing", v1->path());
  return {};
}

Result<void> Manager::kill_once(int signal, bool& any) {
  std::vector<pid_t> pids = TRY(processes(true));
  any = !pids.empty();
  for (pid_t pid : pids) {
    if (::kill(pid, signal) < 0 && errno != ESRCH) return base::fail_errno(errno, "signalling process {}", pid);
  }
  return {};
}

Result<void> Manager::kill_all(int signal) {
  Group* v2 = unified();
  Group* v1_freezer = find("freezer");
  bool any = false;
  if (signal == SIGKILL && v2 != nullptr) {
    SysResult<void> killed = v2->write("cgroup.kill", "1");
    if (!killed && !is_missing(killed.error().value) && killed.error().value != EOPNOTSUPP) {
      return base::fail_errno(killed.error().value, "killing cgroup {}", v2->path());
    }
    // All of it is as good as dead, forks in flight too, and those that the v2 freezer holds.
    if (killed && groups_.size() == 1) return {};
    if (killed) {
      // The v1 freezer of a hybrid host holds even the killed; and a process put there by another runtime may be in the
      // v1 groups only. The v2 list is read first: it only shrinks now.
      if (v1_freezer != nullptr && v1_frozen()) TRY(freeze_v1(*v1_freezer, false, 0), "thawing");
      std::vector<pid_t> dying = TRY(v2->processes(true));
      std::vector<pid_t> all = TRY(processes(true));
      std::sort(dying.begin(), dying.end());
      auto is_dying = [&](pid_t pid) { return std::binary_search(dying.begin(), dying.end(), pid); };
      if (std::all_of(all.begin(), all.end(), is_dying)) return {};
    }
  }

  // Frozen, no process forks while the list is read, and no pid of it is another's by the time it is signalled.
  bool was_frozen = TRY(frozen());
  bool froze = !was_frozen && freeze_within(true, kFreezeToSignalLimit);
  auto thaw = [&]() -> Result<void> {
    if (froze || (was_frozen && signal == SIGKILL && v1_freezer != nullptr)) return freeze(false);
    return {};
  };
  base::ScopeExit thaw_on_error([&] { (void)thaw(); });
  TRY(kill_once(signal, any));
  thaw_on_error.dismiss();
  TRY(thaw());
  if (signal != SIGKILL) return {};
  // Without a freezer a fork may have slipped through: until the list stays empty.
  for (int round = 0; any; ++round) {
    if (round == kKillRounds) return base::fail_errno(ETIMEDOUT, "killing all processes");
    ::usleep(round < 10 ? 100 : 2'000);
    TRY(kill_once(signal, any));
  }
  return {};
}

}  // namespace cella::cgroup
