#include "sandbox/task/signals.h"

#include <algorithm>

namespace cella::sandbox::task {

bool SignalActions::ignores(int signal) const {
  const SignalAction& action = of(signal);
  if (action.handler == reinterpret_cast<uint64_t>(SIG_IGN)) return true;
  return action.handler == reinterpret_cast<uint64_t>(SIG_DFL) && (bit(signal) & kIgnoredByDefault) &&
         signal != SIGCONT;
}

void SignalActions::reset_handlers() {
  for (SignalAction& action : actions) {
    if (action.handler != reinterpret_cast<uint64_t>(SIG_IGN)) action.handler = reinterpret_cast<uint64_t>(SIG_DFL);
    action.flags = action.restorer = action.mask = 0;
  }
}

bool SignalQueue::add(const siginfo_t& info) {
  const int signal = info.si_signo;
  if (signal < kFirstRealTime && (set_ & bit(signal))) return false;
  set_ |= bit(signal);
  list_.push_back(info);
  return true;
}

std::optional<siginfo_t> SignalQueue::take(SignalSet wanted) {
  SignalSet candidates = set_ & wanted;
  if (candidates == 0) return std::nullopt;
  const SignalSet first = candidates & kSynchronous ? candidates & kSynchronous : candidates;
  const int signal = __builtin_ctzll(first) + 1;
  for (auto info = list_.begin(); info != list_.end(); ++info) {
    if (info->si_signo != signal) continue;
    siginfo_t taken = *info;
    info = list_.erase(info);
    bool more = false;
    for (; info != list_.end(); ++info) more |= info->si_signo == signal;
    if (!more) set_ &= ~bit(signal);
    return taken;
  }
  set_ &= ~bit(signal);
  return std::nullopt;
}

bool SignalQueue::has_timer(int id) const {
  return std::ranges::any_of(list_,
                             [&](const siginfo_t& info) { return info.si_code == SI_TIMER && info.si_timerid == id; });
}

void SignalQueue::remove(SignalSet signals) {
  set_ &= ~signals;
  list_.remove_if([&](const siginfo_t& info) { return bit(info.si_signo) & signals; });
}

siginfo_t signal_info(int signal, int code, int pid, uint32_t uid) {
  siginfo_t info = {};
  info.si_signo = signal;
  info.si_code = code;
  info.si_pid = pid;
  info.si_uid = uid;
  return info;
}

}  // namespace cella::sandbox::task
