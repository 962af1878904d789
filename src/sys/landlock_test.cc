#include "sys/landlock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sys/fd.h"

namespace cella::sys {
namespace {

class Landlock : public testing::Test {
 protected:
  void SetUp() override {
    if (landlock_version() == 0) GTEST_SKIP() << "needs Landlock";
    char path[] = "/tmp/landlock-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
    for (const char* name : {"inside", "inside/deep", "outside"}) std::filesystem::create_directory(top_ / name);
    for (const char* name : {"inside/file", "outside/file", "outside/one"})
      EXPECT_TRUE(FileDescriptor(::open((top_ / name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
    for (const char* name : {"inside", "outside/one"})
      roots_.emplace_back(::open((top_ / name).c_str(), O_PATH | O_CLOEXEC));
  }
  void TearDown() override {
    if (!top_.empty()) std::filesystem::remove_all(top_);
  }
  // In a process that is restricted; the first of the body's checks that fails, by its number.
  int restricted(const std::function<int()>& body, bool network = false) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::vector<int> roots;
      for (const FileDescriptor& root : roots_) roots.push_back(root.get());
      if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !landlock_restrict(roots, network)) ::_exit(100);
      ::_exit(body());
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static bool opens(int at, const char* path, int flags) {
    return static_cast<bool>(FileDescriptor(::openat(at, path, flags | O_CLOEXEC, 0600)));
  }

  std::filesystem::path top_;
  std::vector<FileDescriptor> roots_;
};

TEST_F(Landlock, WhatIsBelowTheRootsIsAsBefore) {
  EXPECT_EQ(restricted([&] {
              const int in = roots_[0].get();
              if (!opens(in, "file", O_RDWR | O_TRUNC)) return 1;
              if (!opens(in, "deep/new", O_WRONLY | O_CREAT | O_EXCL)) return 2;
              if (::renameat(in, "deep/new", in, "moved") < 0 || ::linkat(in, "moved", in, "deep/link", 0) < 0)
                return 3;
              if (::unlinkat(in, "moved", 0) < 0 || ::symlinkat("x", in, "link") < 0) return 4;
              if (::mkdirat(in, "dir", 0700) < 0 || ::unlinkat(in, "dir", AT_REMOVEDIR) < 0) return 5;
              if (::mkfifoat(in, "fifo", 0600) < 0 || ::mknodat(in, "socket", S_IFSOCK | 0600, 0) < 0) return 6;
              if (!opens(in, ".", O_RDONLY | O_DIRECTORY) || !opens(in, ".", O_TMPFILE | O_RDWR)) return 7;
              return 0;
            }),
            0);
}

TEST_F(Landlock, WhatIsElsewhereIsNotOpened) {
  EXPECT_EQ(restricted([&] {
              const int in = roots_[0].get();
              if (opens(in, "..", O_RDONLY | O_DIRECTORY) || errno != EACCES) return 1;
              if (opens(in, "../outside/file", O_RDONLY) || errno != EACCES) return 2;
              if (opens(in, "/", O_RDONLY | O_DIRECTORY) || errno != EACCES) return 3;
              if (opens(in, "../outside/new", O_WRONLY | O_CREAT) || errno != EACCES) return 4;
              if (::unlinkat(in, "../outside/file", 0) == 0 || errno != EACCES) return 5;
              if (::linkat(in, "../outside/file", in, "got", 0) == 0) return 6;
              if (::renameat(in, "file", in, "../outside/put") == 0) return 7;
              // The one file that was named is.
              if (!opens(in, "../outside/one", O_RDWR)) return 8;
              return 0;
            }),
            0);
}

TEST_F(Landlock, NothingIsExecuted) {
  EXPECT_EQ(restricted([&] {
              char* const arguments[] = {const_cast<char*>("true"), nullptr};
              ::execv("/bin/true", arguments);
              return errno == EACCES ? 0 : 1;
            }),
            0);
}

TEST_F(Landlock, TcpOnlyWithTheNetwork) {
  if (landlock_version() < 4) GTEST_SKIP() << "needs Landlock of Linux 6.7";
  const auto bind_one = [] {
    const FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0) return 0;
    return errno;
  };
  EXPECT_EQ(restricted(bind_one), EACCES);
  EXPECT_EQ(restricted(bind_one, /*network=*/true), 0);
}

// The kernel of a sandbox traces the processes that it makes, and no others.
TEST_F(Landlock, ProcessesOfItsOwnAreItsOwn) {
  const pid_t other = ::fork();
  if (other == 0) {
    ::pause();
    ::_exit(0);
  }
  EXPECT_EQ(restricted([&] {
              const pid_t own = ::fork();
              if (own == 0) {
                ::pause();
                ::_exit(0);
              }
              if (::ptrace(PTRACE_SEIZE, own, nullptr, nullptr) < 0) return 1;
              if (::ptrace(PTRACE_SEIZE, other, nullptr, nullptr) == 0) return 2;
              if (landlock_version() >= 6 && ::kill(other, 0) == 0) return 3;
              if (::kill(own, SIGKILL) < 0) return 4;
              return ::waitpid(own, nullptr, 0) == own ? 0 : 5;
            }),
            0);
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

}  // namespace
}  // namespace cella::sys
