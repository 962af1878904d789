// Clocks without system calls, vdso(7): the same as with them, and never back.
#include <elf.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

int64_t nanoseconds(const timespec& t) {
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}
// As the C library does it, which is the vDSO where there is one.
int64_t fast(clockid_t clock) {
  timespec t = {};
  clock_gettime(clock, &t);
  return nanoseconds(t);
}
int64_t slow(clockid_t clock) {
  timespec t = {};
  sys(SYS_clock_gettime, clock, &t);
  return nanoseconds(t);
}

class Clock : public testing::TestWithParam<clockid_t> {};

TEST_P(Clock, IsTheSystemCalls) {
  for (int i = 0; i < 1000; ++i) {
    const int64_t before = slow(GetParam()), now = fast(GetParam()), after = slow(GetParam());
    ASSERT_LE(before, now) << i;
    ASSERT_LE(now, after) << i;
  }
}

TEST_P(Clock, DoesNotGoBack) {
  int64_t last = fast(GetParam());
  for (const int64_t end = now_ms() + 300; now_ms() < end;) {
    for (int i = 0; i < 1000; ++i) {
      const int64_t now = fast(GetParam());
      ASSERT_LE(last, now);
      last = now;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, Clock, testing::Values(CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI),
                         [](const testing::TestParamInfo<clockid_t>& one) {
                           return one.param == CLOCK_MONOTONIC  ? "Monotonic"
                                  : one.param == CLOCK_REALTIME ? "Realtime"
                                  : one.param == CLOCK_BOOTTIME ? "Boottime"
                                                                : "Tai";
                         });

TEST(Clocks, DoNotGoBackBetweenThreads) {
  std::atomic<int64_t> latest = 0;
  std::atomic<bool> went_back = false, done = false;
  auto look = [&] {
    while (!done) {
      const int64_t seen = latest.load();
      const int64_t now = fast(CLOCK_MONOTONIC);
      if (now < seen) went_back = true;
      int64_t old = seen;
      while (old < now && !latest.compare_exchange_weak(old, now)) {
      }
    }
  };
  std::thread first(look), second(look);
  sleep_ms(1500);  // over a change of the clock's line
  done = true;
  first.join();
  second.join();
  EXPECT_FALSE(went_back);
}

TEST(Clocks, AreFast) {
  if (getauxval(AT_SYSINFO_EHDR) == 0) GTEST_SKIP() << "no vDSO";
  sleep_ms(100);  // until it is calibrated
  auto time_of = [](int64_t (*read)(clockid_t)) {
    int64_t least = INT64_MAX;
    for (int round = 0; round < 20; ++round) {
      const int64_t before = fast(CLOCK_MONOTONIC);
      for (int i = 0; i < 50; ++i) read(CLOCK_MONOTONIC);
      least = std::min(least, fast(CLOCK_MONOTONIC) - before);
    }
    return least / 50;
  };
  EXPECT_LT(time_of(fast), time_of(slow));
}

TEST(Clocks, OtherCallsAgree) {
  for (int i = 0; i < 100; ++i) {
    timeval of_day = {};
    const int64_t before = slow(CLOCK_REALTIME);
    ASSERT_EQ(gettimeofday(&of_day, nullptr), 0);
    const time_t seconds = time(nullptr);
    const int64_t after = slow(CLOCK_REALTIME);
    const int64_t now = of_day.tv_sec * 1'000'000'000 + of_day.tv_usec * 1000;
    ASSERT_LE(before / 1000, now / 1000);
    ASSERT_LE(now, after);
    // Linux' time(2) is of the last tick.
    ASSERT_LE(before / 1'000'000'000 - 1, seconds);
    ASSERT_LE(seconds, after / 1'000'000'000);
  }
  struct timezone zone = {1, 1};
  ASSERT_EQ(sys(SYS_gettimeofday, nullptr, &zone), 0);
  timespec t;
  EXPECT_EQ(clock_gettime(77, &t), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Clocks, OfCpuTimeAreNotInIt) {
  const int64_t before = fast(CLOCK_THREAD_CPUTIME_ID);
  for (const int64_t end = now_ms() + 30; now_ms() < end;) {
  }
  EXPECT_GT(fast(CLOCK_THREAD_CPUTIME_ID), before);
}

TEST(Clocks, Cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  const int cpu = sched_getcpu();
  EXPECT_GE(cpu, 0);
  EXPECT_LT(cpu, CPU_SETSIZE);
}

TEST(Clocks, InAChildToo) {
  EXPECT_CHILD([] {
    REQUIRE(slow(CLOCK_MONOTONIC) <= fast(CLOCK_MONOTONIC));
    REQUIRE(fast(CLOCK_MONOTONIC) <= slow(CLOCK_MONOTONIC));
    return 0;
  });
}

// --- the image

// The line of /proc/self/maps that ends so.
std::string mapping(const char* name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.ends_with(name)) return line;
  return {};
}

TEST(Vdso, IsMappedAsTheKernelsOwn) {
  const uint64_t image = getauxval(AT_SYSINFO_EHDR);
  ASSERT_NE(image, 0u);
  ASSERT_EQ(memcmp(reinterpret_cast<const void*>(image), ELFMAG, SELFMAG), 0);
  const std::string code = mapping("[vdso]"), clocks = mapping("[vvar]");
  EXPECT_NE(code.find(" r-xp "), std::string::npos) << code;
  EXPECT_EQ(std::stoul(code, nullptr, 16), image);
  EXPECT_NE(clocks.find(" r--"), std::string::npos) << clocks;
}

TEST(Vdso, ClocksCannotBeWritten) {
  const uint64_t image = getauxval(AT_SYSINFO_EHDR);
  ASSERT_NE(image, 0u);
  auto* page = reinterpret_cast<char*>(image - 4096);
  EXPECT_CHILD([&] {
    REQUIRE(mprotect(page, 4096, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
    return 0;
  });
  const int status = in_child([&] {
    *reinterpret_cast<volatile char*>(page) = 1;
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
  // Nor by the kernel on the program's behalf.
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  ASSERT_EQ(write(fds[1], "x", 1), 1);
  EXPECT_EQ(read(fds[0], page, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  close(fds[0]);
  close(fds[1]);
}

TEST(Vdso, WhatIsWrittenToTheCodeIsOnesOwn) {
  const uint64_t image = getauxval(AT_SYSINFO_EHDR);
  ASSERT_NE(image, 0u);
  EXPECT_CHILD([&] {
    auto* code = reinterpret_cast<char*>(image);
    // Linux forbids to change a part of it alone, and may have it sealed.
    const std::string line = mapping("[vdso]");
    const size_t size = std::stoul(line.substr(line.find('-') + 1), nullptr, 16) - image;
    if (mprotect(code, size, PROT_READ | PROT_WRITE | PROT_EXEC) == -1) {
      REQUIRE(errno == EPERM);
      return 0;
    }
    code[0] = 'X';
    return 0;
  });
  EXPECT_EQ(*reinterpret_cast<const char*>(image), ELFMAG0);
}

}  // namespace
