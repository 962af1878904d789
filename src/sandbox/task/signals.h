// Signals: sets, dispositions and the queue of what is pending. signal(7).
#pragma once

#include <signal.h>

#include <array>
#include <cstdint>
#include <list>
#include <optional>

namespace cella::sandbox::task {

inline constexpr int kSignals = 64;
inline constexpr int kFirstRealTime = 32;

// Bit N - 1 is signal N, as in the kernel's sigset_t.
using SignalSet = uint64_t;
constexpr SignalSet bit(int signal) {
  return SignalSet{1} << (signal - 1);
}
inline constexpr SignalSet kUnblockable = bit(SIGKILL) | bit(SIGSTOP);
inline constexpr SignalSet kStops = bit(SIGSTOP) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);
// Caused by an instruction; delivered before others.
inline constexpr SignalSet kSynchronous =
    bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGFPE) | bit(SIGSYS);
inline constexpr SignalSet kIgnoredByDefault = bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) | bit(SIGWINCH);
inline constexpr SignalSet kDumpsCore = bit(SIGQUIT) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGABRT) | bit(SIGBUS) |
                                        bit(SIGFPE) | bit(SIGSEGV) | bit(SIGXCPU) | bit(SIGXFSZ) | bit(SIGSYS);

// struct sigaction of the kernel, rt_sigaction(2).
struct SignalAction {
  uint64_t handler = 0;  // SIG_DFL, SIG_IGN or an address
  uint64_t flags = 0;
  uint64_t restorer = 0;
  SignalSet mask = 0;
};
struct SignalActions {
  std::array<SignalAction, kSignals> actions = {};
  SignalAction& of(int signal) { return actions[static_cast<size_t>(signal - 1)]; }
  const SignalAction& of(int signal) const { return actions[static_cast<size_t>(signal - 1)]; }
  // Would it be thrown away?
  bool ignores(int signal) const;
  // What is left after execve(2): handlers are gone, ignored ones stay.
  void reset_handlers();
};

class SignalQueue {
 public:
  // False: a standard signal that is pending already.
  bool add(const siginfo_t& info);
  SignalSet set() const { return set_; }
  // The next one that is in `wanted`, taken out.
  std::optional<siginfo_t> take(SignalSet wanted);
  void remove(SignalSet signals);
  // Is a signal of the timer with this number in it?
  bool has_timer(int id) const;
  size_t size() const { return list_.size(); }

 private:
  SignalSet set_ = 0;
  std::list<siginfo_t> list_;
};

// A siginfo_t of a signal that a process or the kernel (SI_KERNEL) sends.
siginfo_t signal_info(int signal, int code, int pid = 0, uint32_t uid = 0);

}  // namespace cella::sandbox::task
