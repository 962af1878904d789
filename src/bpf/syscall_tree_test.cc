#include "bpf/syscall_tree.h"

#include <gtest/gtest.h>
#include <linux/audit.h>

#include "bpf/evaluate.h"

namespace cella::bpf {
namespace {

constexpr uint32_t kFell = 77;

uint32_t decide(const std::vector<sock_filter>& tree, uint32_t arch, uint32_t nr) {
  seccomp_data data = {};
  data.arch = arch;
  data.nr = static_cast<int>(nr);
  auto result = evaluate(tree, data);
  EXPECT_TRUE(result.has_value());
  return result ? result->value : 0;
}

TEST(SyscallRanges, SetsInTheMiddleAndAtBothEnds) {
  SyscallRanges ranges(return_leaf(1));
  ranges.set(10, 20, return_leaf(2));
  ranges.set(15, return_leaf(3));
  ranges.set(0, return_leaf(4));
  ranges.set(100, UINT32_MAX, return_leaf(5));
  ranges.set(UINT32_MAX, continue_leaf(1));
  const std::map<uint32_t, SyscallLeaf> expected = {
      {0, return_leaf(4)},  {1, return_leaf(1)},  {10, return_leaf(2)},  {15, return_leaf(3)},
      {16, return_leaf(2)}, {21, return_leaf(1)}, {100, return_leaf(5)}, {UINT32_MAX, continue_leaf(1)}};
  EXPECT_EQ(ranges.ranges(), expected);
  ranges.set(5, 99, return_leaf(6));
  EXPECT_EQ(ranges.ranges().size(), 5u);
}

// More than 255 instructions on either side, so that both forms of a branch are used, in two sections.
TEST(SyscallTree, DecidesEveryNumberOfALargeTree) {
  auto expected = [](uint32_t nr) { return nr < 3000 ? nr * 7 % 11 : 5; };
  SyscallRanges large(return_leaf(5));
  for (uint32_t nr = 0; nr < 1000; ++nr) large.set(nr, return_leaf(expected(nr)));
  large.set(500, continue_leaf(1));
  SyscallRanges small(continue_leaf(1));
  small.set(3, return_leaf(9));
  auto tree = emit_syscall_tree({{AUDIT_ARCH_X86_64, large}, {AUDIT_ARCH_I386, small}}, 66,
                                {{{BPF_RET | BPF_K, 0, 0, 65}}, {{BPF_RET | BPF_K, 0, 0, kFell}}});
  for (uint32_t nr = 0; nr < 1000; ++nr) {
    EXPECT_EQ(decide(tree, AUDIT_ARCH_X86_64, nr), nr == 500 ? kFell : expected(nr)) << nr;
    EXPECT_EQ(decide(tree, AUDIT_ARCH_I386, nr), nr == 3 ? 9 : kFell) << nr;
    EXPECT_EQ(decide(tree, AUDIT_ARCH_ARM, nr), 66u) << nr;
  }
  EXPECT_EQ(decide(tree, AUDIT_ARCH_X86_64, 1000), 5u);
  EXPECT_EQ(decide(tree, AUDIT_ARCH_X86_64, UINT32_MAX), 5u);
}

}  // namespace
}  // namespace cella::bpf
