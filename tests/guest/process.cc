// Processes: fork(2), clone(2), execve(2), wait(2), sessions and groups, credentials, limits, pidfds, futexes, and what
// is refused to whom.
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/utsname.h>

#include <atomic>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

const char* the_program = nullptr;  // argv[0], an absolute path
uint32_t word = 0;
timespec kBadTime = {0, -1};

const Refusal kRefusals[] = {
    {"Wait4NoChild", [] { return sys(SYS_wait4, -1, nullptr, 0, nullptr); }, ECHILD},
    {"Wait4Options", [] { return sys(SYS_wait4, -1, nullptr, 0x100, nullptr); }, EINVAL},
    {"WaitidNothing", [] { return sys(SYS_waitid, P_ALL, 0, nullptr, 0, nullptr); }, EINVAL},
    {"WaitidType", [] { return sys(SYS_waitid, 77, 0, nullptr, WEXITED, nullptr); }, EINVAL},
    {"WaitidNotPidfd", [] { return sys(SYS_waitid, P_PIDFD, 0, nullptr, WEXITED, nullptr); }, EBADF},
    {"ExecveMissing", [] { return sys(SYS_execve, "/nope", nullptr, nullptr); }, ENOENT},
    {"ExecveDirectory", [] { return sys(SYS_execve, "/tmp", nullptr, nullptr); }, EACCES},
    {"ExecveBadPath", [] { return sys(SYS_execve, kNowhere, nullptr, nullptr); }, EFAULT},
    {"ExecveBadArguments", [] { return sys(SYS_execve, the_program, kNowhere, nullptr); }, EFAULT},
    {"ExecveatFlags", [] { return sys(SYS_execveat, AT_FDCWD, "/nope", nullptr, nullptr, 1); }, EINVAL},
    {"CloneHandlersWithoutMemory", [] { return sys(SYS_clone, CLONE_SIGHAND, 0L, 0L, 0L, 0L); }, EINVAL},
    {"CloneThreadWithoutHandlers", [] { return sys(SYS_clone, CLONE_THREAD | CLONE_VM, 0L, 0L, 0L, 0L); }, EINVAL},
    {"Clone3Small",
     [] {
       uint64_t a[8] = {};
       return sys(SYS_clone3, a, 8L);
     },
     EINVAL},
    {"Clone3BadPointer", [] { return sys(SYS_clone3, kNowhere, 88L); }, EFAULT},
    {"KillNobody", [] { return sys(SYS_kill, 1 << 22, 0); }, ESRCH},
    {"KillSignal", [] { return sys(SYS_kill, getpid(), 65); }, EINVAL},
    {"KillNegativeSignal", [] { return sys(SYS_kill, getpid(), -1); }, EINVAL},
    {"TkillZero", [] { return sys(SYS_tkill, 0, 0); }, EINVAL},
    {"TgkillOtherGroup", [] { return sys(SYS_tgkill, 1 << 22, getpid(), 0); }, ESRCH},
    {"GetpgidNobody", [] { return sys(SYS_getpgid, 1 << 22); }, ESRCH},
    {"GetsidNobody", [] { return sys(SYS_getsid, 1 << 22); }, ESRCH},
    {"SetpgidNegative", [] { return sys(SYS_setpgid, 0, -1); }, EINVAL},
    {"SetpgidNobody", [] { return sys(SYS_setpgid, 1 << 22, 0); }, ESRCH},
    {"GetrlimitResource",
     [] {
       rlimit l;
       return sys(SYS_getrlimit, 99, &l);
     },
     EINVAL},
    {"GetrlimitBadPointer", [] { return sys(SYS_getrlimit, RLIMIT_NOFILE, kNowhere); }, EFAULT},
    {"SetrlimitContrary",
     [] {
       rlimit l = {2, 1};
       return sys(SYS_setrlimit, RLIMIT_NOFILE, &l);
     },
     EINVAL},
    {"PrlimitNobody", [] { return sys(SYS_prlimit64, 1 << 22, RLIMIT_NOFILE, nullptr, nullptr); }, ESRCH},
    {"GetrusageWho",
     [] {
       rusage u;
       return sys(SYS_getrusage, 9, &u);
     },
     EINVAL},
    {"GetrusageBadPointer", [] { return sys(SYS_getrusage, RUSAGE_SELF, kNowhere); }, EFAULT},
    {"PrctlOption", [] { return sys(SYS_prctl, 9999, 0L, 0L, 0L, 0L); }, EINVAL},
    {"PrctlDeathSignal", [] { return sys(SYS_prctl, PR_SET_PDEATHSIG, 65L, 0L, 0L, 0L); }, EINVAL},
    {"PrctlNameBadPointer", [] { return sys(SYS_prctl, PR_SET_NAME, kNowhere, 0L, 0L, 0L); }, EFAULT},
    {"PrctlNoNewPrivilegesArguments", [] { return sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1L, 1L, 0L, 0L); }, EINVAL},
    {"PrctlBoundingSet", [] { return sys(SYS_prctl, PR_CAPBSET_READ, 99L, 0L, 0L, 0L); }, EINVAL},
    {"ArchPrctl", [] { return sys(SYS_arch_prctl, 0x9999, 0L); }, EINVAL},
    {"SetRobustListSize", [] { return sys(SYS_set_robust_list, nullptr, 1L); }, EINVAL},
    {"GetgroupsRoom", [] { return sys(SYS_getgroups, -1, nullptr); }, EINVAL},
    {"SetgroupsMany", [] { return sys(SYS_setgroups, 70000, nullptr); }, EINVAL},
    {"CapgetVersion",
     [] {
       uint32_t h[2] = {1, 0};
       uint32_t d[6];
       return sys(SYS_capget, h, d);
     },
     EINVAL},
    {"CapgetBadPointer", [] { return sys(SYS_capget, kNowhere, nullptr); }, EFAULT},
    {"SetresuidInvalid", [] { return sys(SYS_setuid, -1); }, EINVAL},
    {"UnameBadPointer", [] { return sys(SYS_uname, kNowhere); }, EFAULT},
    {"SysinfoBadPointer", [] { return sys(SYS_sysinfo, kNowhere); }, EFAULT},
    {"GetrandomFlags",
     [] {
       char c;
       return sys(SYS_getrandom, &c, 1L, 0x100u);
     },
     EINVAL},
    {"GetrandomBadPointer", [] { return sys(SYS_getrandom, kNowhere, 1L, 0u); }, EFAULT},
    {"ClockGettimeClock",
     [] {
       timespec t;
       return sys(SYS_clock_gettime, 99, &t);
     },
     EINVAL},
    {"ClockGettimeBadPointer", [] { return sys(SYS_clock_gettime, CLOCK_REALTIME, kNowhere); }, EFAULT},
    {"ClockGetresClock",
     [] {
       timespec t;
       return sys(SYS_clock_getres, 99, &t);
     },
     EINVAL},
    {"NanosleepTime", [] { return sys(SYS_nanosleep, &kBadTime, nullptr); }, EINVAL},
    {"NanosleepBadPointer", [] { return sys(SYS_nanosleep, kNowhere, nullptr); }, EFAULT},
    {"GettimeofdayBadPointer", [] { return sys(SYS_gettimeofday, kNowhere, nullptr); }, EFAULT},
    {"FutexChanged", [] { return sys(SYS_futex, &word, FUTEX_WAIT, 1, nullptr, nullptr, 0); }, EAGAIN},
    {"FutexOdd", [] { return sys(SYS_futex, reinterpret_cast<char*>(&word) + 1, FUTEX_WAIT, 0, nullptr, nullptr, 0); },
     EINVAL},
    {"FutexBadPointer", [] { return sys(SYS_futex, kNowhere, FUTEX_WAIT, 0, nullptr, nullptr, 0); }, EFAULT},
    {"FutexOperation", [] { return sys(SYS_futex, &word, 99, 0, nullptr, nullptr, 0); }, ENOSYS},
    {"FutexNoBits", [] { return sys(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 0); }, EINVAL},
    {"FutexTime", [] { return sys(SYS_futex, &word, FUTEX_WAIT, 0, &kBadTime, nullptr, 0); }, EINVAL},
    {"FutexTimeout",
     [] {
       timespec t = {0, 1000};
       return sys(SYS_futex, &word, FUTEX_WAIT, 0, &t, nullptr, 0);
     },
     ETIMEDOUT},
    {"SigactionSignal", [] { return sys(SYS_rt_sigaction, 65, nullptr, nullptr, 8L); }, EINVAL},
    {"SigactionSize", [] { return sys(SYS_rt_sigaction, SIGUSR1, nullptr, nullptr, 4L); }, EINVAL},
    {"SigactionKill",
     [] {
       char a[64] = {};
       return sys(SYS_rt_sigaction, SIGKILL, a, nullptr, 8L);
     },
     EINVAL},
    {"SigactionBadPointer", [] { return sys(SYS_rt_sigaction, SIGUSR1, kNowhere, nullptr, 8L); }, EFAULT},
    {"SigprocmaskHow",
     [] {
       uint64_t m = 0;
       return sys(SYS_rt_sigprocmask, 9, &m, nullptr, 8L);
     },
     EINVAL},
    {"SigprocmaskBadPointer", [] { return sys(SYS_rt_sigprocmask, SIG_BLOCK, kNowhere, nullptr, 8L); }, EFAULT},
    {"SigpendingBadPointer", [] { return sys(SYS_rt_sigpending, kNowhere, 8L); }, EFAULT},
    {"SigaltstackSmall",
     [] {
       stack_t s = {&word, 0, 100};
       return sys(SYS_sigaltstack, &s, nullptr);
     },
     ENOMEM},
    {"SigaltstackFlags",
     [] {
       stack_t s = {&word, 77, 100000};
       return sys(SYS_sigaltstack, &s, nullptr);
     },
     EINVAL},
    {"SigqueueinfoForged",
     [] {
       siginfo_t info = {};
       info.si_code = SI_USER;
       return sys(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info);
     },
     EPERM},
    {"SigtimedwaitNothing",
     [] {
       uint64_t m = 1 << 9;
       timespec t = {};
       return sys(SYS_rt_sigtimedwait, &m, nullptr, &t, 8L);
     },
     EAGAIN},
    {"PidfdOpenNobody", [] { return sys(SYS_pidfd_open, 1 << 22, 0u); }, ESRCH},
    {"PidfdOpenFlags", [] { return sys(SYS_pidfd_open, getpid(), 1u); }, EINVAL},
    {"PidfdSignalNotPidfd", [] { return sys(SYS_pidfd_send_signal, 0, 0, nullptr, 0u); }, EBADF},
    {"PidfdGetfdClosed", [] { return sys(SYS_pidfd_getfd, 999, 0, 0u); }, EBADF},
    {"SchedGetaffinityRoom", [] { return sys(SYS_sched_getaffinity, 0, 1L, &word); }, EINVAL},
    {"SchedGetattrRoom", [] { return sys(SYS_sched_getattr, 0, &word, 8u, 0u); }, EINVAL},
    {"IoprioWho", [] { return sys(SYS_ioprio_get, 9, 0); }, EINVAL},
    {"UnshareFlags", [] { return sys(SYS_unshare, 1L); }, EINVAL},
    {"MountNoType", [] { return sys(SYS_mount, "x", "/tmp", nullptr, 0L, nullptr); }, EINVAL},
    {"MountType", [] { return sys(SYS_mount, "x", "/tmp", "no-such-type", 0L, nullptr); }, ENODEV},
    {"MountMissing", [] { return sys(SYS_mount, "x", "/nope", "tmpfs", 0L, nullptr); }, ENOENT},
    {"UmountNotMounted", [] { return sys(SYS_umount2, "/dev/null", 0); }, EINVAL},
    {"UmountFlags", [] { return sys(SYS_umount2, "/tmp", 0x100); }, EINVAL},
};
REFUSALS(Process, kRefusals);

TEST(Wait, StatusOfExitAndSignal) {
  int status = in_child([] { return 7; });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  status = in_child([] {
    signal(SIGTERM, SIG_DFL);
    kill(getpid(), SIGTERM);
    return 1;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}
TEST(Wait, NohangAndNowait) {
  pid_t child = fork();
  if (child == 0) {
    sleep_ms(50);
    _exit(4);
  }
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);
  siginfo_t info = {};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(info.si_pid, child);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(info.si_status, 4);
  int status;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(waitpid(child, &status, 0), -1);
  EXPECT_EQ(errno, ECHILD);
}
TEST(Wait, StoppedAndContinued) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    kill(getpid(), SIGSTOP);
    // Not before the parent has seen that it goes on.
    char byte;
    _exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
  }
  int status;
  EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status));
  EXPECT_EQ(WSTOPSIG(status), SIGSTOP);
  kill(child, SIGCONT);
  EXPECT_EQ(waitpid(child, &status, WCONTINUED), child);
  EXPECT_TRUE(WIFCONTINUED(status));
  EXPECT_EQ(write(ends[1], "", 1), 1);
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  close(ends[0]);
  close(ends[1]);
}
TEST(Wait, IgnoredChildrenLeaveNothing) {
  EXPECT_CHILD([] {
    signal(SIGCHLD, SIG_IGN);
    pid_t child = fork();
    if (child == 0) _exit(3);
    REQUIRE(waitpid(child, nullptr, 0) == -1 && errno == ECHILD);
    return 0;
  });
}
TEST(Wait, SubreaperGetsOrphans) {
  EXPECT_CHILD([] {
    REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    pid_t child = fork();
    if (child == 0) {
      pid_t grandchild = fork();
      if (grandchild == 0) {
        sleep_ms(20);
        _exit(9);
      }
      (void)!write(fds[1], &grandchild, sizeof grandchild);
      _exit(0);
    }
    pid_t grandchild;
    REQUIRE(read(fds[0], &grandchild, sizeof grandchild) == sizeof grandchild);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    int status;
    REQUIRE(waitpid(grandchild, &status, 0) == grandchild && WEXITSTATUS(status) == 9);
    return 0;
  });
}
TEST(Exec, KeepsWhatItShould) {
  EXPECT_CHILD([] {
    int kept = dup(0), closed = fcntl(0, F_DUPFD_CLOEXEC, 0);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, [](int) {});
    std::string number = std::to_string(kept), other = std::to_string(closed);
    execl(the_program, "guest", "--after-exec", number.c_str(), other.c_str(), nullptr);
    return 200;
  });
}
TEST(Exec, FromAnotherThread) {
  EXPECT_CHILD([] {
    static pid_t pid = getpid();
    std::thread([] {
      std::string number = std::to_string(pid);
      execl(the_program, "guest", "--pid-is", number.c_str(), nullptr);
      _exit(200);
    }).join();
    return 201;
  });
}
TEST(Exec, NotExecutable) {
  char name[] = "/tmp/guest-exec-XXXXXX";
  int fd = mkostemp(name, O_CLOEXEC);
  ASSERT_EQ(write(fd, "neither", 7), 7);
  close(fd);
  char* arguments[] = {name, nullptr};
  EXPECT_EQ(execv(name, arguments), -1);
  EXPECT_EQ(errno, EACCES);
  ASSERT_EQ(chmod(name, 0755), 0);
  EXPECT_EQ(execv(name, arguments), -1);
  EXPECT_EQ(errno, ENOEXEC);
  unlink(name);
}
TEST(Sessions, ChildBecomesLeader) {
  EXPECT_CHILD([] {
    REQUIRE(setsid() == getpid());
    REQUIRE(getsid(0) == getpid() && getpgrp() == getpid());
    REQUIRE(setsid() == -1 && errno == EPERM);
    REQUIRE(setpgid(0, 0) == -1 && errno == EPERM);
    return 0;
  });
}
TEST(Sessions, GroupsAreJoinedWithinASession) {
  EXPECT_CHILD([] {
    pid_t first = fork();
    if (first == 0) {
      pause();
      _exit(0);
    }
    REQUIRE(setpgid(first, first) == 0);
    REQUIRE(getpgid(first) == first);
    REQUIRE(setpgid(0, first) == 0 && getpgrp() == first);
    REQUIRE(setpgid(0, 1 << 22) == -1 && errno == EPERM);
    REQUIRE(setpgid(0, 0) == 0);
    REQUIRE(kill(-first, SIGKILL) == 0);
    int status;
    REQUIRE(waitpid(-first, &status, 0) == first && WIFSIGNALED(status));
    return 0;
  });
}
TEST(Credentials, RootDropsForGood) {
  EXPECT_CHILD([] {
    REQUIRE(setresgid(10, 11, 12) == 0 && setresuid(20, 21, 22) == 0);
    uid_t r, e, s;
    REQUIRE(getresuid(&r, &e, &s) == 0 && r == 20 && e == 21 && s == 22);
    REQUIRE(setuid(0) == -1 && errno == EPERM);
    REQUIRE(seteuid(22) == 0 && geteuid() == 22);
    REQUIRE(setresuid(-1, 99, -1) == -1 && errno == EPERM);
    gid_t group = 5;
    REQUIRE(sys(SYS_setgroups, 1, &group) == -1 && errno == EPERM);
    REQUIRE(kill(getppid(), 0) == -1 && errno == EPERM);
    return 0;
  });
}
TEST(Credentials, GroupsAreListed) {
  EXPECT_CHILD([] {
    gid_t groups[3] = {7, 8, 9}, found[3] = {};
    REQUIRE(sys(SYS_setgroups, 3, groups) == 0);
    REQUIRE(sys(SYS_getgroups, 0, nullptr) == 3);
    REQUIRE(sys(SYS_getgroups, 2, found) == -1 && errno == EINVAL);
    REQUIRE(sys(SYS_getgroups, 3, found) == 3 && found[0] == 7 && found[2] == 9);
    return 0;
  });
}
TEST(Limits, HardLimitOnlyFalls) {
  EXPECT_CHILD([] {
    rlimit limit = {20, 30};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE(setresuid(1000, 1000, 1000) == 0);
    limit = {20, 31};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == -1 && errno == EPERM);
    limit = {25, 30};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 25);
    return 0;
  });
}
TEST(Personality, ChangesWhatIsTold) {
  EXPECT_CHILD([] {
    constexpr int kOld = int{PER_LINUX32} | int{UNAME26};
    utsname names;
    REQUIRE(personality(kOld) != -1);
    REQUIRE(uname(&names) == 0 && std::string(names.machine) == "i686");
    REQUIRE(std::string(names.release).starts_with("2.6."));
    REQUIRE(personality(0xffffffff) == kOld);
    REQUIRE(personality(PER_LINUX) != -1);
    REQUIRE(uname(&names) == 0 && std::string(names.machine) == "x86_64");
    return 0;
  });
}
TEST(Personality, WhatCanBeReadCanBeExecuted) {
  EXPECT_CHILD([] {
    REQUIRE(personality(READ_IMPLIES_EXEC) != -1);
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(page != MAP_FAILED);
    *static_cast<unsigned char*>(page) = 0xc3;  // ret
    reinterpret_cast<void (*)()>(page)();
    return 0;
  });
}
TEST(Personality, TimeoutsStay) {
  EXPECT_CHILD([] {
    int ends[2];
    REQUIRE(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    for (bool sticky : {false, true}) {
      REQUIRE(personality(sticky ? int{STICKY_TIMEOUTS} : 0) != -1);
      fd_set readable;
      FD_ZERO(&readable);
      FD_SET(ends[0], &readable);
      timeval timeout = {100, 0};
      timespec precise = {100, 0};
      REQUIRE(sys(SYS_select, ends[0] + 1, &readable, nullptr, nullptr, &timeout) == 1);
      REQUIRE(sys(SYS_pselect6, ends[0] + 1, &readable, nullptr, nullptr, &precise, nullptr) == 1);
      REQUIRE((timeout.tv_sec == 100) == sticky && (precise.tv_sec == 100) == sticky);
    }
    return 0;
  });
}
TEST(Personality, OfTheNextProgram) {
  EXPECT_CHILD([] {
    REQUIRE(personality(int{READ_IMPLIES_EXEC} | int{UNAME26}) != -1);
    execl("/bin/sh", "sh", "-c", "read now < /proc/self/personality; test $now = 00020000", nullptr);
    return 9;
  });
}
TEST(Clone3, TheIdThatIsWanted) {
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  auto clone_as = [](std::vector<pid_t> ids) {
    uint64_t arguments[11] = {};
    arguments[4] = SIGCHLD;
    arguments[8] = reinterpret_cast<uint64_t>(ids.data());
    arguments[9] = ids.size();
    const long pid = sys(SYS_clone3, arguments, sizeof arguments);
    if (pid == 0) _exit(getpid() == ids[0] ? 0 : 1);
    if (pid < 0) return -errno;
    int status = -1;
    waitpid(static_cast<pid_t>(pid), &status, 0);
    EXPECT_EQ(status, 0);
    return static_cast<int>(pid);
  };
  pid_t wanted = 29999;
  while (kill(wanted, 0) == 0) --wanted;
  EXPECT_EQ(clone_as({wanted}), wanted);
  EXPECT_EQ(clone_as({getpid()}), -EEXIST);
  EXPECT_EQ(clone_as({0}), -EINVAL);
  EXPECT_EQ(clone_as({1 << 30}), -EINVAL);
  EXPECT_EQ(clone_as(std::vector<pid_t>(33, wanted)), -EINVAL);
  EXPECT_CHILD([&] {
    REQUIRE(setuid(65534) == 0);
    REQUIRE(clone_as({wanted}) == -EPERM && clone_as({0}) == -EINVAL);
    return 0;
  });
}
TEST(Pidfd, ReadableWhenTheProcessHasEnded) {
  pid_t child = fork();
  if (child == 0) {
    sleep_ms(30);
    _exit(5);
  }
  int fd = static_cast<int>(sys(SYS_pidfd_open, child, 0u));
  ASSERT_GE(fd, 0);
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  pollfd one = {fd, POLLIN, 0};
  EXPECT_EQ(poll(&one, 1, 0), 0);
  EXPECT_EQ(poll(&one, 1, 5000), 1);
  siginfo_t info = {};
  EXPECT_EQ(sys(SYS_waitid, P_PIDFD, fd, &info, WEXITED, nullptr), 0);
  EXPECT_EQ(info.si_status, 5);
  EXPECT_EQ(sys(SYS_pidfd_send_signal, fd, 0, nullptr, 0u), -1);
  EXPECT_EQ(errno, ESRCH);
  close(fd);
}
TEST(Pidfd, CloneGivesOneAndSignalsGoThrough) {
  int fd = -1;
  long child = sys(SYS_clone, CLONE_PIDFD | SIGCHLD, 0L, &fd, 0L, 0L);
  if (child == 0) {
    pause();
    _exit(0);
  }
  ASSERT_GT(child, 0);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(sys(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0u), 0);
  int status;
  EXPECT_EQ(waitpid(static_cast<pid_t>(child), &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  close(fd);
}
TEST(Pidfd, GetfdSharesTheFile) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  int self = static_cast<int>(sys(SYS_pidfd_open, getpid(), 0u));
  int copy = static_cast<int>(sys(SYS_pidfd_getfd, self, pipe_fds[1], 0u));
  ASSERT_GE(copy, 0);
  EXPECT_EQ(write(copy, "x", 1), 1);
  char c;
  EXPECT_EQ(read(pipe_fds[0], &c, 1), 1);
  for (int fd : {self, copy, pipe_fds[0], pipe_fds[1]}) close(fd);
}
TEST(Futex, WokenByAnotherThread) {
  static std::atomic<uint32_t> value = 0;
  std::thread waker([] {
    sleep_ms(20);
    value = 1;
    while (sys(SYS_futex, &value, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0) == 0 && value == 1) {
      sleep_ms(1);
      if (value == 2) break;
    }
  });
  while (value == 0) sys(SYS_futex, &value, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, nullptr, nullptr, 0);
  value = 2;
  waker.join();
}
// A lock as futex(2) is used for: 0 free, 1 taken, 2 taken and waited for.
void lock(std::atomic<uint32_t>& futex) {
  uint32_t free = 0;
  if (futex.compare_exchange_strong(free, 1)) return;
  while (futex.exchange(2) != 0) sys(SYS_futex, &futex, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, nullptr, nullptr, 0);
}
void unlock(std::atomic<uint32_t>& futex) {
  if (futex.exchange(0) == 2) sys(SYS_futex, &futex, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

constexpr int kThreads = 64;

TEST(Futex, IsALockForManyThreads) {
  constexpr int kRounds = 100;
  std::atomic<uint32_t> futex = 0;
  int count = 0, inside = 0, most_inside = 0;
  std::thread threads[kThreads];
  for (std::thread& one : threads)
    one = std::thread([&] {
      for (int i = 0; i < kRounds; ++i) {
        lock(futex);
        most_inside = std::max(most_inside, ++inside);
        ++count;
        if (i % 16 == 0) sched_yield();
        --inside;
        unlock(futex);
      }
    });
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(count, kThreads * kRounds);
  EXPECT_EQ(most_inside, 1);
}

TEST(Futex, WakesAsManyAsAreAskedFor) {
  static std::atomic<uint32_t> futex, other;
  futex = other = 0;
  std::atomic<int> woken = 0;
  std::thread threads[kThreads];
  for (std::thread& one : threads)
    one = std::thread([&] {
      // Until it is woken: a signal may end the wait, too.
      while (sys(SYS_futex, &futex, FUTEX_WAIT, 0, nullptr, nullptr, 0) != 0 && errno == EINTR) {
      }
      ++woken;
    });
  // All of them sleep when all can be moved. That wakes nobody, and takes them where they are looked for then.
  int moved = 0;
  while (moved < kThreads) {
    const long now = sys(SYS_futex, &futex, FUTEX_CMP_REQUEUE, 0, kThreads, &other, 0);
    ASSERT_GE(now, 0);
    moved += static_cast<int>(now);
    if (moved < kThreads) sleep_ms(1);
  }
  EXPECT_EQ(sys(SYS_futex, &futex, FUTEX_WAKE, kThreads, nullptr, nullptr, 0), 0);
  EXPECT_EQ(woken, 0);
  int left = kThreads;
  for (int wanted : {1, 7, 20, kThreads}) {
    EXPECT_EQ(sys(SYS_futex, &other, FUTEX_WAKE, wanted, nullptr, nullptr, 0), std::min(wanted, left));
    left -= std::min(wanted, left);
    while (woken < kThreads - left) sleep_ms(1);
    EXPECT_EQ(woken, kThreads - left);
  }
  for (std::thread& one : threads) one.join();
}
TEST(Signals, HandlerRunsWithInfoAndMask) {
  static volatile int code, sender, blocked;
  struct sigaction action = {}, old;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    code = info->si_code;
    sender = info->si_pid;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, nullptr, &mask);
    blocked = sigismember(&mask, SIGUSR1) + 2 * sigismember(&mask, SIGUSR2);
  };
  action.sa_flags = SA_SIGINFO;
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &action, &old);
  kill(getpid(), SIGUSR1);
  EXPECT_EQ(code, SI_USER);
  EXPECT_EQ(sender, getpid());
  EXPECT_EQ(blocked, 3);
  sigaction(SIGUSR1, &old, nullptr);
}
TEST(Signals, AlternateStack) {
  static volatile uintptr_t where;
  static char stack[65536];
  stack_t alternate = {stack, 0, sizeof stack}, old_stack;
  ASSERT_EQ(sigaltstack(&alternate, &old_stack), 0);
  struct sigaction action = {}, old;
  action.sa_handler = [](int) {
    int here;
    where = reinterpret_cast<uintptr_t>(&here);
  };
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR1, &action, &old);
  raise(SIGUSR1);
  EXPECT_GE(where, reinterpret_cast<uintptr_t>(stack));
  EXPECT_LT(where, reinterpret_cast<uintptr_t>(stack) + sizeof stack);
  sigaction(SIGUSR1, &old, nullptr);
  sigaltstack(&old_stack, nullptr);
}
TEST(Signals, RealTimeOnesQueueInOrder) {
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, &old);
  for (int i = 1; i <= 3; ++i) sigqueue(getpid(), SIGRTMIN, {.sival_int = i});
  for (int i = 1; i <= 3; ++i) {
    siginfo_t info = {};
    EXPECT_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
    EXPECT_EQ(info.si_value.sival_int, i);
    EXPECT_EQ(info.si_code, SI_QUEUE);
  }
  sigprocmask(SIG_SETMASK, &old, nullptr);
}
TEST(Signals, RestartAndInterrupt) {
  for (bool restart : {true, false}) {
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    struct sigaction action = {}, old;
    action.sa_handler = [](int) {};
    action.sa_flags = restart ? SA_RESTART : 0;
    sigaction(SIGALRM, &action, &old);
    itimerval soon = {{0, 0}, {0, 20'000}};
    std::thread writer([&] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      sleep_ms(60);
      (void)!write(fds[1], "x", 1);
    });
    sleep_ms(5);
    setitimer(ITIMER_REAL, &soon, nullptr);
    char c;
    const ssize_t n = read(fds[0], &c, 1);
    const int error = errno;
    if (restart) {
      EXPECT_EQ(n, 1);
    } else {
      EXPECT_EQ(n, -1);
      EXPECT_EQ(error, EINTR);
    }
    writer.join();
    sigaction(SIGALRM, &old, nullptr);
    close(fds[0]);
    close(fds[1]);
  }
}
TEST(Signals, SuspendRestoresTheMask) {
  sigset_t block, none, old, now;
  sigemptyset(&block);
  sigemptyset(&none);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, &old);
  static volatile int seen = 0;
  signal(SIGUSR1, [](int) { seen = seen + 1; });
  kill(getpid(), SIGUSR1);
  EXPECT_EQ(seen, 0);
  EXPECT_EQ(sigsuspend(&none), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(seen, 1);
  sigprocmask(SIG_BLOCK, nullptr, &now);
  EXPECT_TRUE(sigismember(&now, SIGUSR1));
  signal(SIGUSR1, SIG_DFL);
  sigprocmask(SIG_SETMASK, &old, nullptr);
}

}  // namespace

// What Exec's programs become.
int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--after-exec") {
    struct sigaction ignored, handled;
    sigaction(SIGUSR1, nullptr, &ignored);
    sigaction(SIGUSR2, nullptr, &handled);
    const bool kept = fcntl(atoi(argv[2]), F_GETFD) == 0, closed = fcntl(atoi(argv[3]), F_GETFD) == -1;
    return kept && closed && ignored.sa_handler == SIG_IGN && handled.sa_handler == SIG_DFL ? 0 : 1;
  }
  if (argc == 3 && std::string(argv[1]) == "--pid-is") return getpid() == atoi(argv[2]) && gettid() == getpid() ? 0 : 1;
  the_program = argv[0];
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
