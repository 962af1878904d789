// Waiting for events: poll(2), select(2), epoll(7), eventfd(2), timerfd_create(2), signalfd(2), timer_create(2).
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include <atomic>
#include <thread>

#include "guest.h"

namespace {

int the_epoll() {
  static const int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd;
}
int the_event() {
  static const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd;
}
long ctl(int op, int fd, uint32_t events) {
  epoll_event event = {events, {}};
  return sys(SYS_epoll_ctl, the_epoll(), op, fd, &event);
}
timespec kBadTime = {0, 1'000'000'000};

const Refusal kRefusals[] = {
    {"PollBadPointer", [] { return sys(SYS_poll, kNowhere, 1, 0); }, EFAULT},
    {"PollTooMany", [] { return sys(SYS_poll, nullptr, 1u << 30, 0); }, EINVAL},
    {"PpollBadTime", [] { return sys(SYS_ppoll, nullptr, 0, &kBadTime, nullptr, 8); }, EINVAL},
    {"PpollBadMaskSize",
     [] {
       uint64_t mask = 0;
       return sys(SYS_ppoll, nullptr, 0, nullptr, &mask, 7);
     },
     EINVAL},
    {"SelectNegative", [] { return sys(SYS_select, -1, nullptr, nullptr, nullptr, nullptr); }, EINVAL},
    {"SelectClosed",
     [] {
       fd_set set;
       FD_ZERO(&set);
       FD_SET(60, &set);
       timeval none = {};
       return sys(SYS_select, 61, &set, nullptr, nullptr, &none);
     },
     EBADF},
    {"SelectBadPointer", [] { return sys(SYS_select, 1, kNowhere, nullptr, nullptr, nullptr); }, EFAULT},
    {"SelectBadTime",
     [] {
       timeval t = {-1, 0};
       return sys(SYS_select, 0, nullptr, nullptr, nullptr, &t);
     },
     EINVAL},
    {"EventfdFlags", [] { return sys(SYS_eventfd2, 0, 0x10000); }, EINVAL},
    {"EventfdEmpty",
     [] {
       uint64_t v;
       return sys(SYS_read, the_event(), &v, 8);
     },
     EAGAIN},
    {"EventfdShortRead",
     [] {
       uint32_t v;
       return sys(SYS_read, the_event(), &v, 4);
     },
     EINVAL},
    {"EventfdShortWrite",
     [] {
       uint32_t v = 1;
       return sys(SYS_write, the_event(), &v, 4);
     },
     EINVAL},
    {"EventfdMost",
     [] {
       uint64_t v = UINT64_MAX;
       return sys(SYS_write, the_event(), &v, 8);
     },
     EINVAL},
    {"EventfdBadPointer", [] { return sys(SYS_write, the_event(), kNowhere, 8); }, EFAULT},
    {"EpollCreateNothing", [] { return sys(SYS_epoll_create, 0); }, EINVAL},
    {"EpollCreateFlags", [] { return sys(SYS_epoll_create1, 1); }, EINVAL},
    {"EpollCtlClosed",
     [] {
       epoll_event e = {};
       return sys(SYS_epoll_ctl, 999, EPOLL_CTL_ADD, 0, &e);
     },
     EBADF},
    {"EpollCtlClosedTarget", [] { return ctl(EPOLL_CTL_ADD, 999, EPOLLIN); }, EBADF},
    {"EpollCtlBadPointer", [] { return sys(SYS_epoll_ctl, the_epoll(), EPOLL_CTL_ADD, the_event(), kNowhere); },
     EFAULT},
    {"EpollCtlNotEpoll",
     [] {
       epoll_event e = {};
       return sys(SYS_epoll_ctl, the_event(), EPOLL_CTL_ADD, the_epoll(), &e);
     },
     EINVAL},
    {"EpollCtlItself", [] { return ctl(EPOLL_CTL_ADD, the_epoll(), EPOLLIN); }, EINVAL},
    {"EpollCtlOperation", [] { return ctl(77, the_event(), EPOLLIN); }, EINVAL},
    {"EpollModifyMissing", [] { return ctl(EPOLL_CTL_MOD, the_event(), EPOLLIN); }, ENOENT},
    {"EpollDeleteMissing", [] { return ctl(EPOLL_CTL_DEL, the_event(), 0); }, ENOENT},
    {"EpollExclusiveOneshot", [] { return ctl(EPOLL_CTL_ADD, the_event(), EPOLLEXCLUSIVE | EPOLLONESHOT); }, EINVAL},
    {"EpollRegularFile",
     [] {
       int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
       long result = ctl(EPOLL_CTL_ADD, fd, EPOLLIN);
       int error = errno;
       close(fd);
       errno = error;
       return result;
     },
     EPERM},
    {"EpollWaitNoRoom",
     [] {
       epoll_event e;
       return sys(SYS_epoll_wait, the_epoll(), &e, 0, 0);
     },
     EINVAL},
    {"EpollWaitClosed",
     [] {
       epoll_event e;
       return sys(SYS_epoll_wait, 999, &e, 1, 0);
     },
     EBADF},
    {"EpollWaitNotEpoll",
     [] {
       epoll_event e;
       return sys(SYS_epoll_wait, the_event(), &e, 1, 0);
     },
     EINVAL},
    {"TimerfdClock", [] { return sys(SYS_timerfd_create, 99, 0); }, EINVAL},
    {"TimerfdFlags", [] { return sys(SYS_timerfd_create, CLOCK_MONOTONIC, 1); }, EINVAL},
    {"TimerfdSettimeNotTimer",
     [] {
       itimerspec t = {};
       return sys(SYS_timerfd_settime, the_event(), 0, &t, nullptr);
     },
     EINVAL},
    {"TimerfdSettimeClosed",
     [] {
       itimerspec t = {};
       return sys(SYS_timerfd_settime, 999, 0, &t, nullptr);
     },
     EBADF},
    {"TimerfdSettimeBadPointer", [] { return sys(SYS_timerfd_settime, 999, 0, kNowhere, nullptr); }, EFAULT},
    {"TimerfdGettimeClosed",
     [] {
       itimerspec t;
       return sys(SYS_timerfd_gettime, 999, &t);
     },
     EBADF},
    {"SignalfdSize",
     [] {
       uint64_t mask = 0;
       return sys(SYS_signalfd4, -1, &mask, 4, 0);
     },
     EINVAL},
    {"SignalfdFlags",
     [] {
       uint64_t mask = 0;
       return sys(SYS_signalfd4, -1, &mask, 8, 1);
     },
     EINVAL},
    {"SignalfdNotSignalfd",
     [] {
       uint64_t mask = 0;
       return sys(SYS_signalfd4, the_event(), &mask, 8, 0);
     },
     EINVAL},
    {"SignalfdBadPointer", [] { return sys(SYS_signalfd4, -1, kNowhere, 8, 0); }, EFAULT},
    {"TimerCreateClock",
     [] {
       timer_t t;
       return sys(SYS_timer_create, 99, nullptr, &t);
     },
     EINVAL},
    {"TimerCreateBadPointer", [] { return sys(SYS_timer_create, CLOCK_MONOTONIC, nullptr, kNowhere); }, EFAULT},
    {"TimerSettimeMissing",
     [] {
       itimerspec t = {};
       return sys(SYS_timer_settime, 77, 0, &t, nullptr);
     },
     EINVAL},
    {"TimerGettimeMissing",
     [] {
       itimerspec t;
       return sys(SYS_timer_gettime, 77, &t);
     },
     EINVAL},
    {"TimerOverrunMissing", [] { return sys(SYS_timer_getoverrun, 77); }, EINVAL},
    {"TimerDeleteMissing", [] { return sys(SYS_timer_delete, 77); }, EINVAL},
    {"SetitimerWhich",
     [] {
       itimerval t = {};
       return sys(SYS_setitimer, 9, &t, nullptr);
     },
     EINVAL},
    {"SetitimerMicroseconds",
     [] {
       itimerval t = {{0, 0}, {0, 1'000'000}};
       return sys(SYS_setitimer, ITIMER_REAL, &t, nullptr);
     },
     EINVAL},
    {"GetitimerBadPointer", [] { return sys(SYS_getitimer, ITIMER_REAL, kNowhere); }, EFAULT},
};
REFUSALS(Events, kRefusals);

class Pipe {
 public:
  explicit Pipe(int flags = O_CLOEXEC) { EXPECT_EQ(pipe2(fds_, flags), 0); }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  int reader() const { return fds_[0]; }
  int writer() const { return fds_[1]; }
  void close_reader() { close_one(fds_[0]); }
  void close_writer() { close_one(fds_[1]); }

 private:
  static void close_one(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int fds_[2] = {-1, -1};
};

short poll_one(int fd, short events, int timeout = 0) {
  pollfd one = {fd, events, 0};
  return poll(&one, 1, timeout) >= 0 ? one.revents : -1;
}

TEST(Poll, PipeStates) {
  Pipe pipe;
  EXPECT_EQ(poll_one(pipe.reader(), POLLIN), 0);
  EXPECT_EQ(poll_one(pipe.writer(), POLLOUT), POLLOUT);
  ASSERT_EQ(write(pipe.writer(), "x", 1), 1);
  EXPECT_EQ(poll_one(pipe.reader(), POLLIN), POLLIN);
  pipe.close_writer();
  EXPECT_EQ(poll_one(pipe.reader(), POLLIN), POLLIN | POLLHUP);
}
TEST(Poll, WriterWithoutReader) {
  Pipe pipe;
  pipe.close_reader();
  EXPECT_EQ(poll_one(pipe.writer(), 0), POLLERR);
}
TEST(Poll, ClosedIsInvalidAndNegativeIsSkipped) {
  pollfd fds[2] = {{999, POLLIN, 0}, {-1, POLLIN, 7}};
  EXPECT_EQ(poll(fds, 2, 0), 1);
  EXPECT_EQ(fds[0].revents, POLLNVAL);
  EXPECT_EQ(fds[1].revents, 0);
}
TEST(Poll, TimeoutIsKept) {
  const int64_t before = now_ms();
  EXPECT_EQ(poll(nullptr, 0, 30), 0);
  EXPECT_GE(now_ms() - before, 29);
}
TEST(Poll, WokenByAnotherThread) {
  Pipe pipe;
  std::thread writer([&] {
    sleep_ms(20);
    EXPECT_EQ(write(pipe.writer(), "x", 1), 1);
  });
  EXPECT_EQ(poll_one(pipe.reader(), POLLIN, 5000), POLLIN);
  writer.join();
}
TEST(Poll, InterruptedByHandler) {
  struct sigaction action = {}, old;
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(sigaction(SIGALRM, &action, &old), 0);
  itimerval soon = {{0, 0}, {0, 20'000}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &soon, nullptr), 0);
  EXPECT_EQ(poll(nullptr, 0, 5000), -1);
  EXPECT_EQ(errno, EINTR);
  sigaction(SIGALRM, &old, nullptr);
}
TEST(Select, SetsAreWrittenBack) {
  Pipe pipe;
  ASSERT_EQ(write(pipe.writer(), "x", 1), 1);
  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(pipe.reader(), &in);
  FD_SET(pipe.writer(), &out);
  timeval none = {};
  EXPECT_EQ(select(pipe.writer() + 1, &in, &out, nullptr, &none), 2);
  EXPECT_TRUE(FD_ISSET(pipe.reader(), &in));
  EXPECT_TRUE(FD_ISSET(pipe.writer(), &out));
}
TEST(Eventfd, CountsAndEmpties) {
  int fd = eventfd(3, EFD_NONBLOCK);
  uint64_t value = 4;
  EXPECT_EQ(write(fd, &value, 8), 8);
  EXPECT_EQ(read(fd, &value, 8), 8);
  EXPECT_EQ(value, 7u);
  EXPECT_EQ(poll_one(fd, POLLIN | POLLOUT), POLLOUT);
  value = UINT64_MAX - 1;
  EXPECT_EQ(write(fd, &value, 8), 8);
  EXPECT_EQ(poll_one(fd, POLLIN | POLLOUT), POLLIN);
  value = 1;
  EXPECT_EQ(write(fd, &value, 8), -1);
  EXPECT_EQ(errno, EAGAIN);
  close(fd);
}
TEST(Eventfd, SeekingDoesNothing) {
  EXPECT_EQ(sys(SYS_lseek, the_event(), 5L, SEEK_SET), 0);
  EXPECT_EQ(sys(SYS_lseek, the_epoll(), 5L, SEEK_SET), 0);
}
TEST(Eventfd, SemaphoreGivesOnes) {
  int fd = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
  uint64_t value = 0;
  EXPECT_EQ(read(fd, &value, 8), 8);
  EXPECT_EQ(value, 1u);
  EXPECT_EQ(read(fd, &value, 8), 8);
  EXPECT_EQ(read(fd, &value, 8), -1);
  close(fd);
}

class Epoll : public testing::Test {
 protected:
  void SetUp() override { ASSERT_GE(epoll_, 0); }
  void TearDown() override { close(epoll_); }
  void add(int fd, uint32_t events) { change(EPOLL_CTL_ADD, fd, events); }
  void change(int op, int fd, uint32_t events) {
    epoll_event event = {events, {.fd = fd}};
    ASSERT_EQ(epoll_ctl(epoll_, op, fd, &event), 0) << strerror(errno);
  }
  // The events of the one file that is ready; 0: none is.
  uint32_t wait(int timeout = 0) {
    epoll_event event = {};
    return epoll_wait(epoll_, &event, 1, timeout) == 1 ? event.events : 0;
  }
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  Pipe pipe_{O_NONBLOCK | O_CLOEXEC};
};

TEST_F(Epoll, LevelStaysReady) {
  add(pipe_.reader(), EPOLLIN);
  EXPECT_EQ(wait(), 0u);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  EXPECT_EQ(wait(), EPOLLIN);
  EXPECT_EQ(wait(), EPOLLIN);
  char c;
  ASSERT_EQ(read(pipe_.reader(), &c, 1), 1);
  EXPECT_EQ(wait(), 0u);
}
TEST_F(Epoll, EdgeIsToldOnce) {
  add(pipe_.reader(), EPOLLIN | EPOLLET);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  EXPECT_EQ(wait(), EPOLLIN);
  EXPECT_EQ(wait(), 0u);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  EXPECT_EQ(wait(), EPOLLIN);
}
TEST_F(Epoll, OneshotUntilRearmed) {
  add(pipe_.reader(), EPOLLIN | EPOLLONESHOT);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  EXPECT_EQ(wait(), EPOLLIN);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  EXPECT_EQ(wait(), 0u);
  change(EPOLL_CTL_MOD, pipe_.reader(), EPOLLIN | EPOLLONESHOT);
  EXPECT_EQ(wait(), EPOLLIN);
}
TEST_F(Epoll, ReadyBeforeItWasAdded) {
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  add(pipe_.reader(), EPOLLIN | EPOLLET);
  EXPECT_EQ(wait(), EPOLLIN);
}
TEST_F(Epoll, HangUpNeedsNotBeAskedFor) {
  add(pipe_.reader(), 0);
  pipe_.close_writer();
  EXPECT_EQ(wait(), EPOLLHUP);
}
TEST_F(Epoll, AddedTwice) {
  add(pipe_.reader(), EPOLLIN);
  epoll_event event = {EPOLLIN, {}};
  EXPECT_EQ(epoll_ctl(epoll_, EPOLL_CTL_ADD, pipe_.reader(), &event), -1);
  EXPECT_EQ(errno, EEXIST);
  // Another descriptor of the same file is another entry.
  int copy = dup(pipe_.reader());
  EXPECT_EQ(epoll_ctl(epoll_, EPOLL_CTL_ADD, copy, &event), 0);
  close(copy);
}
TEST_F(Epoll, CloseTakesItOut) {
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  add(pipe_.reader(), EPOLLIN);
  pipe_.close_reader();
  EXPECT_EQ(wait(), 0u);
}
TEST_F(Epoll, DeletedIsSilent) {
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  add(pipe_.reader(), EPOLLIN);
  EXPECT_EQ(epoll_ctl(epoll_, EPOLL_CTL_DEL, pipe_.reader(), nullptr), 0);
  EXPECT_EQ(wait(), 0u);
}
TEST_F(Epoll, NestedIsReadyWhenTheInnerIs) {
  int outer = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {EPOLLIN, {}};
  add(pipe_.reader(), EPOLLIN);
  ASSERT_EQ(epoll_ctl(outer, EPOLL_CTL_ADD, epoll_, &event), 0);
  EXPECT_EQ(epoll_wait(outer, &event, 1, 0), 0);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  EXPECT_EQ(epoll_wait(outer, &event, 1, 1000), 1);
  EXPECT_EQ(poll_one(epoll_, POLLIN), POLLIN);
  // A ring would never end.
  event.events = EPOLLIN;
  EXPECT_EQ(epoll_ctl(epoll_, EPOLL_CTL_ADD, outer, &event), -1);
  EXPECT_EQ(errno, ELOOP);
  close(outer);
}
TEST_F(Epoll, AllHaveTheirTurn) {
  Pipe other;
  add(pipe_.reader(), EPOLLIN);
  add(other.reader(), EPOLLIN);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  ASSERT_EQ(write(other.writer(), "x", 1), 1);
  epoll_event first = {}, second = {};
  ASSERT_EQ(epoll_wait(epoll_, &first, 1, 0), 1);
  ASSERT_EQ(epoll_wait(epoll_, &second, 1, 0), 1);
  EXPECT_NE(first.data.fd, second.data.fd);
}
TEST_F(Epoll, WaitsForAnotherThread) {
  add(pipe_.reader(), EPOLLIN);
  std::thread writer([&] {
    sleep_ms(20);
    EXPECT_EQ(write(pipe_.writer(), "x", 1), 1);
  });
  EXPECT_EQ(wait(5000), EPOLLIN);
  writer.join();
}
TEST_F(Epoll, BadBufferLosesNothing) {
  add(pipe_.reader(), EPOLLIN);
  ASSERT_EQ(write(pipe_.writer(), "x", 1), 1);
  EXPECT_EQ(sys(SYS_epoll_wait, epoll_, kNowhere, 1, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(wait(), EPOLLIN);
}

TEST(Timerfd, GoesOffOnce) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t ticks = 0;
  EXPECT_EQ(read(fd, &ticks, 8), -1);
  EXPECT_EQ(errno, EAGAIN);
  itimerspec soon = {{}, {0, 20'000'000}};
  ASSERT_EQ(timerfd_settime(fd, 0, &soon, nullptr), 0);
  itimerspec left;
  ASSERT_EQ(timerfd_gettime(fd, &left), 0);
  EXPECT_GT(left.it_value.tv_nsec, 0);
  EXPECT_EQ(poll_one(fd, POLLIN, 5000), POLLIN);
  EXPECT_EQ(read(fd, &ticks, 4), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(read(fd, &ticks, 8), 8);
  EXPECT_EQ(ticks, 1u);
  ASSERT_EQ(timerfd_gettime(fd, &left), 0);
  EXPECT_EQ(left.it_value.tv_nsec, 0);
  close(fd);
}
TEST(Timerfd, CountsWhatWasMissed) {
  int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  itimerspec often = {{0, 5'000'000}, {0, 5'000'000}};
  ASSERT_EQ(timerfd_settime(fd, 0, &often, nullptr), 0);
  sleep_ms(40);
  uint64_t ticks = 0;
  EXPECT_EQ(read(fd, &ticks, 8), 8);
  EXPECT_GE(ticks, 7u);
  close(fd);
}
TEST(Timerfd, AbsoluteTimeThatHasPassed) {
  for (int clock : {CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    int fd = timerfd_create(clock, 0);
    itimerspec past = {{}, {1, 0}};
    ASSERT_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, nullptr), 0);
    EXPECT_EQ(poll_one(fd, POLLIN, 5000), POLLIN);
    close(fd);
  }
}
TEST(Timerfd, DisarmedIsSilent) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  itimerspec soon = {{}, {0, 10'000'000}}, none = {}, old;
  ASSERT_EQ(timerfd_settime(fd, 0, &soon, nullptr), 0);
  ASSERT_EQ(timerfd_settime(fd, 0, &none, &old), 0);
  EXPECT_GT(old.it_value.tv_nsec, 0);
  EXPECT_EQ(poll_one(fd, POLLIN, 30), 0);
  close(fd);
}

class Blocked : public testing::Test {
 protected:
  void SetUp() override {
    sigemptyset(&set_);
    for (int signal : {SIGUSR1, SIGRTMIN, SIGCHLD, SIGALRM}) sigaddset(&set_, signal);
    ASSERT_EQ(sigprocmask(SIG_BLOCK, &set_, &old_), 0);
  }
  void TearDown() override {
    timespec none = {};
    while (sigtimedwait(&set_, nullptr, &none) > 0) {
    }
    sigprocmask(SIG_SETMASK, &old_, nullptr);
  }
  sigset_t set_, old_;
};

TEST_F(Blocked, SignalfdTakesSignals) {
  int fd = signalfd(-1, &set_, SFD_NONBLOCK);
  signalfd_siginfo info;
  EXPECT_EQ(read(fd, &info, sizeof info), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(read(fd, &info, 8), -1);
  EXPECT_EQ(errno, EINVAL);
  kill(getpid(), SIGUSR1);
  EXPECT_EQ(poll_one(fd, POLLIN), POLLIN);
  EXPECT_EQ(read(fd, &info, sizeof info), static_cast<ssize_t>(sizeof info));
  EXPECT_EQ(info.ssi_signo, static_cast<uint32_t>(SIGUSR1));
  EXPECT_EQ(info.ssi_pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(info.ssi_code, SI_USER);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_FALSE(sigismember(&pending, SIGUSR1));
  close(fd);
}
TEST_F(Blocked, SignalfdWakesEpoll) {
  int fd = signalfd(-1, &set_, SFD_NONBLOCK), epoll = epoll_create1(0);
  epoll_event event = {EPOLLIN, {}};
  ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
  pid_t child = fork();
  if (child == 0) {
    sleep_ms(20);
    _exit(3);
  }
  EXPECT_EQ(epoll_wait(epoll, &event, 1, 5000), 1);
  signalfd_siginfo info;
  EXPECT_EQ(read(fd, &info, sizeof info), static_cast<ssize_t>(sizeof info));
  EXPECT_EQ(info.ssi_signo, static_cast<uint32_t>(SIGCHLD));
  EXPECT_EQ(info.ssi_pid, static_cast<uint32_t>(child));
  EXPECT_EQ(info.ssi_status, 3);
  waitpid(child, nullptr, 0);
  close(fd);
  close(epoll);
}
TEST_F(Blocked, PosixTimerSendsItsValue) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  event.sigev_value.sival_int = 42;
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  itimerspec soon = {{}, {0, 10'000'000}};
  ASSERT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
  siginfo_t info;
  timespec limit = {5, 0};
  ASSERT_EQ(sigtimedwait(&set_, &info, &limit), SIGRTMIN);
  EXPECT_EQ(info.si_code, SI_TIMER);
  EXPECT_EQ(info.si_value.sival_int, 42);
  EXPECT_EQ(timer_getoverrun(timer), 0);
  itimerspec left;
  ASSERT_EQ(timer_gettime(timer, &left), 0);
  EXPECT_EQ(left.it_value.tv_nsec, 0);
  EXPECT_EQ(timer_delete(timer), 0);
}
TEST_F(Blocked, PosixTimerCountsOverruns) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  itimerspec often = {{0, 5'000'000}, {0, 5'000'000}};
  ASSERT_EQ(timer_settime(timer, 0, &often, nullptr), 0);
  sleep_ms(40);
  siginfo_t info;
  timespec limit = {5, 0};
  ASSERT_EQ(sigtimedwait(&set_, &info, &limit), SIGRTMIN);
  EXPECT_GE(info.si_overrun, 5);
  EXPECT_EQ(timer_getoverrun(timer), info.si_overrun);
  EXPECT_EQ(timer_delete(timer), 0);
}
TEST_F(Blocked, IntervalTimerRepeats) {
  itimerval often = {{0, 5'000}, {0, 5'000}}, none = {}, old;
  ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
  timespec limit = {5, 0};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(sigtimedwait(&set_, nullptr, &limit), SIGALRM);
  ASSERT_EQ(setitimer(ITIMER_REAL, &none, &old), 0);
  EXPECT_EQ(old.it_interval.tv_usec, 5'000);
}
TEST_F(Blocked, AlarmIsNotInherited) {
  alarm(100);
  EXPECT_CHILD([] {
    REQUIRE(alarm(0) == 0);
    return 0;
  });
  EXPECT_EQ(alarm(0), 100u);
}

// --- signals of readiness, fcntl(2) F_SETOWN

siginfo_t told;
std::atomic<int> told_times;
void be_told(int, siginfo_t* info, void*) {
  told = *info;
  ++told_times;
}

class Async : public testing::Test {
 protected:
  void SetUp() override {
    told_times = 0;
    struct sigaction action = {};
    action.sa_sigaction = be_told;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGIO, &action, nullptr);
    sigaction(SIGRTMIN + 1, &action, nullptr);
    ASSERT_EQ(pipe2(fds_, O_NONBLOCK), 0);
  }
  void TearDown() override {
    close(fds_[0]);
    close(fds_[1]);
    signal(SIGIO, SIG_DFL);
    signal(SIGRTMIN + 1, SIG_DFL);
  }
  void make_async(bool on) {
    const int flags = fcntl(fds_[0], F_GETFL);
    ASSERT_EQ(fcntl(fds_[0], F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC), 0);
  }
  void write_one() { ASSERT_EQ(write(fds_[1], "x", 1), 1); }
  int fds_[2] = {-1, -1};
};

TEST_F(Async, NobodyIsToldUnasked) {
  make_async(true);
  write_one();
  EXPECT_EQ(told_times, 0) << "nobody owns it";
  make_async(false);
  ASSERT_EQ(fcntl(fds_[0], F_SETOWN, getpid()), 0);
  write_one();
  EXPECT_EQ(told_times, 0) << "no O_ASYNC";
}

TEST_F(Async, TheOwnerIsTold) {
  ASSERT_EQ(fcntl(fds_[0], F_SETOWN, getpid()), 0);
  EXPECT_EQ(fcntl(fds_[0], F_GETOWN), getpid());
  make_async(true);
  write_one();
  EXPECT_EQ(told_times, 1);
  EXPECT_EQ(told.si_signo, SIGIO);
  make_async(false);
  write_one();
  EXPECT_EQ(told_times, 1);
}

TEST_F(Async, WithASignalOfOnesOwn) {
  ASSERT_EQ(fcntl(fds_[0], F_SETOWN, getpid()), 0);
  ASSERT_EQ(fcntl(fds_[0], F_SETSIG, SIGRTMIN + 1), 0);
  EXPECT_EQ(fcntl(fds_[0], F_GETSIG), SIGRTMIN + 1);
  make_async(true);
  write_one();
  ASSERT_EQ(told_times, 1);
  EXPECT_EQ(told.si_signo, SIGRTMIN + 1);
  EXPECT_EQ(told.si_code, POLL_IN);
  EXPECT_EQ(told.si_fd, fds_[0]);
  EXPECT_TRUE(told.si_band & POLLIN);
}

TEST_F(Async, GroupsAndThreads) {
  f_owner_ex owner = {F_OWNER_PGRP, getpgrp()};
  ASSERT_EQ(fcntl(fds_[0], F_SETOWN_EX, &owner), 0);
  EXPECT_EQ(fcntl(fds_[0], F_GETOWN), -getpgrp());
  owner = f_owner_ex{F_OWNER_TID, gettid()};
  ASSERT_EQ(fcntl(fds_[0], F_SETOWN_EX, &owner), 0);
  make_async(true);
  write_one();
  EXPECT_EQ(told_times, 1);
  owner = f_owner_ex{};
  ASSERT_EQ(fcntl(fds_[0], F_GETOWN_EX, &owner), 0);
  EXPECT_EQ(owner.type, F_OWNER_TID);
  EXPECT_EQ(owner.pid, gettid());
  owner.type = static_cast<decltype(owner.type)>(9);
  EXPECT_EQ(fcntl(fds_[0], F_SETOWN_EX, &owner), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Async, SocketsAndIoctl) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  int on = 1;
  ASSERT_EQ(fcntl(pair[0], F_SETOWN, getpid()), 0);
  ASSERT_EQ(ioctl(pair[0], FIOASYNC, &on), 0);
  EXPECT_TRUE(fcntl(pair[0], F_GETFL) & O_ASYNC);
  ASSERT_EQ(write(pair[1], "x", 1), 1);
  EXPECT_GE(told_times, 1);
  const int so_far = told_times;
  on = 0;
  ASSERT_EQ(ioctl(pair[0], FIOASYNC, &on), 0);
  ASSERT_EQ(write(pair[1], "x", 1), 1);
  EXPECT_EQ(told_times, so_far);
  close(pair[0]);
  close(pair[1]);
  const int file = open("/proc/self/exe", O_RDONLY);
  on = 1;
  EXPECT_EQ(ioctl(file, FIOASYNC, &on), -1);
  EXPECT_EQ(errno, ENOTTY);
  close(file);
}

}  // namespace
