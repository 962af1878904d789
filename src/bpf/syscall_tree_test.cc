#include "bpf/syscall_tree.h"

#include <gtest/gtest.h>
#include <linux/audit.h>

#include "bpf/evaluate.h"

namespace cella::bpf {
namespace {

constexpr uint32_t kFell = 77;

uint32_t decide(const std::vector<sock_filter>& tree, uint32_t arch, uint32_t nr) {
  std::vector<sock_filter> program = tree;
  program.push_back({BPF_RET | BPF_K, 0, 0, kFell});
  seccomp_data data = {};
  data.arch = arch;
  data.nr = static_cast<int>(nr);
  auto result = evaluate(program, data);
  EXPECT_TRUE(result.has_value());
  return result ? result->value : 0;
}

TEST(SyscallRanges, SetsInTheMiddleAndAtBothEnds) {
  SyscallRanges ranges({false, 1});
  ranges.set(10, 20, {false, 2});
  ranges.set(15, {false, 3});
  ranges.set(0, {false, 4});
  ranges.set(100, UINT32_MAX, {false, 5});
  ranges.set(UINT32_MAX, kFall);
  const std::map<uint32_t, SyscallLeaf> expected = {
      {0, {false, 4}},  {1, {false, 1}},  {10, {false, 2}},  {15, {false, 3}},
      {16, {false, 2}}, {21, {false, 1}}, {100, {false, 5}}, {UINT32_MAX, kFall}};
  EXPECT_EQ(ranges.ranges(), expected);
  ranges.set(5, 99, {false, 6});
  EXPECT_EQ(ranges.ranges().size(), 5u);
}

// More than 255 instructions on either side, so that both forms of a branch are used, in two sections.
TEST(SyscallTree, DecidesEveryNumberOfALargeTree) {
  auto expected = [](uint32_t nr) { return nr < 3000 ? nr * 7 % 11 : 5; };
  SyscallRanges large({false, 5});
  for (uint32_t nr = 0; nr < 1000; ++nr) large.set(nr, {false, expected(nr)});
  large.set(500, kFall);
  SyscallRanges small(kFall);
  small.set(3, {false, 9});
  auto tree = emit_syscall_tree({{AUDIT_ARCH_X86_64, large}, {AUDIT_ARCH_I386, small}});
  for (uint32_t nr = 0; nr < 1000; ++nr) {
    EXPECT_EQ(decide(tree, AUDIT_ARCH_X86_64, nr), nr == 500 ? kFell : expected(nr)) << nr;
    EXPECT_EQ(decide(tree, AUDIT_ARCH_I386, nr), nr == 3 ? 9 : kFell) << nr;
    EXPECT_EQ(decide(tree, AUDIT_ARCH_ARM, nr), kFell) << nr;
  }
  EXPECT_EQ(decide(tree, AUDIT_ARCH_X86_64, 1000), 5u);
  EXPECT_EQ(decide(tree, AUDIT_ARCH_X86_64, UINT32_MAX), 5u);
}

}  // namespace
}  // namespace cella::bpf
