// What a system call that a signal has interrupted returns inside the kernel; the guest never sees these numbers. The
// names and numbers are Linux'. What becomes of them when a handler runs, and when none does:
#pragma once

namespace cella::sandbox::core {

inline constexpr int kRestartSys = 512;     // restarted if the handler has SA_RESTART, else EINTR; restarted
inline constexpr int kRestartNoIntr = 513;  // restarted; restarted
inline constexpr int kRestartNoHand = 514;  // EINTR; restarted
inline constexpr int kRestartBlock = 516;   // EINTR; restarted with what is left of the time

}  // namespace cella::sandbox::core
