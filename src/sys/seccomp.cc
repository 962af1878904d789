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

}  // namespace cella::sys
