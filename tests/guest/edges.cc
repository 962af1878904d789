// Calls at the edges of what they take: what programs seldom do, and Linux has an answer to.
#include "guest.h"

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <atomic>
#include <fstream>
#include <thread>

namespace {

constexpr long kPage = 4096;
constexpr int kMadvisePopulateRead = 22, kMadvisePopulateWrite = 23;

// What a call gives on a descriptor of the file `f`, with its errno.
template <typename Call>
long on_file(int flags, Call call) {
  const int fd = open("f", flags, 0600);
  const long result = call(fd);
  const int error = errno;
  close(fd);
  errno = error;
  return result;
}
template <typename Call>
long on_map(int type, Call call) {
  void* m = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, type | MAP_ANONYMOUS, -1, 0);
  const long result = call(m);
  const int error = errno;
  munmap(m, 2 * kPage);
  errno = error;
  return result;
}

const Refusal kRefusals[] = {
    {"WriteMoreThanThereIs",
     [] { return on_file(O_RDWR | O_CREAT, [](int fd) { return sys(SYS_write, fd, "x", -1L); }); }, EFAULT},
    {"WriteBeyondTheLast",
     [] { return on_file(O_RDWR, [](int fd) { return sys(SYS_pwrite64, fd, "x", 1, INT64_MAX); }); }, EINVAL},
    {"SeekBeyondTheLast",
     [] {
       return on_file(O_RDWR, [](int fd) {
         lseek(fd, 1, SEEK_SET);
         return sys(SYS_lseek, fd, INT64_MAX, SEEK_CUR);
       });
     },
     EINVAL},
    {"OpenCreatesNoDirectory", [] { return sys(SYS_open, "new", O_CREAT | O_DIRECTORY | O_RDWR, 0600); }, EINVAL},
    {"SymlinkWithSlash", [] { return sys(SYS_symlink, "f", "s/"); }, ENOENT},
    {"ReadlinkOfNoLinkByDescriptor",
     [] {
       char text[8];
       return on_file(O_PATH, [&](int fd) { return sys(SYS_readlinkat, fd, "", text, sizeof text); });
     },
     ENOENT},
    {"ReadlinkOfNothing",
     [] {
       char text[8];
       return sys(SYS_readlink, "", text, sizeof text);
     },
     ENOENT},
    {"UtimensOfNothing", [] { return sys(SYS_utimensat, AT_FDCWD, nullptr, nullptr, 0); }, EFAULT},
    {"XattrLongName",
     [] {
       const std::string name = "user." + std::string(300, 'u');
       return sys(SYS_setxattr, "f", name.c_str(), "b", 1, 0);
     },
     ERANGE},
    {"PreadOfADirectory",
     [] {
       char c;
       const int fd = open(".", O_RDONLY | O_DIRECTORY);
       const long result = sys(SYS_pread64, fd, &c, 1, 0L);
       const int error = errno;
       close(fd);
       errno = error;
       return result;
     },
     EISDIR},
    {"FadviseNegative", [] { return on_file(O_RDONLY, [](int fd) { return sys(SYS_fadvise64, fd, 0L, -1L, 4); }); },
     EINVAL},
    {"SyncFileRangeFlags",
     [] { return on_file(O_RDONLY, [](int fd) { return sys(SYS_sync_file_range, fd, 0L, 1L, 8); }); }, EINVAL},
    {"SyncFileRangeNegative",
     [] { return on_file(O_RDONLY, [](int fd) { return sys(SYS_sync_file_range, fd, -1L, 1L, 7); }); }, EINVAL},
    {"SyncFileRangePipe",
     [] {
       int fds[2];
       if (pipe(fds) != 0) return 0L;
       const long result = sys(SYS_sync_file_range, fds[0], 0L, 1L, 7);
       const int error = errno;
       close(fds[0]);
       close(fds[1]);
       errno = error;
       return result;
     },
     ESPIPE},
    {"SetownOfNobody",
     [] { return on_file(O_RDONLY, [](int fd) { return sys(SYS_fcntl, fd, F_SETOWN, 0x3ffffff0); }); }, ESRCH},
    {"MmapValidatesFlags",
     [] {
       return on_file(
           O_RDWR, [](int fd) { return sys(SYS_mmap, 0L, kPage, PROT_READ, MAP_SHARED_VALIDATE | 0x800000, fd, 0L); });
     },
     EOPNOTSUPP},
    {"MmapBeyondTheLast",
     [] {
       return on_file(O_RDWR, [](int fd) {
         return sys(SYS_mmap, 0L, 2 * kPage, PROT_READ, MAP_PRIVATE, fd, INT64_MAX - kPage + 1);
       });
     },
     EOVERFLOW},
    {"MprotectGrowsDown",
     [] {
       return on_map(MAP_PRIVATE, [](void* m) { return sys(SYS_mprotect, m, kPage, PROT_READ | PROT_GROWSDOWN); });
     },
     EINVAL},
    {"MadviseRound",
     [] { return on_map(MAP_PRIVATE, [](void* m) { return sys(SYS_madvise, m, -1L, MADV_DONTNEED); }); }, EINVAL},
    {"MadviseFreeShared",
     [] { return on_map(MAP_SHARED, [](void* m) { return sys(SYS_madvise, m, kPage, MADV_FREE); }); }, EINVAL},
    {"MadvisePopulateNothing",
     [] {
       void* m = mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       const long result = sys(SYS_madvise, m, kPage, kMadvisePopulateRead);
       const int error = errno;
       munmap(m, kPage);
       errno = error;
       return result;
     },
     EINVAL},
    {"MadvisePopulateHole", [] { return sys(SYS_madvise, 0x10000L, kPage, kMadvisePopulateRead); }, ENOMEM},
    {"MlockallOnFaultAlone", [] { return sys(SYS_mlockall, 4); }, EINVAL},
    {"GetpriorityOfNobody", [] { return sys(SYS_getpriority, PRIO_USER, 54321); }, ESRCH},
    {"SetpriorityOfNobody", [] { return sys(SYS_setpriority, PRIO_PGRP, 0x3ffffff0, 0); }, ESRCH},
    {"SchedulerUnknown",
     [] {
       const int priority = 0;
       return sys(SYS_sched_setscheduler, 0, 77, &priority);
     },
     EINVAL},
    {"GetrandomBoth",
     [] {
       char c;
       return sys(SYS_getrandom, &c, 1, 2 | 4);
     },
     EINVAL},
    {"SleepOnRawClock",
     [] {
       const timespec time = {};
       return sys(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &time, nullptr);
     },
     EOPNOTSUPP},
    {"SleepOnCoarseClock",
     [] {
       const timespec time = {};
       return sys(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &time, nullptr);
     },
     EOPNOTSUPP},
    {"RestartOfNothing", [] { return sys(SYS_restart_syscall); }, EINTR},
    {"TscMode", [] { return sys(SYS_prctl, PR_SET_TSC, 77, 0, 0, 0); }, EINVAL},
    {"HugePagesArguments", [] { return sys(SYS_prctl, PR_SET_THP_DISABLE, 1, 1, 0, 0); }, EINVAL},
};
// The table's calls find a file there.
class Edges : public InDirectory {
 protected:
  void SetUp() override {
    InDirectory::SetUp();
    ASSERT_TRUE(std::ofstream("f") << "hello");
  }
};
class EdgesRefused : public Edges, public testing::WithParamInterface<Refusal> {};
TEST_P(EdgesRefused, WithErrno) {
  errno = 0;
  EXPECT_EQ(GetParam().call(), -1);
  EXPECT_STREQ(strerrorname_np(errno), strerrorname_np(GetParam().error));
}
INSTANTIATE_TEST_SUITE_P(Edges, EdgesRefused, testing::ValuesIn(kRefusals),
                         [](const testing::TestParamInfo<Refusal>& one) { return one.param.name; });

TEST_F(Edges, DirectoriesCanBeSynced) {
  for (const char* path : {".", "/"}) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(fsync(fd), 0) << path;
    EXPECT_EQ(fdatasync(fd), 0) << path;
    close(fd);
  }
}

TEST_F(Edges, TimesThatAreLeftAloneAreNotLookedFor) {
  const timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  EXPECT_EQ(utimensat(AT_FDCWD, "missing", none, 0), 0);
}

TEST_F(Edges, NothingCanBeWrittenToABrokenPipe) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  close(fds[0]);
  EXPECT_EQ(write(fds[1], "x", 0), 0);
  close(fds[1]);
}

TEST_F(Edges, IoctlsOfFiles) {
  const int fd = open("f", O_RDONLY);
  int left = -1, block = 0;
  int64_t size = -1;
  ASSERT_EQ(lseek(fd, 2, SEEK_SET), 2);
  EXPECT_EQ(ioctl(fd, FIONREAD, &left), 0);
  EXPECT_EQ(left, 3);
  EXPECT_EQ(ioctl(fd, FIGETBSZ, &block), 0);
  EXPECT_GT(block, 0);
  EXPECT_EQ(ioctl(fd, FIOQSIZE, &size), 0);
  EXPECT_EQ(size % 512, 0) << "what is allocated for it";
  EXPECT_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
  close(fd);
}

TEST_F(Edges, WhatIsWrittenIsNotExecuted) {
  std::ofstream("p") << "#!/bin/sh\n";
  ASSERT_EQ(chmod("p", 0755), 0);
  const int fd = open("p", O_WRONLY);
  ASSERT_GE(fd, 0);
  char name[] = "p";
  char* arguments[] = {name, nullptr};
  EXPECT_EQ(execve("p", arguments, nullptr), -1);
  EXPECT_EQ(errno, ETXTBSY);
  close(fd);
}

// What a copy of this program does, which is told to.
__attribute__((constructor)) void wait_if_told(int count, char** arguments) {
  if (count == 2 && strcmp(arguments[1], "wait") == 0)
    for (;;) pause();
}

TEST_F(Edges, WhatIsExecutedIsNotWritten) {
  std::ifstream self("/proc/self/exe", std::ios::binary);
  std::ofstream("p", std::ios::binary) << self.rdbuf();
  ASSERT_EQ(chmod("p", 0755), 0);
  int go[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    char name[] = "p", wait[] = "wait";
    char* arguments[] = {name, wait, nullptr};
    execv("p", arguments);
    _exit(1);
  }
  close(go[1]);
  char c;
  EXPECT_EQ(read(go[0], &c, 1), 0);  // it has been executed
  close(go[0]);
  errno = 0;
  EXPECT_EQ(open("p", O_WRONLY), -1);
  EXPECT_EQ(errno, ETXTBSY);
  EXPECT_EQ(truncate("p", 0), -1);
  EXPECT_EQ(errno, ETXTBSY);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  const int fd = open("p", O_WRONLY);
  EXPECT_GE(fd, 0);
  close(fd);
}

TEST_F(Edges, ALinkIsNotExecutedWithoutBeingFollowed) {
  ASSERT_EQ(symlink("f", "s"), 0);
  char name[] = "s";
  char* arguments[] = {name, nullptr};
  EXPECT_EQ(sys(SYS_execveat, AT_FDCWD, "s", arguments, nullptr, AT_SYMLINK_NOFOLLOW), -1);
  EXPECT_EQ(errno, ELOOP);
}

TEST_F(Edges, PagesCanBePopulated) {
  void* m = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(madvise(m, 2 * kPage, kMadvisePopulateRead), 0);
  EXPECT_EQ(madvise(m, 2 * kPage, kMadvisePopulateWrite), 0);
  munmap(m, 2 * kPage);
}

TEST_F(Edges, ProtectionDownToTheLowestPage) {
  void* m = mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
  ASSERT_NE(m, MAP_FAILED);
  auto* bytes = static_cast<char*>(m);
  EXPECT_EQ(mprotect(bytes + 2 * kPage, kPage, PROT_READ | PROT_GROWSDOWN), 0);
  bytes[3 * kPage] = 1;
  // The pages below are changed with it: the kernel cannot write there.
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  ASSERT_EQ(write(fds[1], "x", 1), 1);
  EXPECT_EQ(read(fds[0], bytes, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  close(fds[0]);
  close(fds[1]);
  munmap(m, 4 * kPage);
}

TEST_F(Edges, PolicyIsRemembered) {
  const sched_param none = {0};
  ASSERT_EQ(sched_setscheduler(0, SCHED_BATCH, &none), 0);
  EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  const pid_t pid = fork();
  if (pid == 0) _exit(sched_getscheduler(0));
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), SCHED_BATCH);
  ASSERT_EQ(sched_setscheduler(0, SCHED_OTHER, &none), 0);
  const sched_param one = {1};
  EXPECT_EQ(sched_setscheduler(0, SCHED_OTHER, &one), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Edges, PriorityOfAGroup) {
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    const pid_t inner = fork();
    if (inner == 0) {
      for (;;) pause();
    }
    int failures = setpriority(PRIO_PGRP, 0, 7) != 0;
    failures += getpriority(PRIO_PROCESS, static_cast<id_t>(inner)) != 7;
    failures += setpriority(PRIO_PROCESS, 0, 9) != 0;
    failures += getpriority(PRIO_PGRP, 0) != 7;  // the highest of all
    kill(inner, SIGKILL);
    _exit(failures);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(Edges, NobodyWaitsWhereNothingIs) {
  EXPECT_EQ(sys(SYS_futex, 0x10000L, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0), 0);
}

TEST_F(Edges, WhatProcessesAreAskedAbout) {
  int mode = 0;
  EXPECT_EQ(prctl(PR_GET_SECUREBITS), 0);
  EXPECT_EQ(prctl(PR_GET_TSC, &mode), 0);
  EXPECT_EQ(mode, PR_TSC_ENABLE);
  EXPECT_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
  EXPECT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
  EXPECT_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
  EXPECT_EQ(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);
}

TEST_F(Edges, AppendingIsDoneAtTheEnd) {
  const int fd = open("f", O_RDWR | O_APPEND);
  ASSERT_EQ(pwrite(fd, "X", 1, 0), 1);
  char text[8] = {};
  EXPECT_EQ(pread(fd, text, sizeof text, 0), 6);
  EXPECT_STREQ(text, "helloX");
  close(fd);
}

TEST_F(Edges, WhatHasLostItsNameGetsNoOther) {
  const int fd = open("f", O_RDONLY);
  ASSERT_EQ(unlink("f"), 0);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  EXPECT_EQ(linkat(AT_FDCWD, path.c_str(), AT_FDCWD, "g", AT_SYMLINK_FOLLOW), -1);
  EXPECT_EQ(errno, ENOENT);
  close(fd);
  for (int exclusive : {0, O_EXCL}) {
    const int temporary = open(".", O_TMPFILE | O_RDWR | exclusive, 0600);
    if (temporary < 0) GTEST_SKIP() << "needs a filesystem that has temporary files";
    const std::string name = "/proc/self/fd/" + std::to_string(temporary);
    EXPECT_EQ(linkat(AT_FDCWD, name.c_str(), AT_FDCWD, "t", AT_SYMLINK_FOLLOW), exclusive != 0 ? -1 : 0);
    close(temporary);
    unlink("t");
  }
}

TEST_F(Edges, ProcessesOfAUserAreLimited) {
  const pid_t pid = fork();
  if (pid == 0) {
    const rlimit one = {1, 1};
    if (setrlimit(RLIMIT_NPROC, &one) != 0) _exit(1);
    if (fork() == 0) _exit(0);  // root's are not
    wait(nullptr);
    constexpr uid_t kNobodys = 54321;
    if (setresuid(kNobodys, kNobodys, kNobodys) != 0) _exit(2);
    const pid_t refused = fork();
    if (refused == 0) _exit(0);
    _exit(refused == -1 && errno == EAGAIN ? 0 : 3);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(Edges, ProcessorsAreRemembered) {
  cpu_set_t before, one, now;
  CPU_ZERO(&one);
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &before)) ++cpu;
  CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  ASSERT_EQ(sched_getaffinity(0, sizeof now, &now), 0);
  EXPECT_TRUE(CPU_EQUAL(&now, &one));
  const pid_t pid = fork();
  if (pid == 0) _exit(sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &one) ? 0 : 1);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0) << "is inherited";
  // A running thread moves.
  std::atomic<bool> done = false;
  std::atomic<int> tid = 0, at = -1;
  std::thread other([&] {
    tid = gettid();
    while (!done) at = sched_getcpu();
  });
  while (tid == 0) sched_yield();
  for (int round = 0; round < 3; ++round) {
    for (cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &before)) continue;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      ASSERT_EQ(sched_setaffinity(tid, sizeof one, &one), 0);
      ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
      EXPECT_EQ(sched_getcpu(), cpu);
      for (int i = 0; i < 1000 && at != cpu; ++i) sleep_ms(1);
      EXPECT_EQ(at, cpu);
    }
  }
  done = true;
  other.join();
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  EXPECT_EQ(sched_setaffinity(0, sizeof one, &one), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Edges, DataIsLimited) {
  const pid_t pid = fork();
  if (pid == 0) {
    constexpr size_t kLarge = 64 << 20;
    const rlimit limit = {kLarge, kLarge};
    if (setrlimit(RLIMIT_DATA, &limit) != 0) _exit(1);
    if (mmap(nullptr, kLarge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) _exit(2);
    if (errno != ENOMEM) _exit(3);
    if (mmap(nullptr, kLarge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) _exit(4);
    if (mmap(nullptr, kLarge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) _exit(5);
    if (sbrk(kLarge) != reinterpret_cast<void*>(-1)) _exit(6);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Edges, SignalsThroughProc) {
  const pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  const int fd = open(("/proc/" + std::to_string(pid)).c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(sys(SYS_pidfd_send_signal, fd, SIGTERM, nullptr, 0), 0);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
  EXPECT_EQ(sys(SYS_pidfd_send_signal, fd, 0, nullptr, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  close(fd);
}

TEST_F(Edges, WhatMachinesAreAskedAbout) {
  for (const char* path : {"/proc/vmstat", "/sys/devices/system/cpu/cpu0/topology/thread_siblings",
                           "/sys/devices/system/cpu/cpu0/topology/core_cpus", "/proc/stat", "/proc/meminfo"}) {
    std::string line;
    EXPECT_TRUE(std::getline(std::ifstream(path), line) && !line.empty()) << path;
  }
}

}  // namespace
