#include "sandbox/task/clocks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace cella::sandbox::task {
namespace {

using core::ClockPage;
using core::Nanoseconds;

class ClocksTest : public testing::Test {
 protected:
  ClocksTest() : memory_(*mm::MemoryFile::make()), clocks_(timers_, *memory_) {
    core::Locked locked(lock_);
    EXPECT_TRUE(clocks_.start());
  }
  ~ClocksTest() override {
    core::Locked locked(lock_);
    clocks_.stop();
  }
  const ClockPage& page() const { return *reinterpret_cast<const ClockPage*>(memory_->pointer(clocks_.page_offset())); }
  Nanoseconds read(clockid_t clock) {
    core::Locked locked(lock_);
    return clocks_.read(clock);
  }
  // How far off the host's clock: the median, since a reading may be interrupted.
  Nanoseconds error(clockid_t clock) {
    std::vector<Nanoseconds> errors;
    for (int i = 0; i < 101; ++i) {
      const Nanoseconds before = core::now(clock), told = read(clock), after = core::now(clock);
      errors.push_back(std::abs(told - (before + after) / 2));
    }
    std::ranges::nth_element(errors, errors.begin() + 50);
    return errors[50];
  }

  core::KernelLock lock_;
  core::TimerQueue timers_{lock_};
  std::unique_ptr<mm::MemoryFile> memory_;
  Clocks clocks_;
};

TEST_F(ClocksTest, AreTheHostsBeforeTheyAreCalibrated) {
  const Nanoseconds before = core::now(), told = read(CLOCK_MONOTONIC), after = core::now();
  EXPECT_LE(before, told);
  EXPECT_LE(told, after);
}

TEST_F(ClocksTest, AreWithinAMicrosecond) {
  for (int i = 0; i < 14; ++i) {
    ::usleep(100'000);
    if (i == 0 && !page().is_usable) GTEST_SKIP() << "this machine's time stamp counter is not steady";
    for (clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI})
      EXPECT_LT(error(clock), 2500) << clock << " in round " << i;
    EXPECT_LT(error(CLOCK_MONOTONIC), 1000) << i;
  }
}

TEST_F(ClocksTest, APageThatIsTooOldAsksTheKernel) {
  ::usleep(50'000);
  if (!page().is_usable) GTEST_SKIP() << "this machine's time stamp counter is not steady";
  ClockPage old = page();
  EXPECT_GT(core::read_clock_page(old, ClockPage::kMonotonic), 0);
  old.start -= old.most + 1;
  EXPECT_LT(core::read_clock_page(old, ClockPage::kMonotonic), 0);
  old = page();
  old.sequence |= 1;  // a writer that never ends
  EXPECT_LT(core::read_clock_page(old, ClockPage::kMonotonic), 0);
}

TEST_F(ClocksTest, OthersAreTheHosts) {
  const Nanoseconds before = core::now(CLOCK_MONOTONIC_RAW), told = read(CLOCK_MONOTONIC_RAW);
  EXPECT_LE(before, told);
  EXPECT_LE(told, core::now(CLOCK_MONOTONIC_RAW));
}

}  // namespace
}  // namespace cella::sandbox::task
