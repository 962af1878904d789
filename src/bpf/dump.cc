#include "bpf/dump.h"

#include <fmt/format.h>
#include <linux/seccomp.h>

#include <cstddef>

namespace cella::bpf {
namespace {

std::string field_text(uint32_t offset) {
  switch (offset) {
    case offsetof(seccomp_data, nr):
      return "nr";
    case offsetof(seccomp_data, arch):
      return "arch";
    case offsetof(seccomp_data, instruction_pointer):
      return "ip.low";
    case offsetof(seccomp_data, instruction_pointer) + 4:
      return "ip.high";
  }
  const uint32_t argument = offset - static_cast<uint32_t>(offsetof(seccomp_data, args));
  const bool first_word = argument % 8 == 0;
  return fmt::format("args[{}].{}", argument / 8,
                     first_word == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) ? "low" : "high");
}

const char* jump_name(int operation) {
  switch (operation) {
    case BPF_JEQ:
      return "jeq";
    case BPF_JGT:
      return "jgt";
    case BPF_JGE:
      return "jge";
    case BPF_JSET:
      return "jset";
  }
  return "j?";
}

std::string text(const sock_filter& insn, size_t at) {
  switch (insn.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      return "ld " + field_text(insn.k);
    case BPF_LD | BPF_IMM:
      return fmt::format("ld #{:#x}", insn.k);
    case BPF_LDX | BPF_IMM:
      return fmt::format("ldx #{:#x}", insn.k);
    case BPF_LD | BPF_MEM:
      return fmt::format("ld M[{}]", insn.k);
    case BPF_LDX | BPF_MEM:
      return fmt::format("ldx M[{}]", insn.k);
    case BPF_ST:
      return fmt::format("st M[{}]", insn.k);
    case BPF_STX:
      return fmt::format("stx M[{}]", insn.k);
    case BPF_MISC | BPF_TAX:
      return "tax";
    case BPF_MISC | BPF_TXA:
      return "txa";
    case BPF_ALU | BPF_AND | BPF_K:
      return fmt::format("and #{:#x}", insn.k);
    case BPF_JMP | BPF_JA:
      return fmt::format("ja {}", at + 1 + insn.k);
    case BPF_RET | BPF_A:
      return "ret a";
    case BPF_RET | BPF_K:
      return "ret " + seccomp_return_text(insn.k);
  }
  if (BPF_CLASS(insn.code) == BPF_JMP) {
    return fmt::format("{} {}, {}, {}", jump_name(BPF_OP(insn.code)),
                       BPF_SRC(insn.code) == BPF_X ? std::string("x") : fmt::format("#{:#x}", insn.k), at + 1 + insn.jt,
                       at + 1 + insn.jf);
  }
  return fmt::format("code {:#x} jt {} jf {} k {:#x}", insn.code, insn.jt, insn.jf, insn.k);
}

std::string text(const bpf_insn& insn, size_t at) {
  const unsigned to = insn.dst_reg, from = insn.src_reg;
  const long target = static_cast<long>(at) + 1 + insn.off;
  switch (insn.code) {
    case BPF_LDX | BPF_MEM | BPF_W:
      return fmt::format("r{} = *(u32 *)(r{} + {})", to, from, static_cast<int>(insn.off));
    case BPF_ALU64 | BPF_MOV | BPF_K:
      return fmt::format("r{} = {}", to, insn.imm);
    case BPF_ALU64 | BPF_AND | BPF_K:
      return fmt::format("r{} &= {:#x}", to, static_cast<uint32_t>(insn.imm));
    case BPF_ALU64 | BPF_RSH | BPF_K:
      return fmt::format("r{} >>= {}", to, insn.imm);
    case BPF_JMP | BPF_JA:
      return fmt::format("goto {}", target);
    case BPF_JMP | BPF_JNE | BPF_K:
      return fmt::format("if r{} != {} goto {}", to, insn.imm, target);
    case BPF_JMP | BPF_JEQ | BPF_K:
      return fmt::format("if r{} == {} goto {}", to, insn.imm, target);
    case BPF_JMP | BPF_JSET | BPF_K:
      return fmt::format("if r{} & {:#x} goto {}", to, insn.imm, target);
    case BPF_JMP | BPF_EXIT:
      return "exit";
  }
  return fmt::format("code {:#x} r{} r{} off {} imm {}", insn.code, to, from, static_cast<int>(insn.off), insn.imm);
}

template <typename Instruction>
std::string lines(std::span<const Instruction> program) {
  std::string result;
  for (size_t i = 0; i < program.size(); ++i) result += fmt::format("{:4}: {}\n", i, text(program[i], i));
  return result;
}

}  // namespace

std::string dump(std::span<const sock_filter> program) {
  return lines(program);
}
std::string dump(std::span<const bpf_insn> program) {
  return lines(program);
}

std::string seccomp_return_text(uint32_t value) {
  const uint32_t data = value & SECCOMP_RET_DATA;
  switch (value & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_KILL_PROCESS:
      return "KILL_PROCESS";
    case SECCOMP_RET_KILL_THREAD:
      return "KILL_THREAD";
    case SECCOMP_RET_TRAP:
      return "TRAP";
    case SECCOMP_RET_ERRNO:
      return fmt::format("ERRNO({})", data);
    case SECCOMP_RET_USER_NOTIF:
      return "NOTIFY";
    case SECCOMP_RET_TRACE:
      return fmt::format("TRACE({})", data);
    case SECCOMP_RET_LOG:
      return "LOG";
    case SECCOMP_RET_ALLOW:
      return "ALLOW";
  }
  return fmt::format("{:#x}", value);
}

}  // namespace cella::bpf
