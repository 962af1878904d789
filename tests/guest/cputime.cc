// CPU time: what counts as such, the clocks and timers of it, and its limit.
#include "guest.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

namespace {

constexpr int64_t kMillisecond = 1'000'000;

int64_t read(clockid_t clock) {
  timespec t = {};
  EXPECT_EQ(clock_gettime(clock, &t), 0);
  return t.tv_sec * 1000 * kMillisecond + t.tv_nsec;
}

void sleep_for(int64_t milliseconds) {
  timespec t = {milliseconds / 1000, milliseconds % 1000 * kMillisecond};
  while (nanosleep(&t, &t) != 0) {
  }
}

// Uses its own CPU until then.
template <typename Condition>
void work_until(Condition condition) {
  while (!condition()) {
    for (std::atomic<int> n = 0; n < 10'000; ++n) {
    }
  }
}
void work_for(int64_t milliseconds) {
  const int64_t end = read(CLOCK_THREAD_CPUTIME_ID) + milliseconds * kMillisecond;
  work_until([&] { return read(CLOCK_THREAD_CPUTIME_ID) >= end; });
}

std::atomic<int> taken;
void count(int) {
  ++taken;
}

// Counts signals while it lives.
class Counted {
 public:
  explicit Counted(int signal) : signal_(signal) {
    taken = 0;
    struct sigaction action = {};
    action.sa_handler = count;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, &before_);
  }
  ~Counted() { sigaction(signal_, &before_, nullptr); }

 private:
  int signal_;
  struct sigaction before_ = {};
};

itimerval milliseconds(long first, long interval) {
  return {{interval / 1000, interval % 1000 * 1000}, {first / 1000, first % 1000 * 1000}};
}

template <typename Body>
int status_of(Body body) {
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(99);
  }
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

TEST(CpuTime, SleepingIsNone) {
  const int64_t process = read(CLOCK_PROCESS_CPUTIME_ID), thread = read(CLOCK_THREAD_CPUTIME_ID);
  rusage before, after;
  ASSERT_EQ(getrusage(RUSAGE_SELF, &before), 0);
  sleep_for(300);
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  std::thread writer([&] {
    sleep_for(300);
    EXPECT_EQ(write(fds[1], "x", 1), 1);
  });
  char c;
  EXPECT_EQ(::read(fds[0], &c, 1), 1);
  writer.join();
  close(fds[0]);
  close(fds[1]);
  EXPECT_LT(read(CLOCK_PROCESS_CPUTIME_ID) - process, 150 * kMillisecond);
  EXPECT_LT(read(CLOCK_THREAD_CPUTIME_ID) - thread, 150 * kMillisecond);
  ASSERT_EQ(getrusage(RUSAGE_SELF, &after), 0);
  EXPECT_LE(after.ru_stime.tv_sec - before.ru_stime.tv_sec, 1);
  EXPECT_GT(after.ru_nvcsw, before.ru_nvcsw);
}

TEST(CpuTime, OfChildrenIsCountedWhenTheyAreWaitedFor) {
  rusage before, after;
  tms before_ticks, after_ticks;
  ASSERT_EQ(getrusage(RUSAGE_CHILDREN, &before), 0);
  times(&before_ticks);
  EXPECT_TRUE(WIFEXITED(status_of([] {
    work_for(100);
    sleep_for(200);
    _exit(0);
  })));
  ASSERT_EQ(getrusage(RUSAGE_CHILDREN, &after), 0);
  auto time = [](const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
  };
  EXPECT_GE(time(after) - time(before), 95);
  EXPECT_LT(time(after) - time(before), 250);
  times(&after_ticks);
  EXPECT_GE(after_ticks.tms_cutime + after_ticks.tms_cstime, before_ticks.tms_cutime + before_ticks.tms_cstime + 9);
}

// The most that was in memory, whatever has become of it.
TEST(CpuTime, PeakOfMemory) {
  constexpr size_t kLarge = 64 << 20;
  constexpr long kKib = kLarge >> 10;
  auto touch = [] {
    void* memory = mmap(nullptr, kLarge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) _exit(9);
    memset(memory, 1, kLarge);
    return memory;
  };
  for (bool executes : {false, true}) {
    const pid_t pid = fork();
    if (pid == 0) {
      rusage used;
      if (getrusage(RUSAGE_SELF, &used) != 0 || used.ru_maxrss >= kKib) _exit(2);
      void* memory = touch();
      if (executes) execl("/bin/true", "true", nullptr);
      munmap(memory, kLarge);
      if (getrusage(RUSAGE_SELF, &used) != 0 || used.ru_maxrss < kKib || used.ru_maxrss > 2 * kKib) _exit(3);
      touch();
      _exit(0);
    }
    rusage used;
    int status = 0;
    ASSERT_EQ(wait4(pid, &status, 0, &used), pid);
    EXPECT_EQ(status, 0) << WEXITSTATUS(status);
    EXPECT_GE(used.ru_maxrss, kKib);
    EXPECT_LT(used.ru_maxrss, 2 * kKib);
    ASSERT_EQ(getrusage(RUSAGE_CHILDREN, &used), 0);
    EXPECT_GE(used.ru_maxrss, kKib);
    EXPECT_LT(used.ru_maxrss, 2 * kKib) << "of the largest, not of all";
  }
}

TEST(CpuTime, FaultsAreCounted) {
  rusage before, after;
  ASSERT_EQ(getrusage(RUSAGE_SELF, &before), 0);
  EXPECT_GT(before.ru_maxrss, 0);
  ASSERT_EQ(getrusage(RUSAGE_THREAD, &before), 0);
  ASSERT_EQ(getrusage(RUSAGE_THREAD, &after), 0);
  EXPECT_GE(after.ru_minflt, before.ru_minflt);
  EXPECT_EQ(sys(SYS_getrusage, 7, &after), -1);
  EXPECT_EQ(errno, EINVAL);
}

class Itimer : public testing::TestWithParam<std::pair<__itimer_which, int>> {};

TEST_P(Itimer, CountsWhatIsUsed) {
  const auto [which, signal] = GetParam();
  Counted counted(signal);
  itimerval wanted = milliseconds(100, 0), left = {};
  ASSERT_EQ(setitimer(which, &wanted, nullptr), 0);
  sleep_for(250);
  EXPECT_EQ(taken, 0) << "sleeping is no CPU time";
  ASSERT_EQ(getitimer(which, &left), 0);
  EXPECT_GT(left.it_value.tv_usec, 0);
  const int64_t before = read(CLOCK_PROCESS_CPUTIME_ID);
  work_until([] { return taken > 0; });
  EXPECT_GE(read(CLOCK_PROCESS_CPUTIME_ID) - before, 50 * kMillisecond);
  ASSERT_EQ(getitimer(which, &left), 0);
  EXPECT_EQ(left.it_value.tv_sec + left.it_value.tv_usec, 0);
}

TEST_P(Itimer, GoesOffAgain) {
  const auto [which, signal] = GetParam();
  Counted counted(signal);
  itimerval wanted = milliseconds(20, 20), none = {}, old = {};
  ASSERT_EQ(setitimer(which, &wanted, nullptr), 0);
  work_until([] { return taken >= 5; });
  ASSERT_EQ(setitimer(which, &none, &old), 0);
  EXPECT_EQ(old.it_interval.tv_usec, 20'000);
  const int so_far = taken;
  work_for(50);
  EXPECT_EQ(taken, so_far);
}

TEST_P(Itimer, IsNotInherited) {
  const auto [which, signal] = GetParam();
  Counted counted(signal);
  itimerval wanted = milliseconds(60'000, 0), none = {};
  ASSERT_EQ(setitimer(which, &wanted, nullptr), 0);
  EXPECT_EQ(status_of([own = which] {
              itimerval left = {};
              _exit(getitimer(own, &left) == 0 && left.it_value.tv_sec == 0 ? 0 : 1);
            }),
            0);
  ASSERT_EQ(setitimer(which, &none, nullptr), 0);
}

INSTANTIATE_TEST_SUITE_P(OfCpuTime, Itimer,
                         testing::Values(std::pair(ITIMER_VIRTUAL, SIGVTALRM), std::pair(ITIMER_PROF, SIGPROF)));

TEST(CpuTimer, OfAProcess) {
  Counted counted(SIGUSR1);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer), 0);
  itimerspec wanted = {{0, 0}, {0, 60 * kMillisecond}}, left = {};
  ASSERT_EQ(timer_settime(timer, 0, &wanted, nullptr), 0);
  sleep_for(150);
  EXPECT_EQ(taken, 0);
  // Another thread's time counts.
  std::thread([] { work_for(100); }).join();
  work_until([] { return taken > 0; });
  ASSERT_EQ(timer_gettime(timer, &left), 0);
  EXPECT_EQ(left.it_value.tv_nsec, 0);
  // A time that has been used already.
  wanted = {{0, 0}, {0, 1}};
  ASSERT_EQ(timer_settime(timer, TIMER_ABSTIME, &wanted, nullptr), 0);
  work_until([] { return taken > 1; });
  EXPECT_EQ(timer_delete(timer), 0);
}

TEST(CpuTimer, OfAThread) {
  Counted counted(SIGUSR1);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer), 0);
  const itimerspec wanted = {{0, 0}, {0, 60 * kMillisecond}};
  ASSERT_EQ(timer_settime(timer, 0, &wanted, nullptr), 0);
  std::thread([] { work_for(150); }).join();
  EXPECT_EQ(taken, 0) << "another thread's time is not its own";
  work_until([] { return taken > 0; });
  EXPECT_EQ(timer_delete(timer), 0);
}

TEST(CpuClock, OfOthers) {
  clockid_t clock;
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    work_for(60);
    char c = 'x';
    (void)!write(fds[1], &c, 1);
    for (;;) pause();
  }
  char c;
  ASSERT_EQ(::read(fds[0], &c, 1), 1);
  ASSERT_EQ(clock_getcpuclockid(pid, &clock), 0);
  EXPECT_GE(read(clock), 55 * kMillisecond);
  EXPECT_LT(read(clock), 1000 * kMillisecond);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  timespec t;
  EXPECT_EQ(clock_gettime(clock, &t), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(clock_getcpuclockid(pid, &clock), ESRCH);
  std::atomic<bool> ends = false;
  std::thread thread([&] {
    work_for(60);
    while (!ends) sleep_for(5);
  });
  ASSERT_EQ(pthread_getcpuclockid(thread.native_handle(), &clock), 0);
  while (read(clock) < 55 * kMillisecond) sleep_for(5);
  EXPECT_NE(read(clock), read(CLOCK_THREAD_CPUTIME_ID));
  ends = true;
  thread.join();
  close(fds[0]);
  close(fds[1]);
}

TEST(CpuClock, SleepsUntilOthersHaveUsedIt) {
  std::atomic<bool> ends = false;
  std::thread thread([&] { work_until([&] { return ends.load(); }); });
  const int64_t before = read(CLOCK_PROCESS_CPUTIME_ID);
  const timespec wanted = {0, 80 * kMillisecond};
  EXPECT_EQ(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &wanted, nullptr), 0);
  EXPECT_GE(read(CLOCK_PROCESS_CPUTIME_ID) - before, 80 * kMillisecond);
  ends = true;
  thread.join();
  EXPECT_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &wanted, nullptr), EINVAL);
}

TEST(CpuLimit, TheSoftOneIsASignal) {
  const int status = status_of([] {
    const rlimit limit = {1, RLIM_INFINITY};
    if (setrlimit(RLIMIT_CPU, &limit) != 0) _exit(1);
    work_for(10'000);
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGXCPU);
}

TEST(CpuLimit, TheHardOneIsTheEnd) {
  const int status = status_of([] {
    signal(SIGXCPU, SIG_IGN);
    const rlimit limit = {1, 1};
    if (setrlimit(RLIMIT_CPU, &limit) != 0) _exit(1);
    // It is inherited.
    const int inner = status_of([] { work_for(10'000); });
    if (!WIFSIGNALED(inner) || WTERMSIG(inner) != SIGKILL) _exit(2);
    work_for(10'000);
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

}  // namespace
