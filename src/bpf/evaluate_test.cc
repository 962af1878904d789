#include "bpf/evaluate.h"

#include <gtest/gtest.h>

#include <vector>

#include "bpf/dump.h"

namespace cella::bpf {
namespace {

constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kReturn = BPF_RET | BPF_K, kJump = BPF_JMP | BPF_JA;
constexpr sock_filter kDone = {kReturn, 0, 0, 1};

TEST(Evaluate, RefusesWhatTheKernelRefuses) {
  const std::vector<sock_filter> bad[] = {
      {},
      {{kLoad, 0, 0, 0}},                            // no return
      {{kLoad, 0, 0, 2}, kDone},                     // not aligned
      {{kLoad, 0, 0, 64}, kDone},                    // beyond seccomp_data
      {{BPF_LD | BPF_H | BPF_ABS, 0, 0, 0}, kDone},  // not a word
      {{BPF_LD | BPF_W | BPF_IND, 0, 0, 0}, kDone},  // packets only
      {{kJump, 0, 0, 1}, kDone},                     // out of the program
      {{kJump, 0, 0, 0xffffffff}, kDone},            // backwards
      {{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, kDone},
      {{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0}, kDone},
      {{BPF_ST, 0, 0, 16}, kDone},  // no such cell
      {{BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0}, kDone},
      {{BPF_ALU | BPF_MOD | BPF_K, 0, 0, 3}, kDone},
      {{0xffff, 0, 0, 0}, kDone},
      std::vector<sock_filter>(4097, kDone),
  };
  for (const auto& program : bad) {
    EXPECT_FALSE(check_seccomp_program(program).has_value()) << dump(program);
    EXPECT_FALSE(evaluate(program, seccomp_data{}).has_value());
  }
  EXPECT_TRUE(check_seccomp_program(std::vector<sock_filter>(4096, kDone)).has_value());
}

TEST(Evaluate, EveryInstruction) {
  struct Case {
    std::vector<sock_filter> program;
    uint32_t value;
  };
  const uint16_t imm = BPF_LD | BPF_IMM, immx = BPF_LDX | BPF_IMM, ret = BPF_RET | BPF_A;
  const Case cases[] = {
      {{{imm, 0, 0, 7}, {ret, 0, 0, 0}}, 7},
      {{{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}, {ret, 0, 0, 0}}, 64},
      {{{BPF_LDX | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_MISC | BPF_TXA, 0, 0, 0}, {ret, 0, 0, 0}}, 64},
      {{{imm, 0, 0, 7}, {BPF_ST, 0, 0, 3}, {imm, 0, 0, 1}, {BPF_LD | BPF_MEM, 0, 0, 3}, {ret, 0, 0, 0}}, 7},
      {{{immx, 0, 0, 7}, {BPF_STX, 0, 0, 3}, {BPF_LD | BPF_MEM, 0, 0, 3}, {ret, 0, 0, 0}}, 7},
      {{{imm, 0, 0, 6}, {BPF_MISC | BPF_TAX, 0, 0, 0}, {BPF_ALU | BPF_MUL | BPF_X, 0, 0, 0}, {ret, 0, 0, 0}}, 36},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_NEG, 0, 0, 0}, {ret, 0, 0, 0}}, static_cast<uint32_t>(-6)},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_ADD | BPF_K, 0, 0, 3}, {ret, 0, 0, 0}}, 9},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_SUB | BPF_K, 0, 0, 3}, {ret, 0, 0, 0}}, 3},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_DIV | BPF_K, 0, 0, 3}, {ret, 0, 0, 0}}, 2},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_AND | BPF_K, 0, 0, 3}, {ret, 0, 0, 0}}, 2},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_OR | BPF_K, 0, 0, 3}, {ret, 0, 0, 0}}, 7},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_XOR | BPF_K, 0, 0, 3}, {ret, 0, 0, 0}}, 5},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_LSH | BPF_K, 0, 0, 3}, {ret, 0, 0, 0}}, 48},
      {{{imm, 0, 0, 6}, {BPF_ALU | BPF_RSH | BPF_K, 0, 0, 1}, {ret, 0, 0, 0}}, 3},
      {{{kJump, 0, 0, 1}, {kReturn, 0, 0, 1}, {kReturn, 0, 0, 2}}, 2},
      {{{imm, 0, 0, 6}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 6}, {kReturn, 0, 0, 1}, {kReturn, 0, 0, 2}}, 1},
      {{{imm, 0, 0, 6}, {BPF_JMP | BPF_JGT | BPF_K, 0, 1, 6}, {kReturn, 0, 0, 1}, {kReturn, 0, 0, 2}}, 2},
      {{{imm, 0, 0, 6}, {BPF_JMP | BPF_JGE | BPF_K, 0, 1, 6}, {kReturn, 0, 0, 1}, {kReturn, 0, 0, 2}}, 1},
      {{{imm, 0, 0, 6}, {BPF_JMP | BPF_JSET | BPF_K, 0, 1, 9}, {kReturn, 0, 0, 1}, {kReturn, 0, 0, 2}}, 2},
      {{{imm, 0, 0, 6}, {BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 6}, {kReturn, 0, 0, 1}, {kReturn, 0, 0, 2}}, 2},
      {{{kLoad, 0, 0, 16 + 8 * 5 + 4}, {ret, 0, 0, 0}}, 0x11},
  };
  seccomp_data data = {};
  data.args[5] = 0x11'0000'0022;
  for (const Case& test : cases) {
    auto result = evaluate(test.program, data);
    ASSERT_TRUE(result.has_value()) << dump(test.program);
    EXPECT_EQ(result->value, test.value) << dump(test.program);
  }
}

TEST(Evaluate, RefusesDeviceProgramsItDoesNotUnderstand) {
  const bpf_insn exit = {BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
  const bpf_insn zero = {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0};
  const std::vector<bpf_insn> bad[] = {
      {},
      {exit},  // R0 not written
      {zero},  // no exit
      {{BPF_JMP | BPF_JA, 0, 0, -1, 0}, zero, exit},
      {{BPF_JMP | BPF_JA, 0, 0, 5, 0}, zero, exit},
      {{BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 1}, zero, exit},  // R2 not written
      {{BPF_LDX | BPF_MEM | BPF_W, 2, 1, 12, 0}, zero, exit},   // beyond the context
      {{BPF_JMP | BPF_CALL, 0, 0, 0, 1}, zero, exit},
  };
  for (const auto& program : bad) EXPECT_FALSE(evaluate(program, bpf_cgroup_dev_ctx{}).has_value()) << dump(program);
  EXPECT_TRUE(evaluate(std::vector<bpf_insn>{zero, exit}, bpf_cgroup_dev_ctx{}).has_value());
}

TEST(Dump, OneLineAnInstruction) {
  const std::vector<sock_filter> filter = {{kLoad, 0, 0, 4},   {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0xc000003e},
                                           {kReturn, 0, 0, 0}, {kLoad, 0, 0, 20},
                                           {kJump, 0, 0, 0},   {kReturn, 0, 0, SECCOMP_RET_ERRNO | 38}};
  EXPECT_EQ(dump(filter),
            "   0: ld arch\n   1: jeq #0xc000003e, 3, 2\n   2: ret KILL_THREAD\n   3: ld args[0].high\n   4: ja 5\n"
            "   5: ret ERRNO(38)\n");
  const std::vector<bpf_insn> device = {{BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0},
                                        {BPF_JMP | BPF_JNE | BPF_K, 4, 0, 1, 8},
                                        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1},
                                        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  EXPECT_EQ(dump(device), "   0: r4 = *(u32 *)(r1 + 4)\n   1: if r4 != 8 goto 3\n   2: r0 = 1\n   3: exit\n");
}

}  // namespace
}  // namespace cella::bpf
