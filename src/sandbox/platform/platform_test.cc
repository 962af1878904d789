// What every platform must do. Guest code is bytes that the tests map.
#include "sandbox/platform/platform.h"

#include <gtest/gtest.h>
#include <linux/rseq.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "sandbox/core/time.h"
#include "sandbox/platform/ptrace/ptrace_platform.h"
#include "sandbox/platform/test_runner.h"

namespace cella::sandbox::platform {
namespace {

constexpr uint64_t kCode = 0x10000, kData = 0x20000;
constexpr uint64_t kPage = 4096;

class PlatformTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // Before contexts bind the calling thread to one of them.
    cpu_set_t set;
    CPU_ZERO(&set);
    ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) processors_.push_back(cpu);
    platform_ = make_ptrace_platform().value();
  }
  static void TearDownTestSuite() { platform_.reset(); }
  void SetUp() override {
    fd_ = ::memfd_create("guest", MFD_CLOEXEC);
    ASSERT_EQ(::ftruncate(fd_, 64 * kPage), 0);
    memory_ = static_cast<char*>(::mmap(nullptr, 64 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    space_ = platform_->new_address_space().value();
    context_ = platform_->new_context(*space_, nullptr, 0).value();
    ASSERT_TRUE(context_->attach().has_value());
  }
  void TearDown() override {
    context_.reset();
    space_.reset();
    ::munmap(memory_, 64 * kPage);
    ::close(fd_);
  }
  void code(std::initializer_list<unsigned char> bytes) {
    std::memcpy(memory_, std::data(bytes), bytes.size());
    space_->map(kCode, kPage, PROT_READ | PROT_EXEC, fd_, 0);
    space_->map(kData, kPage, PROT_READ | PROT_WRITE, fd_, kPage);
    context_->registers().rip = kCode;
  }

  static Stop run(Context& context) {
    EXPECT_TRUE(context.flush().has_value());
    return context.run();
  }

  static std::unique_ptr<Platform> platform_;
  static inline std::vector<uint64_t> processors_;  // the host's numbers of those that there are for guests
  int fd_ = -1;
  char* memory_ = nullptr;
  std::unique_ptr<AddressSpace> space_;
  std::unique_ptr<Context> context_;
};
std::unique_ptr<Platform> PlatformTest::platform_;

TEST_F(PlatformTest, ReportsASystemCallWithoutExecutingIt) {
  code({0xb8, 0x39, 0x30, 0x00, 0x00, 0x0f, 0x05, 0x0f, 0x05});  // mov eax, 12345; syscall; syscall
  context_->registers().rdi = 7;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  EXPECT_EQ(context_->registers().orig_rax, 12345u);
  EXPECT_EQ(context_->registers().rdi, 7u);
  EXPECT_EQ(context_->registers().rip, kCode + 7);
  context_->registers().rax = SYS_getppid;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  EXPECT_EQ(context_->registers().orig_rax, uint64_t{SYS_getppid});
}

TEST_F(PlatformTest, ReportsAFaultWithItsAddress) {
  code({0x48, 0x8b, 0x03, 0x0f, 0x05});  // mov rax, [rbx]; syscall
  context_->registers().rbx = 0x99000;
  Stop stop = run(*context_);
  ASSERT_EQ(stop.event, Event::kFault);
  EXPECT_EQ(reinterpret_cast<uint64_t>(stop.info.si_addr), 0x99000u);
  EXPECT_EQ(context_->registers().rip, kCode);
  space_->map(0x99000, kPage, PROT_READ, fd_, 2 * kPage);
  memory_[2 * kPage] = 42;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
}

TEST_F(PlatformTest, ProtectionsTakeEffect) {
  code({0x48, 0x89, 0x03, 0x0f, 0x05});  // mov [rbx], rax; syscall
  context_->registers().rbx = kData;
  context_->registers().rax = 5;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  EXPECT_EQ(memory_[kPage], 5);
  space_->protect(kData, kPage, PROT_READ);
  context_->registers().rip = kCode;
  EXPECT_EQ(run(*context_).event, Event::kFault);
  space_->unmap(kData, kPage);
  EXPECT_EQ(run(*context_).event, Event::kFault);
}

TEST_F(PlatformTest, InterruptsEndlessCode) {
  code({0xeb, 0xfe});  // jmp .
  std::thread other([&] {
    ::usleep(20'000);
    context_->interrupt();
  });
  EXPECT_EQ(run(*context_).event, Event::kInterrupted);
  other.join();
  context_->interrupt();
  EXPECT_EQ(run(*context_).event, Event::kInterrupted);
}

TEST_F(PlatformTest, ExceptionsAreNotFaults) {
  code({0x0f, 0x0b});  // ud2
  Stop stop = run(*context_);
  EXPECT_EQ(stop.event, Event::kException);
  EXPECT_EQ(stop.info.si_signo, SIGILL);
}

TEST_F(PlatformTest, ThreadsShareTheirSpace) {
  code({0x48, 0x89, 0x03, 0x0f, 0x05});
  std::unique_ptr<Context> second = platform_->new_context(*space_, context_.get(), 0).value();
  context_->registers().rbx = kData;
  context_->registers().rax = 1;
  std::thread thread([&] {
    ASSERT_TRUE(second->attach().has_value());
    second->registers() = context_->registers();
    second->registers().rbx = kData + 8;
    second->registers().rax = 2;
    ASSERT_EQ(run(*second).event, Event::kSyscall);
    second.reset();
    platform_->leave_thread();
  });
  thread.join();
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  EXPECT_EQ(memory_[kPage], 1);
  EXPECT_EQ(memory_[kPage + 8], 2);
}

// rseq(2): the host writes down the CPU, breaks a sequence off that does not end undisturbed, and lets go.
TEST_F(PlatformTest, SequencesAreRestarted) {
  if (!platform_->has_rseq(4096)) GTEST_SKIP() << "needs rseq(2) of the host";
  EXPECT_FALSE(platform_->has_rseq(0));
  constexpr uint32_t kSignature = 0x53053053;
  code({0x53, 0x30, 0x05, 0x53, 0x0f, 0x05, 0xeb, 0xfe});  // the signature; syscall; jmp .
  constexpr uint64_t kAbort = kCode + 4, kLoop = kCode + 6;
  auto* area = reinterpret_cast<rseq*>(memory_ + kPage);
  const rseq_cs sequence = {0, 0, kLoop, 2, kAbort};
  std::memcpy(memory_ + kPage + 64, &sequence, sizeof sequence);
  constexpr auto kNone = static_cast<uint32_t>(RSEQ_CPU_ID_UNINITIALIZED);
  area->cpu_id = kNone;
  ASSERT_TRUE(context_->flush().has_value());
  ASSERT_TRUE(context_->set_rseq(kData, kSignature).has_value());
  EXPECT_EQ(context_->set_rseq(kData + 1, kSignature).error().value, EINVAL);
  ASSERT_TRUE(context_->set_rseq(kData, kSignature).has_value());

  area->rseq_cs = kData + 64;
  context_->registers().rip = kLoop;
  std::thread other([&] {
    ::usleep(20'000);
    context_->interrupt();
  });
  Stop stop;
  while ((stop = run(*context_)).event == Event::kInterrupted) {
  }
  other.join();
  ASSERT_EQ(stop.event, Event::kSyscall);
  EXPECT_EQ(context_->registers().rip, kAbort + 2);
  EXPECT_LT(area->cpu_id, 4096u);
  EXPECT_EQ(area->rseq_cs, 0u);

  // Whoever has the process next does not have it.
  context_.reset();
  EXPECT_EQ(area->cpu_id, kNone);
  space_ = platform_->new_address_space().value();
  context_ = platform_->new_context(*space_, nullptr, 0).value();
  ASSERT_TRUE(context_->attach().has_value());
  code({0x0f, 0x05});
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  EXPECT_EQ(area->cpu_id, kNone);
}

// Whatever a platform uses again of a space that has ended, the next one finds nothing in it.
TEST_F(PlatformTest, ASpaceBeginsEmpty) {
  for (int round = 0; round < 10; ++round) {
    // movq rax,xmm0; syscall; movq xmm0,rbx; mov rcx,[rbx]; syscall
    code({0x66, 0x48, 0x0f, 0x7e, 0xc0, 0x0f, 0x05, 0x66, 0x48, 0x0f, 0x6e, 0xc3, 0x48, 0x8b, 0x0b, 0x0f, 0x05});
    context_->registers().rbx = kData + 2 * kPage;
    ASSERT_EQ(run(*context_).event, Event::kSyscall);
    EXPECT_EQ(context_->registers().orig_rax, 0u) << round << ": a register of another program";
    EXPECT_EQ(context_->registers().fs_base, 0u);
    ASSERT_EQ(run(*context_).event, Event::kFault) << round << ": a page of another program";
    space_->map(kData + 2 * kPage, kPage, PROT_READ, fd_, 2 * kPage);
    ASSERT_EQ(run(*context_).event, Event::kSyscall);
    context_->registers().fs_base = kData;
    context_->registers().rip = kCode;
    ASSERT_EQ(run(*context_).event, Event::kSyscall);
    EXPECT_NE(context_->registers().orig_rax, 0u);
    if (round % 2 != 0) {
      // Of a process with more threads than one.
      std::unique_ptr<Context> second = platform_->new_context(*space_, context_.get(), 0).value();
      std::thread([&] {
        ASSERT_TRUE(second->attach().has_value());
        second.reset();
        platform_->leave_thread();
      }).join();
    }
    context_.reset();
    space_.reset();
    space_ = platform_->new_address_space().value();
    context_ = platform_->new_context(*space_, nullptr, 0).value();
    ASSERT_TRUE(context_->attach().has_value());
  }
}

// Whatever a platform uses again of a thread that has ended, the next one finds nothing in it.
TEST_F(PlatformTest, AThreadBeginsAsItsSibling) {
  Runner runner;
  for (int round = 0; round < 20; ++round) {
    // movq rax,xmm0; syscall; movq xmm0,rbx; syscall; jmp to the beginning
    code({0x66, 0x48, 0x0f, 0x7e, 0xc0, 0x0f, 0x05, 0x66, 0x48, 0x0f, 0x6e, 0xc3, 0x0f, 0x05, 0xeb, 0xf0});
    ASSERT_EQ(run(*context_).event, Event::kSyscall);
    context_->registers().rbx = static_cast<uint64_t>(round) + 1;
    ASSERT_EQ(run(*context_).event, Event::kSyscall);
    for (int thread = 0; thread < 2; ++thread) {
      std::unique_ptr<Context> second = platform_->new_context(*space_, context_.get(), runner.tid()).value();
      runner.do_now([&] {
        ASSERT_TRUE(second->attach().has_value());
        EXPECT_EQ(second->registers().rbx, 0u) << round << ": a register of another thread";
        EXPECT_EQ(second->registers().fs_base, 0u);
        second->registers().rip = kCode;
        ASSERT_EQ(run(*second).event, Event::kSyscall);
        EXPECT_EQ(second->registers().orig_rax, static_cast<uint64_t>(round) + 1) << "not its sibling's";
        second->registers().rbx = 0x9999;
        second->registers().fs_base = kData;
        ASSERT_EQ(run(*second).event, Event::kSyscall);
        second.reset();
      });
    }
    // It does not outlive its space.
    if (round % 4 != 3) continue;
    context_.reset();
    space_.reset();
    space_ = platform_->new_address_space().value();
    context_ = platform_->new_context(*space_, nullptr, 0).value();
    ASSERT_TRUE(context_->attach().has_value());
  }
  runner.do_now([] { platform_->leave_thread(); });
  // What the runner has kept went without the rest.
  code({0x0f, 0x05});
  context_->registers().rip = kCode;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
}

// A context that nobody comes to run.
TEST_F(PlatformTest, AThreadThatIsNeverAttached) {
  Runner runner;
  code({0x0f, 0x05});
  for (int round = 0; round < 3; ++round) {
    std::unique_ptr<Context> second = platform_->new_context(*space_, context_.get(), runner.tid()).value();
    if (round != 1) {
      runner.do_now([&] {
        ASSERT_TRUE(second->attach().has_value());
        second->registers().rip = kCode;
        ASSERT_EQ(run(*second).event, Event::kSyscall);
        second.reset();
      });
    }
  }
  runner.do_now([] { platform_->leave_thread(); });
  context_->registers().rip = kCode;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
}

TEST_F(PlatformTest, RunsOnTheProcessorsThatItMay) {
  if (processors_.size() < 2) GTEST_SKIP() << "needs two processors";
  Runner runner;  // which stays where the context puts it
  runner.do_now([&] {
    std::unique_ptr<AddressSpace> space = platform_->new_address_space().value();
    std::unique_ptr<Context> context = platform_->new_context(*space, nullptr, 0).value();
    ASSERT_TRUE(context->attach().has_value());
    // rdtscp; mov ebx, ecx; syscall. The host keeps the processor's number in the low 12 bits.
    constexpr unsigned char kWhere[] = {0x0f, 0x01, 0xf9, 0x89, 0xcb, 0x0f, 0x05};
    std::memcpy(memory_, kWhere, sizeof kWhere);
    space->map(kCode, kPage, PROT_READ | PROT_EXEC, fd_, 0);
    for (int round = 0; round < 2; ++round) {
      for (size_t i = 0; i < std::min<size_t>(processors_.size(), 64); ++i) {
        context->set_processors(uint64_t{1} << i);
        context->registers().rip = kCode;
        ASSERT_EQ(run(*context).event, Event::kSyscall);
        EXPECT_EQ(context->registers().rbx & 0xfff, processors_[i]);
      }
    }
    context->set_processors(~uint64_t{0});
    context->registers().rip = kCode;
    EXPECT_EQ(run(*context).event, Event::kSyscall);
    context.reset();
    space.reset();
    platform_->leave_thread();
  });
}

TEST_F(PlatformTest, FloatingPointStateIsItsOwn) {
  code({0x66, 0x48, 0x0f, 0x6e, 0xc3, 0x0f, 0x05, 0x66, 0x48, 0x0f, 0x7e, 0xc0, 0x0f,
        0x05});  // movq xmm0,rbx; …; rax,xmm0
  context_->registers().rbx = 0x1234;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  auto state = context_->floating_point();
  ASSERT_TRUE(state.has_value());
  context_->registers().rip = kCode;
  context_->registers().rbx = 0x9999;
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  ASSERT_TRUE(context_->set_floating_point(*state).has_value());
  ASSERT_EQ(run(*context_).event, Event::kSyscall);
  EXPECT_EQ(context_->registers().orig_rax, 0x1234u);
}

}  // namespace
}  // namespace cella::sandbox::platform
