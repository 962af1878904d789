// Tracee: one thread of a stub process, driven with ptrace(2) by the thread that seized it. Private to platform/ptrace.
// It is stopped whenever none of the member functions is at work.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <cella/error.h>

#include "sandbox/platform/platform.h"
#include "sandbox/platform/ptrace/stub.h"

namespace cella::sandbox::platform {

// Registers of stub code that begins at `address`.
Registers stub_registers(uint64_t address);

class Tracee {
 public:
  Tracee() = default;
  explicit Tracee(pid_t tid) : tid_(tid) {}
  pid_t tid() const { return tid_; }

  SysResult<void> seize();
  // Goes on untraced with these registers; false: it is gone.
  bool release(const Registers& registers);
  // Goes on untraced to its end, which is not the process's.
  void exit(const Stub& stub);
  // Waits until the host has ended it: one that was traced and that nobody waits for keeps its process from ending. The
  // first thread of a process ends after the others.
  void bury();
  // False: it is gone. By the thread that seized it.
  bool is_stopped() const;

  bool resume(int request);  // PTRACE_CONT, PTRACE_SYSEMU
  // Until it stops; false: it is gone. A reaped one is remembered as such.
  bool wait();
  bool at_syscall() const;
  bool at_event() const { return status_ >> 16 != 0; }
  int signal() const;
  SysResult<siginfo_t> signal_info() const;

  SysResult<void> read(Registers& registers) const;
  SysResult<void> write(const Registers& registers) const;
  SysResult<void> write_rax(uint64_t value) const;
  // As of NT_X86_XSTATE.
  SysResult<std::vector<std::byte>> floating_point() const;
  SysResult<void> set_floating_point(std::span<const std::byte> state) const;

  // Runs stub code from registers.rip to its trap: the error of a call that the host has refused it. `interrupted` is
  // set when an interrupt came in between.
  SysResult<void> call(const Registers& registers, bool& interrupted);
  SysResult<uint64_t> rax() const;

 private:
  pid_t tid_ = -1;
  int status_ = 0x7f;  // as of one that is stopped
};

}  // namespace cella::sandbox::platform
