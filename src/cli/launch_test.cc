#include "cli/launch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace cella::cli {
namespace {

Process process_with_terminal(bool terminal) {
  Process process;
  process.config.terminal = terminal;
  return process;
}

TEST(LaunchTest, ADetachedTerminalNeedsAConsoleSocketAndNothingElseMayHaveOne) {
  struct Case {
    bool terminal, detached, socket, accepted;
  };
  for (const Case& c : {Case{false, false, false, true},
                        {false, false, true, false},
                        {false, true, false, true},
                        {false, true, true, false},
                        {true, false, false, true},
                        {true, false, true, false},
                        {true, true, false, false},
                        {true, true, true, true}}) {
    Process process = process_with_terminal(c.terminal);
    ProcessOptions options;
    if (c.socket) options.console_socket = "/socket";
    EXPECT_EQ(apply(options, c.detached, process).has_value(), c.accepted) << c.terminal << c.detached << c.socket;
    if (c.accepted) {
      EXPECT_EQ(process.keep_console, c.terminal && !c.detached);
      EXPECT_EQ(process.console_socket, options.console_socket);
    }
  }
}

TEST(LaunchTest, PreservedDescriptorsMustBeOpen) {
  Process process;
  const int high = 1000;  // nothing is open up there
  process.extra_files.resize(high - 3);
  EXPECT_EQ(pass_fds(process, 1).error().errno_value, EBADF);
  ASSERT_EQ(::dup2(STDERR_FILENO, high), high);
  EXPECT_TRUE(pass_fds(process, 1));
  EXPECT_EQ(process.extra_files.back(), high);
  ::close(high);
}

TEST(LaunchTest, ListenFdsOfThisProcessOnly) {
  ::setenv("LISTEN_FDS", "2", 1);
  ::setenv("LISTEN_PID", "1", 1);
  Process other;
  ASSERT_TRUE(pass_listen_fds(other));
  EXPECT_TRUE(other.extra_files.empty());
  EXPECT_TRUE(other.config.env.empty());

  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", "web:admin", 1);
  for (int fd : {3, 4}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    ASSERT_EQ(::dup2(STDERR_FILENO, fd), fd);
  }
  Process own;
  ASSERT_TRUE(pass_listen_fds(own));
  EXPECT_EQ(own.extra_files, (std::vector<int>{3, 4}));
  EXPECT_EQ(own.config.env, (std::vector<std::string>{"LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=web:admin"}));
  for (const char* name : {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) ::unsetenv(name);
}

TEST(LaunchTest, AbsolutePaths) {
  EXPECT_EQ(absolute_path("/a/b").value(), "/a/b");
  char* directory = ::getcwd(nullptr, 0);
  EXPECT_EQ(absolute_path(".").value(), directory);
  EXPECT_EQ(absolute_path("b").value(), std::string(directory) + "/b");
  ::free(directory);
}

}  // namespace
}  // namespace cella::cli
