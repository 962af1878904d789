// What the guest programs share. Each of them tests one family of system calls, runs as root, must pass on Linux, and
// is then run unchanged in the sandbox: a difference is a bug of the sandbox.
//
// A program keeps to a directory of its own in /tmp and to processes of its own; it changes nothing else of the
// machine.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

// An address that no program has: never mapped, and not a kernel's.
inline void* const kNowhere = reinterpret_cast<void*>(0x1000);
// And one that no user program can have.
inline void* const kKernel = reinterpret_cast<void*>(0xffff800000000000);

// A call that must be refused, and how. `call` gives -1 and errno, as syscall(2) does.
struct Refusal {
  const char* name;
  long (*call)();
  int error;
};
inline void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}

class Refused : public testing::TestWithParam<Refusal> {};

// One case a line of `table`, in the suite `Family/Refused`. To be used once in a program, beside other tests.
#define REFUSALS(Family, table)                                              \
  TEST_P(Refused, WithErrno) {                                               \
    errno = 0;                                                               \
    const long result = GetParam().call();                                   \
    EXPECT_EQ(result, -1);                                                   \
    EXPECT_STREQ(strerrorname_np(errno), strerrorname_np(GetParam().error)); \
  }                                                                          \
  INSTANTIATE_TEST_SUITE_P(Family, Refused, testing::ValuesIn(table),        \
                           [](const testing::TestParamInfo<Refusal>& one) { return one.param.name; })

// The system call itself, not what the C library makes of it.
template <typename... Arguments>
long sys(long number, Arguments... arguments) {
  return syscall(number, arguments...);
}

// Works in an empty directory that is gone afterwards.
class InDirectory : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/guest-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    ASSERT_EQ(chdir(name), 0);
    umask(0);
  }
  void TearDown() override {
    EXPECT_EQ(chdir("/"), 0);
    EXPECT_EQ(system(("rm -rf " + directory_).c_str()), 0);
  }
  // Makes a file with this content.
  static void write_file(const char* name, const std::string& content, mode_t mode = 0644) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ASSERT_GE(fd, 0) << name;
    ASSERT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    close(fd);
  }
  static std::string read_file(const char* name) {
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    std::string content;
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) content.append(buffer, static_cast<size_t>(n));
    close(fd);
    return content;
  }
  std::string directory_;
};

// Runs `what` in a child and gives the status of waitpid(2). What it returns is its exit status.
template <typename What>
int in_child(What what) {
  pid_t pid = fork();
  if (pid == 0) _exit(what());
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}
// Did it return 0?
#define EXPECT_CHILD(...)                                                         \
  do {                                                                            \
    int child_status = in_child(__VA_ARGS__);                                     \
    EXPECT_TRUE(WIFEXITED(child_status)) << "status " << child_status;            \
    EXPECT_EQ(WEXITSTATUS(child_status), 0) << "the line of the child's problem"; \
  } while (false)
// In a child: ends it with the number of the line where something was not so.
#define REQUIRE(condition) \
  if (!(condition)) return __LINE__ > 255 ? __LINE__ % 255 + 1 : __LINE__

inline int64_t now_ms(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}
inline void sleep_ms(int ms) {
  timespec t = {ms / 1000, ms % 1000 * 1'000'000L};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) {
  }
}
// Tries again until it is so, for at most some seconds.
template <typename Condition>
bool eventually(Condition condition) {
  for (int64_t end = now_ms() + 5000; now_ms() < end; sleep_ms(1))
    if (condition()) return true;
  return condition();
}
