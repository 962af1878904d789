// Filters of system calls, seccomp(2).
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

using Program = std::vector<sock_filter>;

sock_filter load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter give(uint32_t value) {
  return BPF_STMT(BPF_RET | BPF_K, value);
}
// `number` gets this action, the rest is allowed.
Program one_call(long number, uint32_t action) {
  return {load(offsetof(seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
          give(action), give(SECCOMP_RET_ALLOW)};
}

long install(const Program& program, unsigned flags = 0) {
  sock_fprog what = {static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  return sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &what);
}
// What most of these tests begin with, in a child.
bool confined_by(const Program& program) {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && install(program) == 0;
}
bool refused(long result, int error) {
  return result == -1 && errno == error;
}
int field_of_status(const char* name) {
  FILE* file = fopen("/proc/thread-self/status", "re");
  if (file == nullptr) return -1;
  int value = -1;
  char line[256];
  while (fgets(line, sizeof line, file) != nullptr)
    if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') value = atoi(line + strlen(name) + 1);
  fclose(file);
  return value;
}

char an_action[4];
const Refusal kRefusals[] = {
    {"Operation", [] { return sys(SYS_seccomp, 77, 0, nullptr); }, EINVAL},
    {"StrictWithFlags", [] { return sys(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, nullptr); }, EINVAL},
    {"FilterFlags", [] { return sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, an_action); }, EINVAL},
    {"FilterBadAddress", [] { return sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, kNowhere); }, EFAULT},
    {"ActionFlags", [] { return sys(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, an_action); }, EINVAL},
    {"ActionBadAddress", [] { return sys(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, kNowhere); }, EFAULT},
    {"Empty", [] { return install({}); }, EINVAL},
    {"NoReturn", [] { return install({load(0)}); }, EINVAL},
    {"Unaligned", [] { return install({load(2), give(SECCOMP_RET_ALLOW)}); }, EINVAL},
    {"OutOfData", [] { return install({load(sizeof(seccomp_data)), give(SECCOMP_RET_ALLOW)}); }, EINVAL},
    {"JumpsOut", [] { return install({BPF_JUMP(BPF_JMP | BPF_JA, 7, 0, 0), give(SECCOMP_RET_ALLOW)}); }, EINVAL},
    {"Prctl", [] { return sys(SYS_prctl, PR_SET_SECCOMP, 7, nullptr); }, EINVAL},
};
REFUSALS(Seccomp, kRefusals);

TEST(Seccomp, KnowsActions) {
  for (uint32_t action : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
                          SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW})
    EXPECT_EQ(sys(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), 0) << action;
  uint32_t unknown = 0x12340000;
  EXPECT_TRUE(refused(sys(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP));
}

TEST(Seccomp, NeedsNoNewPrivilegesOrACapability) {
  EXPECT_CHILD([] {
    REQUIRE(setuid(65534) == 0);
    REQUIRE(refused(install({give(SECCOMP_RET_ALLOW)}), EACCES));
    REQUIRE(confined_by({give(SECCOMP_RET_ALLOW)}));
    return 0;
  });
}

TEST(Seccomp, GivesErrno) {
  EXPECT_CHILD([] {
    REQUIRE(prctl(PR_GET_SECCOMP) == 0 && field_of_status("Seccomp") == 0);
    REQUIRE(confined_by(one_call(SYS_getppid, SECCOMP_RET_ERRNO | ENOTNAM)));
    REQUIRE(refused(sys(SYS_getppid), ENOTNAM));
    REQUIRE(sys(SYS_getpid) > 0);
    REQUIRE(prctl(PR_GET_SECCOMP) == 2 && field_of_status("Seccomp") == 2);
    REQUIRE(field_of_status("Seccomp_filters") == 1);
    return 0;
  });
}

TEST(Seccomp, ErrnoZeroIsNotDone) {
  EXPECT_CHILD([] {
    REQUIRE(confined_by(one_call(SYS_execve, SECCOMP_RET_ERRNO)));
    REQUIRE(sys(SYS_execve, "/nope", nullptr, nullptr) == 0);
    return 0;
  });
}

TEST(Seccomp, LooksAtArguments) {
  EXPECT_CHILD([] {
    // Of lseek's offset the upper half, and the architecture.
    const Program program = {
        load(offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
        load(offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 0, 3),
        load(offsetof(seccomp_data, args[1]) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1),
        give(SECCOMP_RET_ERRNO | EDOM),
        give(SECCOMP_RET_ALLOW),
    };
    REQUIRE(confined_by(program));
    REQUIRE(refused(sys(SYS_lseek, -1, 5l << 32, 0), EDOM));
    REQUIRE(refused(sys(SYS_lseek, -1, 4l << 32, 0), EBADF));
    return 0;
  });
}

TEST(Seccomp, TheStrictestCounts) {
  EXPECT_CHILD([] {
    REQUIRE(confined_by(one_call(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)));
    REQUIRE(install(one_call(SYS_getppid, SECCOMP_RET_TRACE)) == 0);
    REQUIRE(refused(sys(SYS_getppid), EDOM));
    // Of equal ones the newest.
    REQUIRE(install(one_call(SYS_getppid, SECCOMP_RET_ERRNO | ENOTNAM)) == 0);
    REQUIRE(refused(sys(SYS_getppid), ENOTNAM));
    REQUIRE(install({give(SECCOMP_RET_ALLOW)}) == 0);
    REQUIRE(refused(sys(SYS_getppid), ENOTNAM));
    REQUIRE(field_of_status("Seccomp_filters") == 4);
    return 0;
  });
}

TEST(Seccomp, TraceWithoutATracerAndLog) {
  EXPECT_CHILD([] {
    REQUIRE(confined_by(one_call(SYS_getppid, SECCOMP_RET_TRACE | 7)));
    REQUIRE(refused(sys(SYS_getppid), ENOSYS));
    REQUIRE(install(one_call(SYS_getpgid, SECCOMP_RET_LOG)) == 0);
    REQUIRE(sys(SYS_getpgid, 0) > 0);
    return 0;
  });
}

siginfo_t trapped;
int64_t result_in_handler;

TEST(Seccomp, TrapsTellWhat) {
  EXPECT_CHILD([] {
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int, siginfo_t* info, void* context) {
      trapped = *info;
      auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
      result_in_handler = registers[REG_RAX];
      registers[REG_RAX] = 4711;
    };
    REQUIRE(sigaction(SIGSYS, &action, nullptr) == 0);
    REQUIRE(confined_by(one_call(SYS_getppid, SECCOMP_RET_TRAP | 77)));
    REQUIRE(sys(SYS_getppid) == 4711);
    REQUIRE(trapped.si_signo == SIGSYS && trapped.si_code == 1);  // SYS_SECCOMP
    REQUIRE(trapped.si_errno == 77 && trapped.si_syscall == SYS_getppid && trapped.si_arch == AUDIT_ARCH_X86_64);
    REQUIRE(trapped.si_call_addr != nullptr);
    REQUIRE(result_in_handler == SYS_getppid);
    return 0;
  });
}

TEST(Seccomp, KillsTheProcess) {
  for (uint32_t action : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP}) {
    const int status = in_child([action] {
      REQUIRE(confined_by(one_call(SYS_getppid, action)));
      sys(SYS_getppid);
      return 1;
    });
    EXPECT_TRUE(WIFSIGNALED(status)) << action;
    EXPECT_EQ(WTERMSIG(status), SIGSYS) << action;
  }
}

TEST(Seccomp, KillsOneThread) {
  EXPECT_CHILD([] {
    REQUIRE(confined_by(one_call(SYS_getppid, SECCOMP_RET_KILL_THREAD)));
    static std::atomic<int> there = 0;
    std::thread([] {
      there = gettid();
      sys(SYS_getppid);
      there = -1;
    }).detach();
    REQUIRE(eventually([] { return there != 0 && sys(SYS_tgkill, getpid(), there.load(), 0) != 0; }));
    REQUIRE(there > 0);
    return 0;
  });
}

TEST(Seccomp, IsInheritedByForkAndThread) {
  EXPECT_CHILD([] {
    REQUIRE(confined_by(one_call(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)));
    REQUIRE(in_child([] { return refused(sys(SYS_getppid), EDOM) ? 0 : 1; }) == 0);
    bool is_refused = false;
    std::thread([&] { is_refused = refused(sys(SYS_getppid), EDOM); }).join();
    REQUIRE(is_refused);
    return 0;
  });
}

TEST(Seccomp, StaysOverExec) {
  const int status = in_child([] {
    REQUIRE(confined_by(one_call(SYS_write, SECCOMP_RET_KILL_PROCESS)));
    execl("/proc/self/exe", "seccomp", "--gtest_list_tests", nullptr);
    return 1;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << status;
}

TEST(Seccomp, CanBeForAllThreads) {
  EXPECT_CHILD([] {
    std::atomic<bool> is_set = false, is_refused = false;
    std::thread other([&] {
      while (!is_set) sleep_ms(1);
      is_refused = refused(sys(SYS_getppid), EDOM) && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    });
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(install(one_call(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), SECCOMP_FILTER_FLAG_TSYNC) == 0);
    is_set = true;
    other.join();
    REQUIRE(is_refused);
    return 0;
  });
}

TEST(Seccomp, NotForAThreadThatHasAnother) {
  EXPECT_CHILD([] {
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    std::atomic<int> id = 0;
    std::atomic<bool> is_over = false;
    std::thread other([&] {
      if (install({give(SECCOMP_RET_ALLOW)}) == 0) id = gettid();
      while (!is_over) sleep_ms(1);
    });
    const bool is_there = eventually([&] { return id != 0; });
    const Program program = one_call(SYS_getppid, SECCOMP_RET_ERRNO | EDOM);
    const long result = install(program, SECCOMP_FILTER_FLAG_TSYNC);
    const bool is_unknown =
        refused(install(program, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH), ESRCH);
    is_over = true;
    other.join();
    REQUIRE(is_there && result == id && is_unknown);
    REQUIRE(sys(SYS_getppid) > 0);
    return 0;
  });
}

TEST(Seccomp, StrictModeLeavesLittle) {
  const int status = in_child([] {
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    sys(SYS_exit, 7);
    return 1;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  const int killed = in_child([] {
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    sys(SYS_getpid);
    return 1;
  });
  EXPECT_TRUE(WIFSIGNALED(killed) && WTERMSIG(killed) == SIGKILL) << killed;
}

TEST(Seccomp, NotStrictAfterAFilter) {
  EXPECT_CHILD([] {
    REQUIRE(confined_by({give(SECCOMP_RET_ALLOW)}));
    REQUIRE(refused(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL));
    return 0;
  });
}

TEST(Seccomp, FiltersHaveALimitTogether) {
  EXPECT_CHILD([] {
    Program program(BPF_MAXINSNS, BPF_STMT(BPF_LD | BPF_IMM, 0));
    program.back() = give(SECCOMP_RET_ALLOW);
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    int count = 0;
    while (count < 100 && install(program) == 0) ++count;
    REQUIRE(errno == ENOMEM && count == 7);
    return 0;
  });
}

TEST(Seccomp, ThousandsOfFiltersCanGo) {
  EXPECT_CHILD([] {
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    for (int i = 0; i < 2000; ++i) REQUIRE(install({give(SECCOMP_RET_ALLOW)}) == 0);
    REQUIRE(sys(SYS_getppid) > 0);
    return 0;
  });
}

}  // namespace
