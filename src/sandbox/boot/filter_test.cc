#include "sandbox/boot/filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <set>

#include "bpf/evaluate.h"

namespace cella::sandbox::boot {
namespace {

uint32_t verdict(const Config& options, int number, std::array<uint64_t, 6> args = {},
                 uint32_t arch = AUDIT_ARCH_X86_64) {
  const std::vector<FilterRule> rules = filter_rules(options);
  const std::vector<sock_filter> program = make_filter(rules);
  seccomp_data data = {};
  data.nr = number;
  data.arch = arch;
  for (size_t i = 0; i < args.size(); ++i) data.args[i] = args[i];
  auto result = bpf::evaluate(program, data);
  EXPECT_TRUE(result);
  return result ? result->value : 0;
}

constexpr uint32_t kNotThere = SECCOMP_RET_ERRNO | ENOSYS;

TEST(Filter, EveryRuleSaysWhoNeedsIt) {
  std::set<int> numbers;
  for (const FilterRule& rule : filter_rules({})) {
    EXPECT_NE(std::string(rule.who), "") << rule.name;
    EXPECT_TRUE(numbers.insert(rule.number).second) << rule.name << " is there twice";
  }
}

TEST(Filter, SocketsAreForTheHostsNetworkAlone) {
  Config host;
  host.network = NetworkType::kHost;
  for (int number : {SYS_bind, SYS_connect, SYS_listen, SYS_sendmsg, SYS_setsockopt}) {
    EXPECT_EQ(verdict({}, number), kNotThere) << number;
    EXPECT_EQ(verdict(host, number), SECCOMP_RET_ALLOW) << number;
  }
  EXPECT_EQ(verdict({}, SYS_socket, {AF_INET}), kNotThere);
  for (uint64_t family : {AF_INET, AF_INET6}) EXPECT_EQ(verdict(host, SYS_socket, {family}), SECCOMP_RET_ALLOW);
  for (uint64_t family : {AF_UNIX, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK})
    EXPECT_EQ(verdict(host, SYS_socket, {family}), SECCOMP_RET_KILL_PROCESS) << family;
}

TEST(Filter, AmountsAreTheOnlyIoctls) {
  for (uint64_t request : {FIONREAD, SIOCOUTQ, SIOCATMARK})
    EXPECT_EQ(verdict({}, SYS_ioctl, {0, request}), SECCOMP_RET_ALLOW) << request;
  for (uint64_t request : {TIOCSTI, FIONBIO, 0})
    EXPECT_EQ(verdict({}, SYS_ioctl, {0, request}), SECCOMP_RET_KILL_PROCESS);
}

// The whole list, so that a change of it is seen.
TEST(Filter, AllowsWhatItListsAndNothingElse) {
  std::set<int> listed;
  for (const FilterRule& rule : filter_rules({})) listed.insert(rule.number);
  for (int number = 0; number < 600; ++number) {
    if (listed.contains(number)) continue;
    EXPECT_EQ(verdict({}, number), kNotThere) << number;
  }
  for (int number : {SYS_execve,
                     SYS_execveat,
                     SYS_socket,
                     SYS_connect,
                     SYS_bind,
                     SYS_fork,
                     SYS_vfork,
                     SYS_clone3,
                     SYS_open,
                     SYS_openat2,
                     SYS_mount,
                     SYS_move_mount,
                     SYS_open_tree,
                     SYS_setns,
                     SYS_unshare,
                     SYS_bpf,
                     SYS_io_uring_setup,
                     SYS_userfaultfd,
                     SYS_memfd_create,
                     SYS_process_vm_writev,
                     SYS_pidfd_getfd,
                     SYS_chdir,
                     SYS_fchdir,
                     SYS_chroot,
                     SYS_pivot_root,
                     SYS_setuid,
                     SYS_capset,
                     SYS_prctl,
                     SYS_seccomp,
                     SYS_keyctl,
                     SYS_init_module,
                     SYS_perf_event_open,
                     SYS_open_by_handle_at}) {
    EXPECT_FALSE(listed.contains(number)) << number;
  }
  EXPECT_LE(listed.size(), 80u);
}

TEST(Filter, ChecksArguments) {
  struct Case {
    int number;
    std::array<uint64_t, 6> args;
    uint32_t wanted;
  };
  constexpr auto kCwd = static_cast<uint64_t>(AT_FDCWD);
  constexpr uint32_t kAllow = SECCOMP_RET_ALLOW, kKill = SECCOMP_RET_KILL_PROCESS;
  const Case cases[] = {
      {SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE}, kAllow},
      {SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC}, kKill},
      {SYS_mprotect, {0, 4096, PROT_EXEC}, kKill},
      {SYS_mprotect, {0, 4096, PROT_READ}, kAllow},
      {SYS_openat, {5, 0, O_NOFOLLOW | O_RDWR}, kAllow},
      {SYS_openat, {5, 0, O_RDWR}, kKill},
      {SYS_openat, {kCwd, 0, O_NOFOLLOW}, kKill},
      {SYS_openat, {0xffffffff, 0, O_NOFOLLOW}, kKill},
      {SYS_linkat, {5, 0, 6, 0, 0}, kAllow},
      {SYS_linkat, {5, 0, kCwd, 0, 0}, kKill},
      {SYS_renameat2, {kCwd, 0, 6, 0, 0}, kKill},
      {SYS_renameat, {5, 0, 6, 0}, kAllow},
      {SYS_renameat, {5, 0, kCwd, 0}, kKill},
      {SYS_symlinkat, {0, 7, 0}, kAllow},
      {SYS_symlinkat, {0, kCwd, 0}, kKill},
      {SYS_clone, {0x3d0f00}, kAllow},
      {SYS_clone, {SIGCHLD}, kKill},
      {SYS_clone, {0x3d0f00 | CLONE_NEWUSER}, kKill},
      {SYS_ioctl, {1, FIONREAD}, kAllow},
      {SYS_ioctl, {1, TIOCSTI}, kKill},
      {SYS_sendto, {3, 0, 1, 0, 0, 0}, kAllow},
      {SYS_sendto, {3, 0, 1, 0, 1, 16}, kKill},
      {SYS_prlimit64, {0, 7, 0, 0}, kAllow},
      {SYS_prlimit64, {1, 7, 0, 0}, kKill},
  };
  for (const Case& one : cases) EXPECT_EQ(verdict({}, one.number, one.args), one.wanted) << one.number;
}

TEST(Filter, KnowsOneArchitecture) {
  EXPECT_EQ(verdict({}, SYS_read, {}, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
  constexpr int kX32 = 0x40000000;
  EXPECT_EQ(verdict({}, kX32 | SYS_read), kNotThere);
}

TEST(Filter, OpensNothingWithoutDirectAccess) {
  Config options;
  options.file_access = FileAccess::kProxy;
  for (int number : {SYS_openat, SYS_mkdirat, SYS_unlinkat, SYS_fchownat, SYS_fsetxattr})
    EXPECT_EQ(verdict(options, number, {5, 0, O_NOFOLLOW}), kNotThere) << number;
}

}  // namespace
}  // namespace cella::sandbox::boot
