// Futexes that hand locks on, futex(2) FUTEX_LOCK_PI and robust lists; and membarrier(2).
#include "guest.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

alignas(4) uint32_t word;

long futex(uint32_t* address, int command, uint32_t value = 0, const timespec* timeout = nullptr) {
  return sys(SYS_futex, address, command, value, timeout, nullptr, 0);
}
uint32_t load(const uint32_t* address) {
  return __atomic_load_n(address, __ATOMIC_SEQ_CST);
}
uint32_t own_id() {
  return static_cast<uint32_t>(gettid());
}

constexpr Refusal kRefusals[] = {
    {"LockWithoutOwner", [] { return word = 0x3ffffff0, futex(&word, FUTEX_LOCK_PI); }, ESRCH},
    {"LockOwnAgain", [] { return word = own_id(), futex(&word, FUTEX_LOCK_PI); }, EDEADLK},
    {"TryOwnAgain", [] { return word = own_id(), futex(&word, FUTEX_TRYLOCK_PI); }, EDEADLK},
    {"UnlockAnothers", [] { return word = 0x3ffffff0, futex(&word, FUTEX_UNLOCK_PI); }, EPERM},
    {"UnlockNobodys", [] { return word = 0, futex(&word, FUTEX_UNLOCK_PI); }, EPERM},
    {"LockNowhere", [] { return sys(SYS_futex, kNowhere, FUTEX_LOCK_PI, 0, nullptr, nullptr, 0); }, EFAULT},
    {"LockUnaligned", [] { return sys(SYS_futex, 0x10001L, FUTEX_LOCK_PI, 0, nullptr, nullptr, 0); }, EINVAL},
    {"LockBadTime",
     [] {
       const timespec time = {0, -1};
       return word = 0, futex(&word, FUTEX_LOCK_PI, 0, &time);
     },
     EINVAL},
    {"BarrierFlags", [] { return sys(SYS_membarrier, MEMBARRIER_CMD_QUERY, 5, 0); }, EINVAL},
    {"BarrierUnknown", [] { return sys(SYS_membarrier, 1 << 30, 0, 0); }, EINVAL},
};
REFUSALS(Futexes, kRefusals);

TEST(LockPi, FreeOnesAreTaken) {
  word = 0;
  ASSERT_EQ(futex(&word, FUTEX_LOCK_PI_PRIVATE), 0);
  EXPECT_EQ(word, own_id());
  ASSERT_EQ(futex(&word, FUTEX_UNLOCK_PI_PRIVATE), 0);
  EXPECT_EQ(word, 0u);
  word = FUTEX_OWNER_DIED;
  ASSERT_EQ(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE), 0);
  EXPECT_EQ(word, own_id() | FUTEX_OWNER_DIED);
  ASSERT_EQ(futex(&word, FUTEX_UNLOCK_PI_PRIVATE), 0);
}

TEST(LockPi, AreHandedOn) {
  word = own_id();
  std::atomic<int> have = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      EXPECT_EQ(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE), -1);
      EXPECT_EQ(errno, EAGAIN);
      EXPECT_EQ(futex(&word, FUTEX_LOCK_PI_PRIVATE), 0);
      EXPECT_EQ(load(&word) & FUTEX_TID_MASK, own_id());
      ++have;
      EXPECT_EQ(futex(&word, FUTEX_UNLOCK_PI_PRIVATE), 0);
    });
  }
  while (!(load(&word) & FUTEX_WAITERS)) usleep(1000);
  usleep(20'000);
  EXPECT_EQ(have, 0);
  EXPECT_EQ(futex(&word, FUTEX_UNLOCK_PI_PRIVATE), 0);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(have, 3);
  EXPECT_EQ(load(&word), 0u);
}

TEST(LockPi, TimeIsAbsolute) {
  word = own_id();
  std::thread([] {
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    EXPECT_EQ(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &time), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += 1;
    time.tv_nsec = 0;
    EXPECT_EQ(futex(&word, FUTEX_LOCK_PI2_PRIVATE, 0, &time), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
    timespec after;
    clock_gettime(CLOCK_MONOTONIC, &after);
    EXPECT_GE(after.tv_sec, time.tv_sec);
  }).join();
  EXPECT_EQ(futex(&word, FUTEX_UNLOCK_PI_PRIVATE), 0);
}

TEST(LockPi, MutexesWork) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  ASSERT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
  pthread_mutex_t mutex;
  ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 2000; ++n) {
        pthread_mutex_lock(&mutex);
        ++count;
        pthread_mutex_unlock(&mutex);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 8000);
  pthread_mutex_destroy(&mutex);
}

TEST(LockPi, OfAThreadThatEnds) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  ASSERT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
  ASSERT_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
  pthread_mutex_t mutex;
  ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  std::atomic<bool> has = false;
  std::thread owner([&] {
    EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
    has = true;
    usleep(100'000);
  });
  while (!has) usleep(1000);
  EXPECT_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(&mutex), 0);
  EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
  owner.join();
  pthread_mutex_destroy(&mutex);
}

TEST(LockPi, OfAProcessThatIsKilled) {
  auto* shared = static_cast<uint32_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(shared, MAP_FAILED);
  const pid_t pid = fork();
  if (pid == 0) {
    if (futex(shared, FUTEX_LOCK_PI) != 0) _exit(1);
    for (;;) pause();
  }
  while (load(shared) == 0) usleep(1000);
  std::thread killer([&] {
    usleep(50'000);
    kill(pid, SIGKILL);
  });
  EXPECT_EQ(futex(shared, FUTEX_LOCK_PI), 0);
  EXPECT_EQ(load(shared) & (FUTEX_TID_MASK | FUTEX_OWNER_DIED), own_id() | FUTEX_OWNER_DIED);
  killer.join();
  waitpid(pid, nullptr, 0);
  munmap(shared, 4096);
}

// Each thread writes its own flag and then reads the other's; a barrier in one of them is enough for both not to miss
// each other.
TEST(Membarrier, OrdersWhatOthersDo) {
  const long known = sys(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  ASSERT_GE(known, 0);
  ASSERT_TRUE(known & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  EXPECT_EQ(sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), -1);
  EXPECT_EQ(errno, EPERM) << "not registered";
  ASSERT_EQ(sys(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0), 0);
  constexpr int kRounds = 2000;
  std::vector<std::atomic<int>> fast(kRounds), slow(kRounds), seen(kRounds);
  std::atomic<int> round = -1;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (round.load(std::memory_order_acquire) < i) {
      }
      fast[static_cast<size_t>(i)].store(1, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
      seen[static_cast<size_t>(i)].store(1 + slow[static_cast<size_t>(i)].load(std::memory_order_relaxed),
                                         std::memory_order_release);
    }
  });
  int missed = 0;
  for (int i = 0; i < kRounds; ++i) {
    round.store(i, std::memory_order_release);
    slow[static_cast<size_t>(i)].store(1, std::memory_order_relaxed);
    EXPECT_EQ(sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), 0);
    const int here = fast[static_cast<size_t>(i)].load(std::memory_order_relaxed);
    int there;
    while ((there = seen[static_cast<size_t>(i)].load(std::memory_order_acquire)) == 0) {
    }
    missed += here == 0 && there == 1;
  }
  other.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(sys(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), 0);
}

}  // namespace
