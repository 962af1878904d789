#include "sandbox/boot/filter.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

namespace cella::sandbox::boot {
namespace {

using enum FilterCheck;

#define CALL(name) SYS_##name, #name

// As glibc makes a thread, pthread_create(3).
constexpr uint32_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                                  CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

constexpr FilterFor kAny = FilterFor::kAll, kDirectFiles = FilterFor::kDirectFiles,
                    kHostNetwork = FilterFor::kHostNetwork;
// How much is in a stream of the host's; the container's terminal.
constexpr uint32_t kIoctls[] = {FIONREAD, SIOCOUTQ, SIOCATMARK, TIOCGWINSZ, TIOCSWINSZ, TCGETS2, TCSETS2, TIOCNOTTY};
constexpr uint32_t kFamilies[] = {AF_INET, AF_INET6};

constexpr FilterRule kRules[] = {
    // What would be most worth to an attacker comes first: no memory becomes code.
    {CALL(mmap), kNoneOf, 2, PROT_EXEC, kAny, "malloc, stacks of threads"},
    {CALL(mprotect), kNoneOf, 2, PROT_EXEC, kAny, "stacks of threads"},

    // Hot: each system call of a guest takes some of these.
    {CALL(ptrace), kNone, 0, 0, kAny, "the ptrace platform: registers, going on"},
    {CALL(wait4), kNone, 0, 0, kAny, "the ptrace platform: stops"},
    {CALL(futex), kNone, 0, 0, kAny, "the kernel lock, sleeping tasks"},
    {CALL(preadv), kNone, 0, 0, kAny, "files of the host's"},
    {CALL(pwritev), kNone, 0, 0, kAny, "files of the host's"},
    {CALL(poll), kNone, 0, 0, kAny, "streams of the host's, the control server"},
    {CALL(readv), kNone, 0, 0, kAny, "streams of the host's"},
    {CALL(writev), kNone, 0, 0, kAny, "streams of the host's"},
    {CALL(newfstatat), kFd, 0, 0, kAny, "files of the host's, by descriptor"},
    {CALL(fstat), kNone, 0, 0, kAny, "the same, as other C libraries do it"},
    {CALL(close), kNone, 0, 0, kAny, "all that is opened"},
    {CALL(clock_gettime), kNone, 0, 0, kAny, "clocks where the vDSO has none"},
    {CALL(tgkill), kNone, 0, 0, kAny, "the ptrace platform: interrupting guest code"},
    {CALL(sched_setaffinity), kNone, 0, 0, kAny, "the ptrace platform: placement"},

    // Memory and threads.
    {CALL(munmap), kNone, 0, 0, kAny, "malloc, stacks of threads"},
    {CALL(mremap), kNone, 0, 0, kAny, "malloc"},
    {CALL(madvise), kNone, 0, 0, kAny, "malloc, stacks of threads"},
    {CALL(brk), kNone, 0, 0, kAny, "malloc"},
    {CALL(mincore), kNone, 0, 0, kAny, "how much of the memory file is in use"},
    {CALL(clone), kEqual, 0, kThreadFlags, kAny, "a thread for a task of the guest's"},
    {CALL(set_robust_list), kNone, 0, 0, kAny, "each new thread"},
    {CALL(rseq), kNone, 0, 0, kAny, "each new thread"},
    {CALL(rt_sigprocmask), kNone, 0, 0, kAny, "each new thread"},
    {CALL(rt_sigreturn), kNone, 0, 0, kAny, "the host, after a signal"},
    {CALL(restart_syscall), kNone, 0, 0, kAny, "the host, after a stop"},
    {CALL(exit), kNone, 0, 0, kAny, "the end of a thread"},
    {CALL(exit_group), kNone, 0, 0, kAny, "the end"},
    {CALL(kill), kNone, 0, 0, kAny, "the end of a stub process; in a pid namespace of our own"},
    {CALL(getpid), kNone, 0, 0, kAny, "abort(3)"},
    {CALL(gettid), kNone, 0, 0, kAny, "abort(3)"},
    {CALL(getcpu), kNone, 0, 0, kAny, "the ptrace platform: placement"},
    {CALL(sched_getaffinity), kNone, 0, 0, kAny, "the ptrace platform: placement"},
    {CALL(sched_get_priority_max), kNone, 0, 0, kAny, "the same call of the guest"},
    {CALL(sched_get_priority_min), kNone, 0, 0, kAny, "the same call of the guest"},
    {CALL(sched_yield), kNone, 0, 0, kAny, "the ptrace platform"},
    {CALL(clock_nanosleep), kNone, 0, 0, kAny, "timers"},
    {CALL(getrandom), kNone, 0, 0, kAny, "/dev/urandom, AT_RANDOM"},
    {CALL(prlimit64), kEqual, 0, 0, kAny, "the limits that a process of exec begins with: our own alone"},

    // Descriptors.
    {CALL(read), kNone, 0, 0, kAny, "signalfd, eventfd"},
    {CALL(write), kNone, 0, 0, kAny, "eventfd, the report of a start, messages of a C library that gives up"},
    {CALL(pread64), kNone, 0, 0, kAny, "files of the host's"},
    {CALL(pwrite64), kNone, 0, 0, kAny, "files of the host's"},
    {CALL(lseek), kNone, 0, 0, kAny, "files of the host's"},
    {CALL(fcntl), kNone, 0, 0, kAny, "duplicates, flags"},
    {CALL(ioctl), kOneOf, 1, 0, kAny, "streams and terminals of the host's", kIoctls},
    {CALL(fchown), kNone, 0, 0, kAny, "standard streams belong to the guest's user"},
    {CALL(fstatfs), kNone, 0, 0, kAny, "statfs(2) of the guest"},
    {CALL(ftruncate), kNone, 0, 0, kAny, "files of the host's, the memory file"},
    {CALL(fallocate), kNone, 0, 0, kAny, "files of the host's, holes in the memory file"},
    {CALL(fsync), kNone, 0, 0, kAny, "files of the host's"},
    {CALL(fdatasync), kNone, 0, 0, kAny, "files of the host's"},
    {CALL(epoll_ctl), kNone, 0, 0, kAny, "streams of the host's"},
    {CALL(epoll_wait), kNone, 0, 0, kAny, "streams of the host's"},

    // The control server: a socket that it was given, and what comes from there.
    {CALL(accept4), kNone, 0, 0, kAny, "a client"},
    {CALL(recvmsg), kNone, 0, 0, kAny, "a call"},
    {CALL(sendto), kEqual, 4, 0, kAny, "an answer, on a connected socket alone"},

    // Files below directories that were donated.
    {CALL(openat), kFdAndAll, 2, O_NOFOLLOW, kDirectFiles, "open(2) of the guest"},
    {CALL(statx), kFd, 0, 0, kDirectFiles, "is it the root of a mount of the host's?"},
    {CALL(setfsuid), kNone, 0, 0, kDirectFiles, "new files where a mount maps ids"},
    {CALL(setfsgid), kNone, 0, 0, kDirectFiles, "new files where a mount maps ids"},
    {CALL(getdents64), kNone, 0, 0, kDirectFiles, "directories"},
    {CALL(mkdirat), kFd, 0, 0, kDirectFiles, "mkdir(2) of the guest"},
    {CALL(mknodat), kFd, 0, 0, kDirectFiles, "fifos and sockets"},
    {CALL(symlinkat), kFd, 1, 0, kDirectFiles, "symlink(2) of the guest"},
    {CALL(linkat), kTwoFds, 0, 0, kDirectFiles, "link(2) of the guest"},
    {CALL(unlinkat), kFd, 0, 0, kDirectFiles, "unlink(2) of the guest"},
    {CALL(renameat), kTwoFds, 0, 0, kDirectFiles, "the same without flags, as glibc does it"},
    {CALL(renameat2), kTwoFds, 0, 0, kDirectFiles, "rename(2) of the guest"},
    {CALL(readlinkat), kFd, 0, 0, kDirectFiles, "readlink(2) of the guest"},
    {CALL(fchmod), kNone, 0, 0, kDirectFiles, "chmod(2) of the guest"},
    {CALL(fchmodat), kFd, 0, 0, kDirectFiles, "chmod(2) of the guest"},
    {CALL(fchownat), kFd, 0, 0, kDirectFiles, "chown(2) of the guest"},
    {CALL(utimensat), kFd, 0, 0, kDirectFiles, "utimensat(2) of the guest"},
    {CALL(fgetxattr), kNone, 0, 0, kDirectFiles, "extended attributes"},
    {CALL(fsetxattr), kNone, 0, 0, kDirectFiles, "extended attributes"},
    {CALL(flistxattr), kNone, 0, 0, kDirectFiles, "extended attributes"},
    {CALL(fremovexattr), kNone, 0, 0, kDirectFiles, "extended attributes"},

    // Sockets of the container's network namespace.
    {CALL(socket), kOneOf, 0, 0, kHostNetwork, "socket(2) of the guest", kFamilies},
    {CALL(bind), kNone, 0, 0, kHostNetwork, "bind(2) of the guest"},
    {CALL(connect), kNone, 0, 0, kHostNetwork, "connect(2) of the guest"},
    {CALL(listen), kNone, 0, 0, kHostNetwork, "listen(2) of the guest"},
    {CALL(shutdown), kNone, 0, 0, kHostNetwork, "shutdown(2) of the guest"},
    {CALL(sendmsg), kNone, 0, 0, kHostNetwork, "sendmsg(2) of the guest"},
    {CALL(getsockname), kNone, 0, 0, kHostNetwork, "getsockname(2) of the guest"},
    {CALL(getpeername), kNone, 0, 0, kHostNetwork, "getpeername(2) of the guest"},
    {CALL(getsockopt), kNone, 0, 0, kHostNetwork, "getsockopt(2) of the guest"},
    {CALL(setsockopt), kNone, 0, 0, kHostNetwork, "setsockopt(2) of the guest"},
};

#undef CALL

constexpr uint32_t kKill = SECCOMP_RET_KILL_PROCESS;

sock_filter statement(int code, uint32_t k) {
  return BPF_STMT(static_cast<uint16_t>(code), k);
}
sock_filter jump(int code, uint32_t k, size_t if_true, size_t if_false) {
  return BPF_JUMP(static_cast<uint16_t>(code), k, static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false));
}
// Low half of an argument: that is all the kernel looks at of a descriptor, of int flags and of clone's; and PROT_EXEC
// is in it.
sock_filter load_argument(int index) {
  return statement(BPF_LD | BPF_W | BPF_ABS,
                   static_cast<uint32_t>(offsetof(seccomp_data, args) + static_cast<size_t>(index) * 8));
}

// Instructions that end the process unless the check holds.
std::vector<sock_filter> check_of(const FilterRule& rule) {
  constexpr uint32_t kSign = 0x80000000;
  auto descriptor = [](int index) {
    return std::vector{load_argument(index), jump(BPF_JMP | BPF_JSET | BPF_K, kSign, 0, 1),
                       statement(BPF_RET | BPF_K, kKill)};
  };
  auto append = [](std::vector<sock_filter> list, const std::vector<sock_filter>& more) {
    list.insert(list.end(), more.begin(), more.end());
    return list;
  };
  const std::vector all = {load_argument(rule.index), statement(BPF_ALU | BPF_AND | BPF_K, rule.bits),
                           jump(BPF_JMP | BPF_JEQ | BPF_K, rule.bits, 1, 0), statement(BPF_RET | BPF_K, kKill)};
  switch (rule.check) {
    case kNone:
      return {};
    case kFd:
      return descriptor(rule.index);
    case kTwoFds:
      return append(descriptor(rule.index), descriptor(2));
    case kAll:
      return all;
    case kFdAndAll:
      return append(descriptor(0), all);
    case kNoneOf:
      return {load_argument(rule.index), jump(BPF_JMP | BPF_JSET | BPF_K, rule.bits, 0, 1),
              statement(BPF_RET | BPF_K, kKill)};
    case kOneOf: {
      std::vector<sock_filter> program = {load_argument(rule.index)};
      for (size_t left = rule.values.size(); left > 0; --left)
        program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, rule.values[rule.values.size() - left], left, 0));
      program.push_back(statement(BPF_RET | BPF_K, kKill));
      return program;
    }
    case kEqual:
      return {load_argument(rule.index), jump(BPF_JMP | BPF_JEQ | BPF_K, rule.bits, 1, 0),
              statement(BPF_RET | BPF_K, kKill)};
  }
  return {statement(BPF_RET | BPF_K, kKill)};
}

bool is_for(const FilterRule& rule, const Config& options) {
  switch (rule.options) {
    case FilterFor::kDirectFiles:
      return options.file_access == FileAccess::kDirect;
    case FilterFor::kHostNetwork:
      return options.network == NetworkType::kHost;
    case FilterFor::kAll:
      break;
  }
  return true;
}

}  // namespace

std::vector<FilterRule> filter_rules(const Config& options) {
  std::vector<FilterRule> rules;
  for (const FilterRule& rule : kRules)
    if (is_for(rule, options)) rules.push_back(rule);
  return rules;
}

std::vector<sock_filter> make_filter(std::span<const FilterRule> rules) {
  std::vector<sock_filter> program = {
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      jump(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      statement(BPF_RET | BPF_K, kKill),
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (const FilterRule& rule : rules) {
    const std::vector<sock_filter> check = check_of(rule);
    program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(rule.number), 0, check.size() + 1));
    program.insert(program.end(), check.begin(), check.end());
    program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  // Numbers of the x32 interface are in no rule.
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
  return program;
}

}  // namespace cella::sandbox::boot
