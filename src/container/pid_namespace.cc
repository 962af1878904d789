#include "container/pid_namespace.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/result.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cella::container {
namespace {

SysResult<sys::FileDescriptor> open_namespace(pid_t pid) {
  return sys::open(fmt::format("/proc/{}/ns/pid", pid).c_str(), O_RDONLY);
}

}  // namespace

Result<PidNamespace> PidNamespace::of(pid_t pid) {
  sys::FileDescriptor fd = TRY(open_namespace(pid), "opening the pid namespace of process {}", pid);
  struct stat status;
  if (::fstat(fd.get(), &status) < 0) return base::fail_errno(errno, "looking at the pid namespace of process {}", pid);
  PidNamespace result;
  result.device_ = status.st_dev;
  result.inode_ = status.st_ino;
  return result;
}

bool PidNamespace::contains(pid_t pid) const {
  SysResult<sys::FileDescriptor> fd = open_namespace(pid);
  struct stat status;
  while (fd && ::fstat(fd->get(), &status) == 0) {
    if (status.st_dev == device_ && status.st_ino == inode_) return true;
    // EPERM beyond the caller's own.
    *fd = sys::FileDescriptor(::ioctl(fd->get(), NS_GET_PARENT));
    if (!*fd) break;
  }
  return false;
}

Result<std::vector<pid_t>> PidNamespace::processes() const {
  sys::FileDescriptor proc = TRY(sys::open("/proc", O_RDONLY | O_DIRECTORY), "opening /proc");
  std::vector<pid_t> pids;
  for (const std::string& name : TRY(sys::list_directory(proc.get()), "listing /proc")) {
    pid_t pid = 0;
    auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || stop != name.data() + name.size() || !contains(pid)) continue;
    pids.push_back(pid);
  }
  std::ranges::sort(pids);
  return pids;
}

Result<void> PidNamespace::signal_all(int signal_number) const {
  for (pid_t pid : TRY(processes())) {
    SysResult<sys::FileDescriptor> process = sys::pidfd_open(pid);
    // Looked at again: the number could be another process's by now.
    if (!process || !contains(pid)) continue;
    SysResult<void> sent = sys::pidfd_signal(process->get(), signal_number);
    if (!sent && sent.error().value != ESRCH) TRY(sent, "signalling process {}", pid);
  }
  return {};
}

}  // namespace cella::container
