// Stub: the code that a stub process is made of. A stub process is an address space for guest code: it holds the
// guest's mappings and, above Platform::guest_limit(), two pages of ours.
//
//   code    read and execute: stub.S
//   calls   read only for the stub, written by the kernel: the system calls that the code is to make next
//
// Guest code may read both, and jump into the first: it gains nothing, because every system call that it makes while it
// runs is reported instead of executed.
#pragma once

#include <signal.h>

#include <cstdint>

#include <cella/error.h>

namespace cella::sandbox::platform {

struct StubCall {
  int64_t number;
  uint64_t arguments[6];
};
// Stops guest code when it is sent to a traced thread. Never reaches the guest, and means nothing to a thread that
// nobody traces any more.
inline constexpr int kInterrupt = SIGUSR1;
inline constexpr uint64_t kStubPage = 4096;
inline constexpr uint64_t kMaxStubCalls = kStubPage / sizeof(StubCall);

// Both pages as the kernel sees them; at the same addresses in every stub process.
struct Stub {
  uint64_t base = 0;  // of the code, and the guest's limit
  StubCall* calls = nullptr;
  uint64_t pause = 0;  // addresses in the code: wait for ever
  uint64_t batch = 0;  // make rbx[0 … r12), stop behind them or at the first that is refused
  uint64_t clone = 0;  // make the system call that the registers say; a child goes to `pause`
  uint64_t ready = 0;  // make the system call of the registers, trap, go on to `pause`

  // Maps the pages near the top of the address space. Once for the process.
  static SysResult<Stub> make();
};

// Starts the first stub process: nothing but the two pages, in `pause`. Others are cloned from it. To be called before
// there is a second thread and before the kernel's own seccomp filter is loaded, since guest code needs pages that can
// be executed. Returns when it is there, with its pid.
SysResult<pid_t> start_template(const Stub& stub);

}  // namespace cella::sandbox::platform
