#include "sandbox/task/seccomp.h"

#include <gtest/gtest.h>
#include <linux/audit.h>

#include <cerrno>
#include <cstddef>
#include <random>

#include "bpf/evaluate.h"

namespace cella::sandbox::task {
namespace {

using Program = std::vector<sock_filter>;
using FilterPtr = std::shared_ptr<SeccompFilter>;

Program always(uint32_t value) {
  return {BPF_STMT(BPF_RET | BPF_K, value)};
}
FilterPtr make(Program program, FilterPtr previous = nullptr, uint64_t flags = 0) {
  return *SeccompFilter::make(std::move(program), flags, std::move(previous));
}
seccomp_data call(int number, uint64_t argument = 0) {
  return {.nr = number, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = 0, .args = {argument}};
}

TEST(SeccompFilter, TheStrictestOfAllCounts) {
  const FilterPtr first = make(always(SECCOMP_RET_ERRNO | 1)), second = make(always(SECCOMP_RET_TRACE), first),
                  third = make(always(SECCOMP_RET_ERRNO | 2), second),
                  last = make(always(SECCOMP_RET_KILL_PROCESS), third);
  EXPECT_EQ(second->evaluate(call(1)).value, SECCOMP_RET_ERRNO | 1u);
  EXPECT_EQ(third->evaluate(call(1)).value, SECCOMP_RET_ERRNO | 2u) << "of two that are equal the newer";
  EXPECT_EQ(last->evaluate(call(1)).value, SECCOMP_RET_KILL_PROCESS) << "the sign bit is the strictest";
  EXPECT_EQ(last->count(), 4u);
}

TEST(SeccompFilter, KnowsItsAncestors) {
  const FilterPtr first = make(always(SECCOMP_RET_ALLOW)), second = make(always(SECCOMP_RET_ALLOW), first),
                  other = make(always(SECCOMP_RET_ALLOW), first);
  EXPECT_TRUE(second->descends_from(first.get()));
  EXPECT_TRUE(second->descends_from(second.get()));
  EXPECT_TRUE(second->descends_from(nullptr));
  EXPECT_FALSE(second->descends_from(other.get()));
}

TEST(SeccompFilter, SaysWhatIsLogged) {
  const FilterPtr quiet = make(always(SECCOMP_RET_ERRNO)),
                  loud = make(always(SECCOMP_RET_ERRNO), nullptr, SECCOMP_FILTER_FLAG_LOG);
  EXPECT_FALSE(quiet->evaluate(call(1)).is_logged);
  EXPECT_TRUE(loud->evaluate(call(1)).is_logged);
  EXPECT_TRUE(make(always(SECCOMP_RET_LOG))->evaluate(call(1)).is_logged);
  EXPECT_FALSE(make(always(SECCOMP_RET_ALLOW), nullptr, SECCOMP_FILTER_FLAG_LOG)->evaluate(call(1)).is_logged);
}

TEST(SeccompFilter, DividingByNothingEndsTheThread) {
  const FilterPtr filter = make({BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_LDX | BPF_IMM, 0),
                                 BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), BPF_STMT(BPF_RET | BPF_A, 0)});
  EXPECT_EQ(filter->evaluate(call(1)).value, SECCOMP_RET_KILL_THREAD);
}

TEST(SeccompFilter, IsLimitedInLength) {
  Program longest(BPF_MAXINSNS, BPF_STMT(BPF_LD | BPF_IMM, 0));
  longest.back() = always(SECCOMP_RET_ALLOW)[0];
  FilterPtr filter;
  for (int i = 0; i < 7; ++i) filter = make(longest, filter);
  SysResult<FilterPtr> eighth = SeccompFilter::make(longest, 0, filter);
  ASSERT_FALSE(eighth);
  EXPECT_EQ(eighth.error().value, ENOMEM);
}

// What is known about numbers beforehand is what the programs say.
TEST(SeccompFilter, AgreesWithItsProgram) {
  std::mt19937 random(1);
  auto pick = [&](size_t most) { return static_cast<uint32_t>(random() % most); };
  constexpr uint16_t kCompare[] = {BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JGE | BPF_K, BPF_JMP | BPF_JGT | BPF_K,
                                   BPF_JMP | BPF_JSET | BPF_K};
  constexpr uint32_t kWords[] = {offsetof(seccomp_data, nr), offsetof(seccomp_data, arch),
                                 offsetof(seccomp_data, args)};
  constexpr uint32_t kActions[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP};
  for (int round = 0; round < 300; ++round) {
    constexpr size_t kLength = 24;
    Program program;
    while (program.size() < kLength - 1) {
      const auto left = static_cast<uint32_t>(kLength - program.size() - 1);
      switch (pick(4)) {
        case 0:
          program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kWords[pick(3)]));
          break;
        case 1:
          program.push_back(always(kActions[pick(4)])[0]);
          break;
        case 2:
          program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, pick(512)));
          break;
        default:
          program.push_back(BPF_JUMP(kCompare[pick(4)], pick(512), static_cast<uint8_t>(pick(left)),
                                     static_cast<uint8_t>(pick(left))));
      }
    }
    program.push_back(always(kActions[pick(4)])[0]);
    const FilterPtr filter = make(program);
    for (int number = 0; number < 600; ++number) {
      for (uint64_t argument : {0, 3, 511}) {
        const seccomp_data data = call(number, argument);
        const uint32_t wanted = bpf::run_seccomp_program(program, data).value;
        ASSERT_EQ(filter->evaluate(data).value, wanted) << round << ": " << number << ", " << argument;
      }
    }
  }
}

}  // namespace
}  // namespace cella::sandbox::task
