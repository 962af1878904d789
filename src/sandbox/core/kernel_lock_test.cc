#include "sandbox/core/kernel_lock.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

namespace cella::sandbox::core {
namespace {

TEST(KernelLock, ASleeperIsWokenUp) {
  KernelLock lock;
  Wakeup wakeup;
  bool asleep = false, told = false;
  std::thread sleeper([&] {
    Locked locked(lock);
    asleep = true;
    while (!told) wakeup.wait(lock);
  });
  for (bool done = false; !done;) {
    Locked locked(lock);
    done = asleep;
    if (!done) continue;
    told = true;
    wakeup.wake(lock);
  }
  sleeper.join();
}

// More of them at once than the lock remembers.
TEST(KernelLock, EveryoneIsWokenUp) {
  constexpr size_t kSleepers = 40;
  KernelLock lock;
  std::array<Wakeup, kSleepers> wakeups;
  size_t asleep = 0;
  bool told = false;
  std::vector<std::thread> sleepers;
  for (Wakeup& wakeup : wakeups) {
    sleepers.emplace_back([&] {
      Locked locked(lock);
      ++asleep;
      while (!told) wakeup.wait(lock);
    });
  }
  for (bool done = false; !done;) {
    Locked locked(lock);
    done = asleep == kSleepers;
    if (!done) continue;
    told = true;
    for (Wakeup& wakeup : wakeups) wakeup.wake(lock);
  }
  for (std::thread& sleeper : sleepers) sleeper.join();
}

TEST(KernelLock, ASleepEndsAtItsDeadline) {
  KernelLock lock;
  Locked locked(lock);
  Wakeup wakeup;
  const Nanoseconds deadline = now() + 20'000'000;
  wakeup.wait(lock, deadline);
  EXPECT_GE(now(), deadline);
  // One that has passed does not sleep at all.
  wakeup.wait(lock, 1);
}

}  // namespace
}  // namespace cella::sandbox::core
