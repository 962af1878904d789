#include <linux/capability.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::Task;

namespace {

Outcome set_name(Task& task, std::string& name, uint64_t address, int size) {
  constexpr int kMost = 64;
  if (!task.creds.has(CAP_SYS_ADMIN)) return fail(EPERM);
  if (size < 0 || size > kMost) return fail(EINVAL);
  std::string text(static_cast<size_t>(size), '\0');
  TRY(task.memory().copy_in(address, text.data(), text.size()));
  name = text.c_str();
  return 0;
}

// personality(2), UNAME26: who asks for 2.6 gets 2.6.(60 + the second number) and what is behind the third.
std::string release_for(const Task& task) {
  const std::string_view release = task::kRelease;
  if (!task.has_personality(UNAME26)) return std::string(release);
  constexpr int kSince = 60;
  int second = 0;
  const size_t dot = release.find('.') + 1;
  std::from_chars(release.data() + dot, release.data() + release.size(), second);
  const size_t numbers = std::min(release.find_first_not_of("0123456789."), release.size());
  return fmt::format("2.6.{}{}", kSince + second, release.substr(numbers));
}

}  // namespace

Outcome sys_uname(Task& task, const Arguments& a) {
  utsname result = {};
  const bool is_for_32_bits = (task.personality & PER_MASK) == PER_LINUX32;
  const task::HostName& names = task.kernel.host_name;
  names.node.copy(result.nodename, sizeof result.nodename - 1);
  names.domain.copy(result.domainname, sizeof result.domainname - 1);
  std::string_view("Linux").copy(result.sysname, sizeof result.sysname - 1);
  release_for(task).copy(result.release, sizeof result.release - 1);
  std::string_view(task::kVersion).copy(result.version, sizeof result.version - 1);
  std::string_view(is_for_32_bits ? "i686" : "x86_64").copy(result.machine, sizeof result.machine - 1);
  TRY(task.memory().write(a[0], result));
  return 0;
}
Outcome sys_sethostname(Task& task, const Arguments& a) {
  return set_name(task, task.kernel.host_name.node, a[0], a.integer(1));
}
Outcome sys_setdomainname(Task& task, const Arguments& a) {
  return set_name(task, task.kernel.host_name.domain, a[0], a.integer(1));
}

Outcome sys_sysinfo(Task& task, const Arguments& a) {
  struct sysinfo result = {};
  result.uptime = (core::now() - task.kernel.boot_time) / core::kSecond;
  result.totalram = task.kernel.memory_limit;
  result.freeram = task.kernel.memory_limit - std::min(task.kernel.memory_limit, task.kernel.memory->resident());
  result.procs = static_cast<unsigned short>(task.kernel.tasks.size());
  result.mem_unit = 1;
  TRY(task.memory().write(a[0], result));
  return 0;
}

Outcome sys_getrandom(Task& task, const Arguments& a) {
  if (a.word(2) & ~(GRND_NONBLOCK | GRND_RANDOM | 4u /* GRND_INSECURE */)) return fail(EINVAL);
  if ((a.word(2) & GRND_RANDOM) && (a.word(2) & 4u)) return fail(EINVAL);
  constexpr uint64_t kMost = 33554431;
  const uint64_t size = std::min(a[1], kMost);
  char buffer[256];
  for (uint64_t done = 0; done < size;) {
    const size_t n = std::min<uint64_t>(size - done, sizeof buffer);
    if (::getrandom(buffer, n, 0) != static_cast<ssize_t>(n)) return fail(EAGAIN);
    SysResult<void> copied = task.memory().copy_out(a[0] + done, buffer, n);
    if (!copied) return done > 0 ? Outcome(done) : std::unexpected(copied.error());
    done += n;
  }
  return size;
}

// The kernel has nothing to say to its guests.
Outcome sys_syslog(Task& task, const Arguments& a) {
  constexpr int kReadAll = 3, kSizeUnread = 9, kSizeBuffer = 10;
  if (a.integer(0) < 0 || a.integer(0) > kSizeBuffer) return fail(EINVAL);
  if (a.integer(0) == kReadAll || a.integer(0) == kSizeUnread || a.integer(0) == kSizeBuffer) return 0;
  return task.creds.has(CAP_SYSLOG) ? Outcome(0) : Outcome(fail(EPERM));
}

}  // namespace cella::sandbox::syscall
