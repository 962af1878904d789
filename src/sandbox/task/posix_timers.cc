#include "sandbox/task/posix_timers.h"

#include "sandbox/task/task.h"

namespace cella::sandbox::task {

void AlarmTimer::on_ticks(uint64_t) {
  group_.send(signal_info(SIGALRM, SI_KERNEL));
}

void PosixTimer::on_ticks(uint64_t times) {
  if (notification_.signal == 0) return;
  Task* thread = notification_.thread == 0 ? nullptr : group_.kernel.task(notification_.thread);
  if (notification_.thread != 0 && thread == nullptr) return;
  if ((thread != nullptr ? thread->pending : group_.pending).has_timer(id_)) {
    overrun_ += times;
    return;
  }
  overrun_ = times - 1;
  siginfo_t info = {};
  info.si_signo = notification_.signal;
  info.si_code = SI_TIMER;
  info.si_timerid = id_;
  info.si_value.sival_ptr = reinterpret_cast<void*>(notification_.value);
  if (thread != nullptr) {
    thread->send(info);
  } else {
    group_.send(info);
  }
}

void PosixTimer::on_taken(siginfo_t& info) {
  constexpr uint64_t kMost = INT32_MAX;  // DELAYTIMER_MAX
  taken_overrun_ = info.si_overrun = static_cast<int>(std::min(overrun_, kMost));
}

}  // namespace cella::sandbox::task
