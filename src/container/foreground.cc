// run_foreground: one poll loop over the process, our signals, and with a console the terminal on both sides.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/result.h"
#include "base/scope_exit.h"
#include "container/process_impl.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cella {
namespace {

// Everything that a caller may mean for the program. Not: what the kernel raises for our own faults, and SIGCHLD.
sigset_t forwarded_signals() {
  sigset_t set;
  sigfillset(&set);
  for (int signal : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGCHLD, SIGURG})
    sigdelset(&set, signal);
  return set;
}

void copy_size(int from, int to) {
  winsize size;
  if (::ioctl(from, TIOCGWINSZ, &size) == 0) (void)::ioctl(to, TIOCSWINSZ, &size);
}

// Moves what is there; false at the end of it.
bool copy_once(int from, int to) {
  char buffer[8192];
  ssize_t n = ::read(from, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  return sys::write_all(to, {buffer, static_cast<size_t>(n)}).has_value();
}

class Relay {
 public:
  Relay(Process& process, int signals) : process_(process), signals_(signals), console_(process.console()) {
    if (console_ < 0) return;
    if (::tcgetattr(process.stdio.in, &saved_) == 0) {
      raw_ = true;
      termios settings = saved_;
      ::cfmakeraw(&settings);
      (void)::tcsetattr(process.stdio.in, TCSANOW, &settings);
      copy_size(process.stdio.in, console_);
    }
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    if (raw_) (void)::tcsetattr(process_.stdio.in, TCSANOW, &saved_);
  }

  Result<void> run() {
    pollfd fds[4] = {{process_.pidfd(), POLLIN, 0},
                     {signals_, POLLIN, 0},
                     {console_, POLLIN, 0},
                     {console_ >= 0 ? process_.stdio.in : -1, POLLIN, 0}};
    for (;;) {
      if (::poll(fds, 4, -1) < 0) {
        if (errno == EINTR) continue;
        return base::fail_errno(errno, "waiting for the process");
      }
      if (fds[1].revents != 0) forward_signals();
      if (fds[2].revents != 0 && !copy_once(console_, process_.stdio.out)) fds[2].fd = -1;
      if (fds[3].revents != 0 && !copy_once(process_.stdio.in, console_)) fds[3].fd = -1;
      if (fds[0].revents != 0) {
        drain_console();
        return {};
      }
    }
  }

 private:
  void forward_signals() {
    signalfd_siginfo info;
    while (::read(signals_, &info, sizeof info) == sizeof info) {
      auto signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGWINCH && console_ >= 0) {
        copy_size(process_.stdio.in, console_);
      } else {
        // It may have ended just now.
        (void)process_.signal(signal);
      }
    }
  }

  // What the program wrote last is still in the terminal.
  void drain_console() {
    if (console_ < 0) return;
    pollfd ready = {console_, POLLIN, 0};
    constexpr int kQuietMs = 20;
    while (::poll(&ready, 1, kQuietMs) > 0 && (ready.revents & POLLIN) != 0)
      if (!copy_once(console_, process_.stdio.out)) break;
  }

  Process& process_;
  int signals_;
  int console_;
  bool raw_ = false;
  termios saved_ = {};
};

}  // namespace

struct Foreground::Impl {
  sigset_t old_mask;
  sys::FileDescriptor signals;
};

Foreground::Foreground(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Foreground::Foreground(Foreground&&) noexcept = default;
Foreground& Foreground::operator=(Foreground&&) noexcept = default;
Foreground::~Foreground() {
  if (impl_) (void)::pthread_sigmask(SIG_SETMASK, &impl_->old_mask, nullptr);
}

Result<Foreground> Foreground::prepare() {
  auto impl = std::make_unique<Impl>();
  sigset_t set = forwarded_signals();
  if (int error = ::pthread_sigmask(SIG_BLOCK, &set, &impl->old_mask); error != 0) {
    return base::fail_errno(error, "blocking signals");
  }
  int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) {
    int error = errno;
    (void)::pthread_sigmask(SIG_SETMASK, &impl->old_mask, nullptr);
    return base::fail_errno(error, "opening a signal descriptor");
  }
  impl->signals = sys::FileDescriptor(fd);
  return Foreground(std::move(impl));
}

Result<int> Foreground::wait(Process& process) {
  if (process.pidfd() < 0) return base::fail(ErrorCode::kNoProcessOps, "the process has not been started");
  TRY(Relay(process, impl_->signals.get()).run());
  return process.wait();
}

}  // namespace cella
