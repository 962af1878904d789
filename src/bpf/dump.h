// BPF programs as text, one line an instruction, for --dry-run and --debug. Not stable, not for parsing.
#pragma once

#include <linux/bpf.h>
#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>

namespace cella::bpf {

// " 12: jge #0x1c1, 20, 13": the operation, its operand and where the jumps land.
std::string dump(std::span<const sock_filter> program);
// "  3: if r2 != 2 goto 9".
std::string dump(std::span<const bpf_insn> program);
// "ERRNO(38)", "KILL_THREAD" for a SECCOMP_RET_* value.
std::string seccomp_return_text(uint32_t value);

}  // namespace cella::bpf
