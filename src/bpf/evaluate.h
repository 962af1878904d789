// Evaluators of BPF programs, in process: for tests, and for explaining a filter to a user. Not a verifier of eBPF:
// only what device_program.h emits is understood.
#pragma once

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <span>

#include <cella/error.h>

namespace cella::bpf {

struct Evaluation {
  uint32_t value = 0;  // SECCOMP_RET_* with its data, or a device program's 0 (refused) or 1
  size_t steps = 0;    // instructions executed
};

// The checks that seccomp(2) makes before it takes a program: 1 to 4096 instructions of the set it knows, every jump
// inside the program, every load an aligned word of seccomp_data, the last instruction a return. EINVAL otherwise.
SysResult<void> check_seccomp_program(std::span<const sock_filter> program);

// Runs a program that has been checked.
Evaluation run_seccomp_program(std::span<const sock_filter> program, const seccomp_data& data);

// Checks the program, then runs it. EINVAL when the kernel would refuse the program.
SysResult<Evaluation> evaluate(std::span<const sock_filter> program, const seccomp_data& data);

// Runs a BPF_PROG_TYPE_CGROUP_DEVICE program. EINVAL for an instruction it does not know, a jump backwards or out of
// the program, a register read before it is written, or an end without BPF_EXIT.
SysResult<Evaluation> evaluate(std::span<const bpf_insn> program, const bpf_cgroup_dev_ctx& context);

}  // namespace cella::bpf
