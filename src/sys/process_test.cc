#include "sys/process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include <gtest/gtest.h>

namespace cella::sys {
namespace {

int write_and_exit(void* argument) {
  *static_cast<int*>(argument) = 42;
  return 7;
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
