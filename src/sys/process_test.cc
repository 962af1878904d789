#include "sys/process.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <string>

#include <gtest/gtest.h>

#include "sys/file.h"

namespace cella::sys {
namespace {

int write_and_exit(void* argument) {
  *static_cast<int*>(argument) = 42;
  return 7;
}

TEST(Process, PermittedCapabilities) {
  SysResult<std::string> status = read_file("/proc/thread-self/status");
  ASSERT_TRUE(status);
  const size_t at = status->find("CapPrm:\t");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(permitted_capabilities().value(), std::stoull(status->substr(at + 8, 16), nullptr, 16));
}

TEST(CloneVfork, SharesMemoryAndGivesTheStatus) {
  int value = 0;
  SignalBlock block;
  SysResult<CloneResult> child = clone_vfork(0, -1, write_and_exit, &value);
  ASSERT_TRUE(child);
  EXPECT_EQ(value, 42);
  EXPECT_TRUE(wait_readable(child->pidfd.get(), 1000).value());  // it lets us go on a moment before it ends
  EXPECT_TRUE(has_ended(child->pidfd.get()));
  int status = wait_for(child->pid).value();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(CloneVfork, ReportsABadCgroup) {
  SignalBlock block;
  int value = 0;
  EXPECT_EQ(clone_vfork(0, 0, write_and_exit, &value).error().value, EBADF);
}

// A program that ignores SIGCHLD has its children reaped by the kernel; this one is not a child of that kind.
TEST(NewUserNamespace, HasTheMapsAndLeavesNoProcess) {
  if (::geteuid() != 0) GTEST_SKIP() << "mapping other ids needs root";
  auto before = std::signal(SIGCHLD, SIG_IGN);
  SysResult<FileDescriptor> made = new_user_namespace("0 1000 2\n5 7 1\n", "0 3 1\n");
  std::signal(SIGCHLD, before);
  ASSERT_TRUE(made) << made.error().value;
  EXPECT_EQ(::ioctl(made->get(), NS_GET_NSTYPE), CLONE_NEWUSER);
  EXPECT_EQ(::waitpid(-1, nullptr, __WALL | WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  // A child that has entered it sees the maps.
  int value = made->get();
  SignalBlock block;
  auto enter = [](void* argument) {
    char text[64] = {};
    if (::setns(*static_cast<int*>(argument), CLONE_NEWUSER) < 0) return 1;
    int fd = ::open("/proc/self/gid_map", O_RDONLY);
    return ::read(fd, text, sizeof text) == 33 && text[9] == '0' && text[20] == '3' && text[31] == '1' ? 0 : 2;
  };
  SysResult<CloneResult> child = clone_vfork(0, -1, enter, &value);
  ASSERT_TRUE(child);
  EXPECT_EQ(wait_for(child->pid).value(), 0);
}

TEST(NewUserNamespace, RefusesMapsThatTheKernelDoes) {
  if (::geteuid() != 0) GTEST_SKIP() << "mapping other ids needs root";
  EXPECT_EQ(new_user_namespace("0 1000 10\n5 2000 1\n", "0 3 1\n").error().value, EINVAL);
  EXPECT_EQ(new_user_namespace("", "0 3 1\n").error().value, EINVAL);
  EXPECT_EQ(::waitpid(-1, nullptr, __WALL | WNOHANG), -1);
}

TEST(ProcessStat, OfThisProcess) {
  SysResult<ProcessStat> stat = process_stat(::getpid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'R');
  EXPECT_GT(stat->start_time, 0u);
  EXPECT_EQ(process_stat(-5).error().value, ENOENT);
}

TEST(Pidfd, OfThisProcessIsAlive) {
  SysResult<FileDescriptor> fd = pidfd_open(::getpid());
  ASSERT_TRUE(fd);
  EXPECT_FALSE(has_ended(fd->get()));
  EXPECT_TRUE(pidfd_signal(fd->get(), 0));
}

}  // namespace
}  // namespace cella::sys
