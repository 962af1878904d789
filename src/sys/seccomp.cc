#include "sys/seccomp.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace cella::sys {

bool seccomp_takes(uint32_t flags) {
  // Flags come first: with good ones it is the missing filter that the kernel complains about.
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) < 0 && errno == EFAULT;
}

SysResult<void> load_seccomp_filter(std::span<const sock_filter> program) {
  const sock_fprog block = {static_cast<uint16_t>(program.size()), const_cast<sock_filter*>(program.data())};
  const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &block);
  if (result < 0) return std::unexpected(Errno{errno});
  return result == 0 ? SysResult<void>() : std::unexpected(Errno{ESRCH});
}

}  // namespace cella::sys
