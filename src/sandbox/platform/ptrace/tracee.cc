#include "sandbox/platform/ptrace/tracee.h"

#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>

#include "base/result.h"
#include "sandbox/platform/ptrace/stub.h"

namespace cella::sandbox::platform {
namespace {

constexpr size_t kMaxXsave = 16384;

long trace(__ptrace_request request, pid_t tid, uint64_t address = 0, const void* data = nullptr) {
  return ::ptrace(request, tid, address, data);
}

SysResult<void> checked(long result) {
  return result < 0 ? std::unexpected(Errno{errno}) : SysResult<void>();
}

}  // namespace

Registers stub_registers(uint64_t address) {
  Registers registers = {};
  registers.rip = address;
  registers.cs = 0x33;
  registers.ss = 0x2b;
  registers.orig_rax = ~0ul;  // the host must not think that a system call is to be restarted
  return registers;
}

SysResult<void> Tracee::seize() {
  constexpr uint64_t kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
  TRY(checked(trace(PTRACE_SEIZE, tid_, 0, reinterpret_cast<void*>(kOptions))));
  if (trace(PTRACE_INTERRUPT, tid_) < 0) {
    bury();
    return std::unexpected(Errno{ESRCH});
  }
  return wait() ? SysResult<void>() : std::unexpected(Errno{ESRCH});
}

bool Tracee::release(const Registers& registers) {
  return write(registers).has_value() && trace(PTRACE_DETACH, tid_) == 0;
}

void Tracee::exit(const Stub& stub) {
  Registers registers = stub_registers(stub.clone);  // a system call
  registers.rax = SYS_exit;
  if (!release(registers)) bury();
}

void Tracee::bury() {
  while (WIFSTOPPED(status_)) {
    if (::waitpid(tid_, &status_, __WALL) < 0 && errno != EINTR) return;
  }
}

bool Tracee::is_stopped() const {
  return rax().has_value();
}

bool Tracee::resume(int request) {
  return trace(static_cast<__ptrace_request>(request), tid_) == 0;
}

bool Tracee::wait() {
  for (;;) {
    pid_t waited = ::waitpid(tid_, &status_, __WALL);
    if (waited < 0 && errno == EINTR) continue;
    return waited == tid_ && WIFSTOPPED(status_);
  }
}

bool Tracee::at_syscall() const {
  return WSTOPSIG(status_) == (SIGTRAP | 0x80);
}
int Tracee::signal() const {
  return WSTOPSIG(status_);
}

SysResult<siginfo_t> Tracee::signal_info() const {
  siginfo_t info;
  TRY(checked(trace(PTRACE_GETSIGINFO, tid_, 0, &info)));
  return info;
}

SysResult<void> Tracee::read(Registers& registers) const {
  return checked(trace(PTRACE_GETREGS, tid_, 0, &registers));
}
SysResult<void> Tracee::write(const Registers& registers) const {
  return checked(trace(PTRACE_SETREGS, tid_, 0, &registers));
}
SysResult<uint64_t> Tracee::rax() const {
  errno = 0;
  const long value = trace(PTRACE_PEEKUSER, tid_, offsetof(user, regs.rax));
  if (errno != 0) return std::unexpected(Errno{errno});
  return static_cast<uint64_t>(value);
}
SysResult<void> Tracee::write_rax(uint64_t value) const {
  return checked(::ptrace(PTRACE_POKEUSER, tid_, offsetof(user, regs.rax), value));
}

SysResult<std::vector<std::byte>> Tracee::floating_point() const {
  std::vector<std::byte> state(kMaxXsave);
  iovec vector = {state.data(), state.size()};
  TRY(checked(trace(PTRACE_GETREGSET, tid_, NT_X86_XSTATE, &vector)));
  state.resize(vector.iov_len);
  return state;
}
SysResult<void> Tracee::set_floating_point(std::span<const std::byte> state) const {
  iovec vector = {const_cast<std::byte*>(state.data()), state.size()};
  return checked(trace(PTRACE_SETREGSET, tid_, NT_X86_XSTATE, &vector));
}

SysResult<void> Tracee::call(const Registers& registers, bool& interrupted) {
  TRY(write(registers));
  for (;;) {
    if (!resume(PTRACE_CONT) || !wait()) return std::unexpected(Errno{ESRCH});
    if (at_event()) continue;
    if (signal() == SIGTRAP) return {};
    if (signal() == SIGILL) break;
    // Stub code makes no mistakes: it has been driven from outside, or its pages are gone.
    if (signal() != kInterrupt) return std::unexpected(Errno{EFAULT});
    interrupted = true;
  }
  const auto error = static_cast<int64_t>(TRY(rax()));
  return std::unexpected(Errno{static_cast<int>(-error)});
}

}  // namespace cella::sandbox::platform
