#include "sys/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/result.h"
#include "base/scope_exit.h"
#include "sys/file.h"

namespace cella::sys {
namespace {

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}

#if defined(__x86_64__)
// clone3(2) returns twice on two stacks, which no C function can: the child's side calls body and exits.
long clone3_call(clone_args* args, int (*body)(void*), void* argument) {
  long result;
  register int (*entry)(void*) __asm__("r12") = body;
  register void* parameter __asm__("r13") = argument;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "mov %%eax, %%edi\n\t"
      "mov %[exit], %%eax\n\t"
      "syscall\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(args), "S"(sizeof *args), "r"(entry), "r"(parameter), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
long clone3_call(clone_args* args, int (*body)(void*), void* argument) {
  register long x8 __asm__("x8") = SYS_clone3;
  register long x0 __asm__("x0") = reinterpret_cast<long>(args);
  register long x1 __asm__("x1") = sizeof *args;
  register int (*entry)(void*) __asm__("x19") = body;
  register void* parameter __asm__("x20") = argument;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x0, x20\n\t"
      "blr x19\n\t"
      "mov x8, %[exit]\n\t"
      "svc 0\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(entry), "r"(parameter), [exit] "i"(SYS_exit)
      : "memory", "x30");
  return x0;
}
#else
#error "no clone3 entry for this architecture"
#endif

}  // namespace

SysResult<FileDescriptor> pidfd_open(pid_t pid) {
  long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return last_error();
  return FileDescriptor(static_cast<int>(fd));
}

SysResult<void> pidfd_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) < 0) return last_error();
  return {};
}

bool has_ended(int pidfd) {
  SysResult<bool> readable = wait_readable(pidfd, 0);
  return !readable || *readable;
}

SysResult<bool> wait_readable(int fd, int timeout_ms) {
  pollfd wait = {fd, POLLIN, 0};
  for (;;) {
    int n = ::poll(&wait, 1, timeout_ms);
    if (n >= 0) return n > 0;
    if (errno != EINTR) return last_error();
  }
}

SysResult<uint64_t> permitted_capabilities() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, halves) < 0) return last_error();
  return uint64_t{halves[1].permitted} << 32 | halves[0].permitted;
}

SysResult<void> set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3];
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
    auto half = [i](uint64_t set) { return static_cast<uint32_t>(set >> 32 * i); };
    halves[i] = {half(effective), half(permitted), half(inheritable)};
  }
  if (::syscall(SYS_capset, &header, halves) < 0) return last_error();
  return {};
}

bool in_bounding_set(int capability) {
  return ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
}

SysResult<int> wait_for(pid_t pid) {
  int status = 0;
  for (;;) {
    if (::waitpid(pid, &status, 0) >= 0) return status;
    if (errno != EINTR) return last_error();
  }
}

SignalBlock::SignalBlock() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old_);
}
SignalBlock::~SignalBlock() {
  pthread_sigmask(SIG_SETMASK, &old_, nullptr);
}

namespace {

// See clone_vfork(). `exit_signal` 0: the child is reaped with __WALL, and by nobody else.
SysResult<CloneResult> clone_vm(uint64_t flags, int into_cgroup, int exit_signal, int (*body)(void*), void* argument) {
  constexpr size_t kStackSize = 64 << 10;
  void* stack = ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return last_error();
  int pidfd = -1;
  clone_args args = {};
  args.flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = static_cast<uint64_t>(exit_signal);
  args.stack = reinterpret_cast<uint64_t>(stack);
  args.stack_size = kStackSize;
  if (into_cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(into_cgroup);
  }
  long pid = clone3_call(&args, body, argument);
  ::munmap(stack, kStackSize);
  if (pid < 0) return std::unexpected(Errno{static_cast<int>(-pid)});
  CloneResult result;
  result.pid = static_cast<pid_t>(pid);
  result.pidfd = FileDescriptor(pidfd);
  return result;
}

}  // namespace

SysResult<CloneResult> clone_vfork(uint64_t flags, int into_cgroup, int (*body)(void*), void* argument) {
  return clone_vm(flags, into_cgroup, SIGCHLD, body, argument);
}

// The child ends at once. Until it is reaped it still has its namespace, and nothing of it could be left behind.
SysResult<FileDescriptor> new_user_namespace(std::string_view uid_map, std::string_view gid_map) {
  SignalBlock block;
  CloneResult child = TRY(clone_vm(CLONE_NEWUSER, -1, 0, [](void*) { return 0; }, nullptr));
  base::ScopeExit reap([&] {
    while (::waitpid(child.pid, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  });
  char path[40];
  std::snprintf(path, sizeof path, "/proc/%d/uid_map", static_cast<int>(child.pid));
  TRY(write_file(path, uid_map));
  std::snprintf(path, sizeof path, "/proc/%d/gid_map", static_cast<int>(child.pid));
  TRY(write_file(path, gid_map));
  std::snprintf(path, sizeof path, "/proc/%d/ns/user", static_cast<int>(child.pid));
  return open(path, O_RDONLY);
}

SysResult<void> allow_all_cpus(pid_t pid) {
  // More than any kernel can be built for: it takes what it knows.
  constexpr size_t kCpus = 65536;
  unsigned long mask[kCpus / (8 * sizeof(unsigned long))];
  std::memset(mask, 0xff, sizeof mask);
  if (::sched_setaffinity(pid, sizeof mask, reinterpret_cast<const cpu_set_t*>(mask)) < 0) {
    return std::unexpected(Errno{errno});
  }
  return {};
}

SysResult<ProcessStat> process_stat(pid_t pid) {
  char path[40];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  std::string text = TRY(read_file(path));
  // The name in parentheses may hold anything; what follows the last ')' is fields 3, 4, …
  size_t at = text.rfind(')');
  if (at == std::string::npos || at + 2 >= text.size()) return std::unexpected(Errno{EIO});
  ProcessStat stat;
  stat.state = text[at + 2];
  const char* field = text.c_str() + at + 2;
  for (int i = 3; i < 22 && *field != '\0'; ++i) {
    while (*field != ' ' && *field != '\0') ++field;
    while (*field == ' ') ++field;
  }
  stat.start_time = std::strtoull(field, nullptr, 10);
  return stat;
}

}  // namespace cella::sys
