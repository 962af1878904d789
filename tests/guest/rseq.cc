// Restartable sequences: rseq(2), as the kernel's documentation and <linux/rseq.h> have them.
#include "guest.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/time.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

constexpr unsigned kSize = 32;
constexpr unsigned kWrongSignature = 1;

// What the C library has registered for this thread.
rseq* area() {
  return reinterpret_cast<rseq*>(static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset);
}
long call(void* address, unsigned size, int flags, unsigned signature) {
  return sys(SYS_rseq, address, size, flags, signature);
}
int number(const uint32_t& cpu) {
  return static_cast<int>(__atomic_load_n(&cpu, __ATOMIC_RELAXED));
}

alignas(32) char other[64];

// What both have in common: a sequence from 1 to 2, which goes on at 4 when it is aborted.
#define SEQUENCE                                        \
  ".pushsection __rseq_cs, \"aw\"\n.balign 32\n"        \
  "3: .long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n" \
  ".pushsection __rseq_failure, \"ax\"\n"               \
  ".byte 0x0f, 0xb9, 0x3d\n.long 0x53053053\n"          \
  "4: jmp %l[aborted]\n.popsection\n"                   \
  "lea 3b(%%rip), %%rax\nmov %%rax, %[sequence]\n1:\n"
static_assert(RSEQ_SIG == 0x53053053);

// Adds 1 to the counter of `cpu`, slowly; false: it has been interrupted, or is somewhere else, and nothing is done.
bool add_slowly(uint64_t* counter, uint32_t cpu) {
  asm goto(SEQUENCE
           "cmp %[cpu], %[current]\n"
           "jnz %l[aborted]\n"
           "mov (%[counter]), %%rcx\n"
           "mov $5000, %%edx\n"
           "5: dec %%edx\njnz 5b\n"
           "inc %%rcx\n"
           "mov %%rcx, (%[counter])\n"
           "2:\n"
           :
           : [sequence] "m"(area()->rseq_cs), [current] "m"(area()->cpu_id), [cpu] "r"(cpu), [counter] "r"(counter)
           : "rax", "rcx", "rdx", "cc", "memory"
           : aborted);
  return true;
aborted:
  return false;
}

// Until it is aborted. `entered` is set in it.
void stay(std::atomic<int>& entered) {
  asm goto(SEQUENCE
           "movl $1, %[entered]\n"
           "5: pause\njmp 5b\n"
           "2:\n"
           :
           : [sequence] "m"(area()->rseq_cs), [entered] "m"(entered)
           : "rax", "memory"
           : aborted);
aborted:
  return;
}

constexpr Refusal kRefusals[] = {
    {"RegisterAnother", [] { return call(other, kSize, 0, RSEQ_SIG); }, EINVAL},
    {"RegisterAgain", [] { return call(area(), kSize, 0, RSEQ_SIG); }, EBUSY},
    {"RegisterAgainOtherwise", [] { return call(area(), kSize, 0, kWrongSignature); }, EPERM},
    {"RegisterAgainSmaller", [] { return call(area(), 16, 0, RSEQ_SIG); }, EINVAL},
    {"Flags", [] { return call(area(), kSize, 8, RSEQ_SIG); }, EINVAL},
    {"UnregisterFlags", [] { return call(area(), kSize, RSEQ_FLAG_UNREGISTER | 8, RSEQ_SIG); }, EINVAL},
    {"UnregisterAnother", [] { return call(other, kSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG); }, EINVAL},
    {"UnregisterSmaller", [] { return call(area(), 16, RSEQ_FLAG_UNREGISTER, RSEQ_SIG); }, EINVAL},
    {"UnregisterOtherwise", [] { return call(area(), kSize, RSEQ_FLAG_UNREGISTER, kWrongSignature); }, EPERM},
    {"BarrierUnregistered", [] { return sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0); }, EPERM},
};
REFUSALS(Rseq, kRefusals);

TEST(Rseq, TellsTheCpu) {
  for (int i = 0; i < 1000; ++i) {
    const int before = number(area()->cpu_id);
    unsigned cpu = ~0u;
    ASSERT_EQ(sys(SYS_getcpu, &cpu, nullptr, nullptr), 0);
    if (before == number(area()->cpu_id)) {
      EXPECT_EQ(before, static_cast<int>(cpu));
    }
    EXPECT_GE(number(area()->cpu_id_start), 0);
    EXPECT_LT(before, sysconf(_SC_NPROCESSORS_CONF));
  }
}

TEST(Rseq, IsLetGoAndTakenUp) {
  EXPECT_CHILD([] {
    REQUIRE(call(area(), kSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0);
    REQUIRE(number(area()->cpu_id) == RSEQ_CPU_ID_UNINITIALIZED);
    REQUIRE(call(area(), kSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == -1 && errno == EINVAL);
    REQUIRE(call(other + 8, kSize, 0, RSEQ_SIG) == -1 && errno == EINVAL);
    REQUIRE(call(other, 16, 0, RSEQ_SIG) == -1 && errno == EINVAL);
    REQUIRE(call(kKernel, kSize, 0, RSEQ_SIG) == -1 && errno == EFAULT);
    auto* own = reinterpret_cast<rseq*>(other);
    own->cpu_id = static_cast<uint32_t>(RSEQ_CPU_ID_UNINITIALIZED);
    REQUIRE(call(own, kSize, 0, RSEQ_SIG) == 0);
    REQUIRE(number(own->cpu_id) >= 0);
    REQUIRE(call(area(), kSize, 0, RSEQ_SIG) == -1 && errno == EINVAL);
    return 0;
  });
}

TEST(Rseq, EachThreadHasItsOwn) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([] {
      EXPECT_GE(number(area()->cpu_id), 0);
      EXPECT_EQ(call(area(), kSize, 0, RSEQ_SIG), -1);
      EXPECT_EQ(errno, EBUSY);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// As the one who forks has it; a thread, and what shares the memory, has none.
TEST(Rseq, AfterForkAndClone) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_CHILD([] {
      REQUIRE(call(area(), kSize, 0, RSEQ_SIG) == -1 && errno == EBUSY);
      area()->cpu_id = 12345;
      REQUIRE(sched_yield() == 0);
      sleep_ms(1);
      REQUIRE(number(area()->cpu_id) != 12345);
      return in_child([] { return number(area()->cpu_id) >= 0 ? 0 : 1; });
    });
    EXPECT_GE(number(area()->cpu_id), 0);
  }
  static char stack[65536];
  auto without = [](void*) -> int { return call(other, kSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == -1 ? 0 : 1; };
  const int pid = clone(without, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
  ASSERT_GT(pid, 0);
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_GE(number(area()->cpu_id), 0);
}

// Each program of many registers its own again, whatever was there before.
TEST(Rseq, AfterExec) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_CHILD(
        [] { return execl("/proc/self/exe", "rseq", "--gtest_filter=Rseq.TellsTheCpu", "--gtest_brief=1", nullptr); });
  }
}

// Nobody else on its CPU comes in between, or else the addition has not been made.
TEST(Rseq, CountersOfCpusAreExact) {
  constexpr int kThreads = 6, kEach = 20'000, kMostCpus = 1024;
  struct alignas(64) Counter {
    uint64_t value;
  };
  static Counter counters[kMostCpus];
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (int done = 0; done < kEach;) {
        const auto cpu = static_cast<uint32_t>(number(area()->cpu_id_start));
        done += add_slowly(&counters[cpu].value, cpu);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t sum = 0;
  for (const Counter& counter : counters) sum += counter.value;
  EXPECT_EQ(sum, uint64_t{kThreads} * kEach);
}

TEST(Rseq, SignalsAbortIt) {
  static std::atomic<int> handled;
  handled = 0;
  struct sigaction action = {};
  action.sa_handler = [](int) { ++handled; };
  ASSERT_EQ(sigaction(SIGALRM, &action, nullptr), 0);
  for (int i = 0; i < 5; ++i) {
    std::atomic<int> entered = 0;
    const itimerval soon = {{}, {0, 3000}};
    ASSERT_EQ(setitimer(ITIMER_REAL, &soon, nullptr), 0);
    while (handled <= i) stay(entered);
    EXPECT_EQ(entered, 1);
    EXPECT_EQ(area()->rseq_cs, 0u);
  }
  signal(SIGALRM, SIG_DFL);
}

TEST(Rseq, BarriersAbortIt) {
  EXPECT_CHILD([] {
    REQUIRE(sys(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) & MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
    REQUIRE(sys(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
    static std::atomic<int> entered, rounds;
    static std::atomic<bool> is_over;
    std::thread other_thread([] {
      while (!is_over) {
        stay(entered);
        ++rounds;
      }
    });
    for (int i = 0; i < 20; ++i) {
      const int before = rounds;
      entered = 0;
      while (!entered && rounds == before) sched_yield();
      if (i == 19) is_over = true;
      if (sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) != 0) _exit(99);
      while (rounds == before) sched_yield();
    }
    while (sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0) == 0 && rounds < 20) {
    }
    other_thread.join();
    return 0;
  });
}

TEST(Rseq, WhatIsNotWritableEndsTheProgram) {
  const int status = in_child([] {
    void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(call(area(), kSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0);
    (void)call(page, kSize, 0, RSEQ_SIG);
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
}

TEST(Rseq, AWrongSignatureEndsTheProgram) {
  const int status = in_child([] {
    REQUIRE(call(area(), kSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0);
    REQUIRE(call(area(), kSize, 0, kWrongSignature) == 0);
    std::atomic<int> entered = 0;
    signal(SIGALRM, [](int) {});
    const itimerval soon = {{}, {0, 3000}};
    setitimer(ITIMER_REAL, &soon, nullptr);
    stay(entered);
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
}

}  // namespace
