// What the host ends, for its want of memory, while it is kept.
#include "sandbox/platform/ptrace/spares.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <set>
#include <string>

#include "sandbox/platform/ptrace/ptrace_platform.h"
#include "sandbox/platform/test_runner.h"

namespace cella::sandbox::platform {
namespace {

// Of all threads of this process.
std::set<pid_t> children() {
  std::set<pid_t> pids;
  DIR* tasks = ::opendir("/proc/self/task");
  while (dirent* entry = ::readdir(tasks)) {
    std::ifstream list(std::string("/proc/self/task/") + entry->d_name + "/children");
    for (pid_t pid; list >> pid;) pids.insert(pid);
  }
  ::closedir(tasks);
  return pids;
}

class SparesTest : public testing::Test {
 protected:
  void SetUp() override {
    platform_ = make_ptrace_platform().value();
    others_ = children();
    fd_ = ::memfd_create("guest", MFD_CLOEXEC);
    ASSERT_EQ(::ftruncate(fd_, kPage), 0);
    ASSERT_EQ(::pwrite(fd_, "\x0f\x05", 2, 0), 2);  // syscall
    renew();
  }
  void TearDown() override {
    context_.reset();
    space_.reset();
    platform_.reset();
    ::close(fd_);
    EXPECT_TRUE(children().empty());
  }
  void renew() {
    context_.reset();
    space_.reset();
    space_ = platform_->new_address_space().value();
    context_ = platform_->new_context(*space_, nullptr, 0).value();
    ASSERT_TRUE(context_->attach().has_value());
    space_->map(kCode, kPage, PROT_READ | PROT_EXEC, fd_, 0);
    EXPECT_EQ(run(*context_), Event::kSyscall);
  }
  Event run(Context& context) {
    context.registers().rip = kCode;
    return context.flush() ? context.run().event : Event::kDead;
  }
  // Of the address space, which has run.
  std::unique_ptr<Context> further_thread(Runner& runner) {
    std::unique_ptr<Context> second = platform_->new_context(*space_, context_.get(), runner.tid()).value();
    runner.do_now([&] {
      ASSERT_TRUE(second->attach().has_value());
      EXPECT_EQ(run(*second), Event::kSyscall);
    });
    return second;
  }
  // The process of the address space, or that which was kept of the last one.
  pid_t process() {
    for (pid_t pid : children())
      if (!others_.contains(pid)) return pid;
    return -1;
  }
  static constexpr uint64_t kPage = 4096, kCode = 0x10000;

  std::unique_ptr<Platform> platform_;
  std::set<pid_t> others_;  // the template
  int fd_ = -1;
  std::unique_ptr<AddressSpace> space_;
  std::unique_ptr<Context> context_;
};

TEST_F(SparesTest, AProcessIsUsedAgain) {
  const pid_t first = process();
  renew();
  EXPECT_EQ(process(), first);
}

TEST_F(SparesTest, AProcessThatTheHostHasEnded) {
  context_.reset();
  space_.reset();
  const pid_t kept = process();
  ASSERT_GT(kept, 0);
  ASSERT_EQ(::kill(kept, SIGKILL), 0);
  ::usleep(50'000);
  renew();
  EXPECT_NE(process(), kept);
}

// With a thread that another of our threads keeps.
TEST_F(SparesTest, AProcessWithThreadsThatTheHostHasEnded) {
  const pid_t kept = process();
  Runner runner;
  std::unique_ptr<Context> second = further_thread(runner);
  runner.do_now([&] { second.reset(); });
  ASSERT_EQ(::kill(kept, SIGKILL), 0);
  ::usleep(50'000);
  EXPECT_FALSE(platform_->new_context(*space_, context_.get(), runner.tid()).has_value());
  EXPECT_EQ(run(*context_), Event::kDead);
  renew();
  EXPECT_NE(process(), kept);
}

// The one that was to go on has been ended.
TEST_F(SparesTest, AThreadThatTheHostHasEnded) {
  const pid_t kept = process();
  Runner runner;
  std::unique_ptr<Context> second = further_thread(runner);
  ASSERT_EQ(::kill(kept, SIGKILL), 0);
  ::usleep(50'000);
  runner.do_now([&] {
    EXPECT_EQ(run(*second), Event::kDead);
    second.reset();
  });
  renew();
  EXPECT_NE(process(), kept);
}

}  // namespace
}  // namespace cella::sandbox::platform
