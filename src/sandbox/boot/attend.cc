// attend: a process of the host's stands for one inside a sandbox.
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/boot/control.h"
#include "sys/socket.h"

namespace cella::sandbox {

using namespace boot;

namespace boot {
void leave_terminal() {
  (void)::ioctl(STDIN_FILENO, TIOCNOTTY);
}
}  // namespace boot

Result<int> attend(int control_socket, int pid) {
  sigset_t set;
  ::sigfillset(&set);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  sys::FileDescriptor signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return base::fail_errno(errno, "opening a signal descriptor");
  // One that is gone has taken the process with it; that is seen below.
  (void)sys::send_message(control_socket, line_of(kApplicationWait, Wait{pid}));
  LineReader reader;
  for (std::string line;;) {
    while (reader.take(line)) {
      // Of a signal's answer there is nothing to be known: the process may have ended just before.
      auto document = json::parse(line);
      const json::Value* result = document ? document->root().find("result") : nullptr;
      const json::Value* status = result != nullptr ? result->find("status") : nullptr;
      if (status == nullptr || !status->is(json::Kind::kUint)) continue;
      leave_terminal();
      return static_cast<int>(status->unsigned_integer());
    }
    pollfd fds[2] = {{control_socket, POLLIN, 0}, {signals.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return base::fail_errno(errno, "poll");
    signalfd_siginfo info;
    while (fds[1].revents != 0 && ::read(signals.get(), &info, sizeof info) == sizeof info) {
      const Signal signal = {pid, static_cast<int>(info.ssi_signo)};
      if (signal.signal == SIGCHLD) continue;
      // Of its terminal the kernel learns everything but the window's size by itself.
      const bool is_of_terminal = info.ssi_code == SI_KERNEL;
      if (!is_of_terminal) (void)sys::send_message(control_socket, line_of(kApplicationSignal, signal));
      if (is_of_terminal && signal.signal == SIGWINCH)
        (void)sys::send_message(control_socket, line_of(kApplicationResize, Wait{pid}));
    }
    // The kernel has ended, and with it everything in it.
    if (fds[0].revents != 0 && !reader.fill(control_socket)) return SIGKILL;
  }
}

}  // namespace cella::sandbox
