#include "bpf/evaluate.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/result.h"

namespace cella::bpf {
namespace {

std::unexpected<Errno> invalid() {
  return std::unexpected(Errno{EINVAL});
}

// Is this one of the instructions of seccomp_check_filter() in the kernel?
bool known(uint16_t code) {
  switch (code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_ALU | BPF_NEG:
    case BPF_JMP | BPF_JA:
      return true;
  }
  if (BPF_CLASS(code) == BPF_ALU) {
    const int operation = BPF_OP(code);
    return code == (BPF_ALU | operation | BPF_SRC(code)) && operation <= BPF_XOR && operation != BPF_NEG &&
           operation != BPF_MOD;
  }
  if (BPF_CLASS(code) == BPF_JMP) {
    const int operation = BPF_OP(code);
    return code == (BPF_JMP | operation | BPF_SRC(code)) && operation >= BPF_JEQ && operation <= BPF_JSET;
  }
  return false;
}

bool uses_memory(uint16_t code) {
  return code == (BPF_LD | BPF_MEM) || code == (BPF_LDX | BPF_MEM) || code == BPF_ST || code == BPF_STX;
}

// Nothing: it divides by 0.
std::optional<uint32_t> arithmetic(int operation, uint32_t a, uint32_t b) {
  switch (operation) {
    case BPF_ADD:
      return a + b;
    case BPF_SUB:
      return a - b;
    case BPF_MUL:
      return a * b;
    case BPF_OR:
      return a | b;
    case BPF_AND:
      return a & b;
    case BPF_XOR:
      return a ^ b;
    case BPF_LSH:
      return a << (b & 31);
    case BPF_RSH:
      return a >> (b & 31);
    case BPF_DIV:
      if (b == 0) return std::nullopt;
      return a / b;
  }
  return std::nullopt;
}

bool compare(int operation, uint32_t a, uint32_t b) {
  switch (operation) {
    case BPF_JEQ:
      return a == b;
    case BPF_JGT:
      return a > b;
    case BPF_JGE:
      return a >= b;
    default:
      return (a & b) != 0;
  }
}

}  // namespace

SysResult<void> check_seccomp_program(std::span<const sock_filter> program) {
  if (program.empty() || program.size() > BPF_MAXINSNS) return invalid();
  for (size_t i = 0; i < program.size(); ++i) {
    const sock_filter& insn = program[i];
    const size_t left = program.size() - i - 1;
    if (!known(insn.code)) return invalid();
    if (insn.code == (BPF_LD | BPF_W | BPF_ABS) && (insn.k >= sizeof(seccomp_data) || insn.k % 4 != 0))
      return invalid();
    if (uses_memory(insn.code) && insn.k >= BPF_MEMWORDS) return invalid();
    if (insn.code == (BPF_ALU | BPF_DIV | BPF_K) && insn.k == 0) return invalid();
    if (insn.code == (BPF_JMP | BPF_JA)) {
      if (insn.k >= left) return invalid();
    } else if (BPF_CLASS(insn.code) == BPF_JMP && (insn.jt >= left || insn.jf >= left)) {
      return invalid();
    }
  }
  if (BPF_CLASS(program.back().code) != BPF_RET) return invalid();
  return {};
}

Evaluation run_seccomp_program(std::span<const sock_filter> program, const seccomp_data& data) {
  uint32_t a = 0, x = 0;
  uint32_t memory[BPF_MEMWORDS] = {};
  size_t steps = 0;
  // Every jump goes forward, so this ends.
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& insn = program[pc];
    ++steps;
    switch (insn.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + insn.k, sizeof a);
        continue;
      case BPF_LD | BPF_W | BPF_LEN:
        a = sizeof data;
        continue;
      case BPF_LDX | BPF_W | BPF_LEN:
        x = sizeof data;
        continue;
      case BPF_LD | BPF_IMM:
        a = insn.k;
        continue;
      case BPF_LDX | BPF_IMM:
        x = insn.k;
        continue;
      case BPF_LD | BPF_MEM:
        a = memory[insn.k];
        continue;
      case BPF_LDX | BPF_MEM:
        x = memory[insn.k];
        continue;
      case BPF_ST:
        memory[insn.k] = a;
        continue;
      case BPF_STX:
        memory[insn.k] = x;
        continue;
      case BPF_MISC | BPF_TAX:
        x = a;
        continue;
      case BPF_MISC | BPF_TXA:
        a = x;
        continue;
      case BPF_RET | BPF_K:
        return Evaluation{insn.k, steps};
      case BPF_RET | BPF_A:
        return Evaluation{a, steps};
      case BPF_ALU | BPF_NEG:
        a = -a;
        continue;
      case BPF_JMP | BPF_JA:
        pc += insn.k;
        continue;
    }
    const uint32_t operand = BPF_SRC(insn.code) == BPF_X ? x : insn.k;
    if (BPF_CLASS(insn.code) == BPF_ALU) {
      const std::optional<uint32_t> result = arithmetic(BPF_OP(insn.code), a, operand);
      if (!result) return Evaluation{SECCOMP_RET_KILL_THREAD, steps};  // as the kernel ends such a program
      a = *result;
    } else {
      pc += compare(BPF_OP(insn.code), a, operand) ? insn.jt : insn.jf;
    }
  }
  return Evaluation{SECCOMP_RET_KILL_THREAD, steps};  // not reached: the last instruction is a return
}

SysResult<Evaluation> evaluate(std::span<const sock_filter> program, const seccomp_data& data) {
  TRY(check_seccomp_program(program));
  return run_seccomp_program(program, data);
}

SysResult<Evaluation> evaluate(std::span<const bpf_insn> program, const bpf_cgroup_dev_ctx& context) {
  uint64_t registers[11] = {};
  uint32_t written = 1u << BPF_REG_1;  // R1 is the context: only ever an address
  size_t steps = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const bpf_insn& insn = program[pc];
    ++steps;
    if (insn.dst_reg > 10 || insn.src_reg > 10) return invalid();
    uint64_t& to = registers[insn.dst_reg];
    const bool to_written = (written >> insn.dst_reg & 1) != 0 && insn.dst_reg != BPF_REG_1;
    const uint64_t immediate = static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    if (insn.code == (BPF_LDX | BPF_MEM | BPF_W)) {
      if (insn.src_reg != BPF_REG_1 || insn.off < 0 || insn.off % 4 != 0 ||
          static_cast<size_t>(insn.off) >= sizeof context || insn.dst_reg == BPF_REG_1) {
        return invalid();
      }
      uint32_t word = 0;
      std::memcpy(&word, reinterpret_cast<const char*>(&context) + insn.off, sizeof word);
      to = word;
      written |= 1u << insn.dst_reg;
      continue;
    }
    if (insn.code == (BPF_ALU64 | BPF_MOV | BPF_K)) {
      if (insn.dst_reg == BPF_REG_1 || insn.dst_reg == BPF_REG_10) return invalid();
      to = immediate;
      written |= 1u << insn.dst_reg;
      continue;
    }
    if (insn.code == (BPF_JMP | BPF_EXIT)) {
      if ((written & 1) == 0) return invalid();
      return Evaluation{static_cast<uint32_t>(registers[0]), steps};
    }
    bool jump = false;
    switch (insn.code) {
      case BPF_JMP | BPF_JA:
        jump = true;
        break;
      case BPF_JMP | BPF_JNE | BPF_K:
        jump = to != immediate;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump = to == immediate;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump = (to & immediate) != 0;
        break;
      case BPF_ALU64 | BPF_AND | BPF_K:
        to &= immediate;
        break;
      case BPF_ALU64 | BPF_RSH | BPF_K:
        to >>= insn.imm & 63;
        break;
      default:
        return invalid();
    }
    if (insn.code != (BPF_JMP | BPF_JA) && !to_written) return invalid();
    if (jump) {
      if (insn.off < 0) return invalid();
      pc += static_cast<size_t>(insn.off);
    }
  }
  return invalid();
}

}  // namespace cella::bpf
