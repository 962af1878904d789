#include "bpf/seccomp.h"

#include <errno.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include <chrono>

#include "bpf/evaluate.h"
#include "bpf/seccomp_testing.h"

namespace cella::bpf {
namespace {

using testing::decide;
using testing::number;

constexpr uint32_t kEnosysValue = SECCOMP_RET_ERRNO | ENOSYS;

SeccompProgram compile(const SeccompPolicy& policy, std::vector<SeccompIgnored>* ignored = nullptr) {
  auto program = compile_seccomp(policy, ignored);
  EXPECT_TRUE(program.has_value()) << (program ? "" : program.error().text());
  if (!program) return {};
  EXPECT_TRUE(check_seccomp_program(program->instructions).has_value());
  return std::move(*program);
}

std::string error_of(const SeccompPolicy& policy) {
  auto program = compile_seccomp(policy);
  return program ? std::string("no error") : program.error().text();
}

TEST(Seccomp, EveryActionReturnsItsValue) {
  struct Case {
    const char* name;
    std::optional<uint32_t> errno_ret;
    uint32_t value;
  };
  const Case cases[] = {
      {"SCMP_ACT_KILL", {}, SECCOMP_RET_KILL_THREAD},          {"SCMP_ACT_KILL_THREAD", {}, SECCOMP_RET_KILL_THREAD},
      {"SCMP_ACT_KILL_PROCESS", {}, SECCOMP_RET_KILL_PROCESS}, {"SCMP_ACT_TRAP", {}, SECCOMP_RET_TRAP},
      {"SCMP_ACT_ERRNO", {}, SECCOMP_RET_ERRNO | EPERM},       {"SCMP_ACT_ERRNO", 0, SECCOMP_RET_ERRNO},
      {"SCMP_ACT_ERRNO", 4094, SECCOMP_RET_ERRNO | 4094},      {"SCMP_ACT_TRACE", {}, SECCOMP_RET_TRACE | EPERM},
      {"SCMP_ACT_TRACE", 0xffff, SECCOMP_RET_TRACE | 0xffff},  {"SCMP_ACT_LOG", {}, SECCOMP_RET_LOG},
      {"SCMP_ACT_NOTIFY", {}, SECCOMP_RET_USER_NOTIF},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    SeccompPolicy policy;
    const SeccompAction action = *seccomp_action_from_name(test.name);
    policy.rules.push_back({"getppid", action, test.errno_ret, {}});
    policy.rules.push_back({"getpgid", action, test.errno_ret, {{0, 5, 0, SeccompOperator::kEqual}}});
    SeccompProgram program = compile(policy);
    EXPECT_EQ(decide(program, SYS_getppid), test.value);
    EXPECT_EQ(decide(program, SYS_getpgid, {5}), test.value);
    EXPECT_EQ(decide(program, SYS_getpgid, {6}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(program, SYS_getpid), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(program, 100000), SECCOMP_RET_ALLOW);
    EXPECT_EQ(program.wants_listener, action == SeccompAction::kNotify);
    // The same action as the default one.
    if (action == SeccompAction::kNotify) continue;
    SeccompPolicy strict = {action, test.errno_ret, {}, {}, {{"getpid", SeccompAction::kAllow, {}, {}}}};
    program = compile(strict);
    EXPECT_EQ(decide(program, SYS_getpid), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(program, SYS_read), test.value);
  }
}

TEST(Seccomp, EveryOperatorComparesUnsigned64Bits) {
  struct Case {
    const char* op;
    uint64_t value, value_two, argument;
    bool matches;
  };
  const uint64_t big = 0x1'0000'0005, huge = 0xffff'ffff'ffff'fffe;
  const Case cases[] = {
      {"SCMP_CMP_EQ", 5, 0, 5, true},
      {"SCMP_CMP_EQ", 5, 0, big, false},
      {"SCMP_CMP_EQ", big, 0, big, true},
      {"SCMP_CMP_EQ", big, 0, 5, false},
      {"SCMP_CMP_NE", 5, 0, 5, false},
      {"SCMP_CMP_NE", 5, 0, big, true},
      {"SCMP_CMP_NE", big, 0, 5, true},
      {"SCMP_CMP_LT", 5, 0, 4, true},
      {"SCMP_CMP_LT", 5, 0, 5, false},
      {"SCMP_CMP_LT", big, 0, 6, true},
      {"SCMP_CMP_LT", 5, 0, huge, false},
      {"SCMP_CMP_LE", 5, 0, 5, true},
      {"SCMP_CMP_LE", 5, 0, 6, false},
      {"SCMP_CMP_LE", big, 0, 0xffffffff, true},
      {"SCMP_CMP_LE", 5, 0, big, false},
      {"SCMP_CMP_GE", 5, 0, 5, true},
      {"SCMP_CMP_GE", 5, 0, 4, false},
      {"SCMP_CMP_GE", big, 0, 0xffffffff, false},
      {"SCMP_CMP_GE", 5, 0, huge, true},
      {"SCMP_CMP_GT", 5, 0, 5, false},
      {"SCMP_CMP_GT", 5, 0, 6, true},
      {"SCMP_CMP_GT", big, 0, big + 1, true},
      {"SCMP_CMP_GT", huge, 0, huge, false},
      {"SCMP_CMP_MASKED_EQ", 0x7e020000, 0, 0x01000011, true},
      {"SCMP_CMP_MASKED_EQ", 0x7e020000, 0, 0x10000011, false},
      {"SCMP_CMP_MASKED_EQ", 0xff00, 0x1200, 0x1234, true},
      {"SCMP_CMP_MASKED_EQ", 0xff00, 0x1200, 0x1334, false},
      {"SCMP_CMP_MASKED_EQ", 0xf'0000'0000, 0x3'0000'0000, 0x3'0000'0001, true},
      {"SCMP_CMP_MASKED_EQ", 0xf'0000'0000, 0x3'0000'0000, 0x2'0000'0001, false},
  };
  for (const Case& test : cases) {
    for (uint32_t index = 0; index < 6; ++index) {
      SCOPED_TRACE(
          fmt::format("arg {} = {:#x} {} {:#x} {:#x}", index, test.argument, test.op, test.value, test.value_two));
      SeccompPolicy policy;
      const SeccompArg arg = {index, test.value, test.value_two, *seccomp_operator_from_name(test.op)};
      policy.rules.push_back({"mmap", SeccompAction::kErrno, 9, {arg}});
      std::array<uint64_t, 6> args = {};
      args[index] = test.argument;
      EXPECT_EQ(decide(compile(policy), SYS_mmap, args), test.matches ? SECCOMP_RET_ERRNO | 9 : SECCOMP_RET_ALLOW);
    }
  }
}

TEST(Seccomp, ConditionsOnDifferentArgumentsAreAConjunction) {
  SeccompPolicy policy;
  policy.rules.push_back(
      {"socket", SeccompAction::kErrno, {}, {{0, 16, 0, SeccompOperator::kEqual}, {2, 9, 0, SeccompOperator::kEqual}}});
  SeccompProgram program = compile(policy);
  EXPECT_EQ(decide(program, SYS_socket, {16, 0, 9}), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(decide(program, SYS_socket, {16, 0, 8}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(decide(program, SYS_socket, {15, 0, 9}), SECCOMP_RET_ALLOW);
}

TEST(Seccomp, ConditionsOnOneArgumentAreADisjunction) {
  SeccompPolicy policy;
  policy.rules.push_back({"personality",
                          SeccompAction::kErrno,
                          {},
                          {{0, 1, 0, SeccompOperator::kEqual}, {0, 8, 0, SeccompOperator::kEqual}}});
  SeccompProgram program = compile(policy);
  EXPECT_EQ(decide(program, SYS_personality, {1}), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(decide(program, SYS_personality, {8}), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(decide(program, SYS_personality, {9}), SECCOMP_RET_ALLOW);
}

TEST(Seccomp, UnknownSyscallsGetEnosysWhereTheDefaultRefuses) {
  struct Case {
    SeccompAction action;
    std::optional<uint32_t> errno_ret;
    bool stub;
  };
  const Case cases[] = {
      {SeccompAction::kErrno, {}, true},       {SeccompAction::kErrno, ENOSYS, true},
      {SeccompAction::kErrno, EACCES, true},   {SeccompAction::kKillThread, {}, true},
      {SeccompAction::kKillProcess, {}, true}, {SeccompAction::kTrap, {}, true},
      {SeccompAction::kAllow, {}, false},      {SeccompAction::kLog, {}, false},
      {SeccompAction::kTrace, {}, false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(seccomp_action_name(test.action));
    SeccompPolicy policy = {test.action, test.errno_ret, {"SCMP_ARCH_X86", "SCMP_ARCH_X32"}, {}, {}};
    policy.rules.push_back({"statx", test.action, test.errno_ret, {}});  // redundant, but the last one known
    policy.rules.push_back({"getpid", SeccompAction::kNotify, {}, {}});
    const uint32_t refused = *seccomp_return_value(test.action, test.errno_ret);
    const uint32_t unknown = test.stub ? kEnosysValue : refused;
    SeccompProgram program = compile(policy);
    EXPECT_EQ(decide(program, SYS_statx), refused);
    EXPECT_EQ(decide(program, SYS_statx + 1), unknown);
    EXPECT_EQ(decide(program, 0x3fffffff), unknown);
    const uint32_t x86 = number(SCMP_ARCH_X86, "statx"), x32 = number(SCMP_ARCH_X32, "statx");
    EXPECT_EQ(x32 & 0x40000000, 0x40000000u);
    EXPECT_EQ(testing::decide_on(program, AUDIT_ARCH_I386, x86), refused);
    EXPECT_EQ(testing::decide_on(program, AUDIT_ARCH_I386, x86 + 1), unknown);
    EXPECT_EQ(decide(program, x32), refused);
    EXPECT_EQ(decide(program, x32 + 1), unknown);
    EXPECT_EQ(decide(program, 0xffffffff), unknown);
  }
}

TEST(Seccomp, AnArchitectureThatIsNotNamedIsKilled) {
  SeccompPolicy policy;
  SeccompProgram program = compile(policy);
  EXPECT_EQ(testing::decide_on(program, AUDIT_ARCH_I386, 20), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(decide(program, 0x40000000 | SYS_getpid), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(decide(program, SYS_getpid), SECCOMP_RET_ALLOW);
}

TEST(Seccomp, ArchitecturesOfTheSpecification) {
  // Everything that libseccomp knows and that has our byte order compiles; the rest is ignored, and said so.
  struct Case {
    const char* name;
    const char* warning;
  };
  const Case cases[] = {
      {"SCMP_ARCH_X86", ""},
      {"SCMP_ARCH_X86_64", ""},
      {"SCMP_ARCH_X32", ""},
      {"SCMP_ARCH_ARM", ""},
      {"SCMP_ARCH_AARCH64", ""},
      {"SCMP_ARCH_MIPSEL", ""},
      {"SCMP_ARCH_MIPSEL64", ""},
      {"SCMP_ARCH_MIPSEL64N32", ""},
      {"SCMP_ARCH_PPC64LE", ""},
      {"SCMP_ARCH_RISCV64", ""},
      {"SCMP_ARCH_MIPS", "order"},
      {"SCMP_ARCH_MIPS64", "order"},
      {"SCMP_ARCH_MIPS64N32", "order"},
      {"SCMP_ARCH_PPC", "order"},
      {"SCMP_ARCH_PPC64", "order"},
      {"SCMP_ARCH_S390", "order"},
      {"SCMP_ARCH_S390X", "order"},
      {"SCMP_ARCH_PARISC", "order"},
      {"SCMP_ARCH_PARISC64", "order"},
      {"SCMP_ARCH_LOONGARCH64", "know"},
      {"SCMP_ARCH_M68K", "know"},
      {"SCMP_ARCH_SH", "know"},
      {"SCMP_ARCH_SHEB", "know"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    SeccompPolicy policy = {SeccompAction::kKillProcess, {}, {test.name}, {}, {}};
    policy.rules.push_back({"getpid", SeccompAction::kAllow, {}, {}});
    policy.rules.push_back({"statx", SeccompAction::kKillProcess, {}, {}});  // the last one known
    policy.rules.push_back({"socket", SeccompAction::kAllow, {}, {{0, 1, 0, SeccompOperator::kEqual}}});
    std::vector<SeccompIgnored> ignored;
    SeccompProgram program = compile(policy, &ignored);
    EXPECT_EQ(decide(program, SYS_getpid), SECCOMP_RET_ALLOW);
    const SeccompArchitecture& arch = *seccomp_architecture(test.name);
    if (*test.warning == 0) {
      EXPECT_TRUE(ignored.empty());
      EXPECT_EQ(testing::decide_on(program, arch.audit_arch, number(arch.token, "getpid")), SECCOMP_RET_ALLOW);
      EXPECT_EQ(testing::decide_on(program, arch.audit_arch, number(arch.token, "gettid")), SECCOMP_RET_KILL_PROCESS);
    } else {
      ASSERT_EQ(ignored.size(), 1u);
      EXPECT_EQ(ignored[0].what, SeccompIgnored::kArchitecture);
      EXPECT_EQ(ignored[0].index, policy.architectures.size() - 1);
      EXPECT_NE(ignored[0].message.find(test.warning), std::string::npos) << ignored[0].message;
      EXPECT_NE(ignored[0].message.find(test.name), std::string::npos) << ignored[0].message;
      EXPECT_EQ(testing::decide_on(program, arch.audit_arch, 20), SECCOMP_RET_KILL_THREAD);
    }
  }
}

TEST(Seccomp, Flags) {
  struct Case {
    std::vector<std::string> names;
    bool notify;
    uint32_t flags;
  };
  const Case cases[] = {
      {{}, false, 0},
      {{"SECCOMP_FILTER_FLAG_LOG"}, false, 2},
      {{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"}, false, 5},
      {{}, true, 8},
      {{"SECCOMP_FILTER_FLAG_TSYNC"}, true, 1 | 8 | 16},
      {{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}, true, 8 | 32},
  };
  for (const Case& test : cases) {
    SeccompPolicy policy;
    policy.flags = test.names;
    if (test.notify) policy.rules.push_back({"write", SeccompAction::kNotify, {}, {}});
    EXPECT_EQ(compile(policy).flags, test.flags);
  }
}

TEST(Seccomp, RefusesWhatCannotBeMeant) {
  SeccompPolicy ok;
  ok.rules.push_back({"mkdir", SeccompAction::kErrno, {}, {{0, 1, 0, SeccompOperator::kEqual}}});
  SeccompPolicy p = ok;
  p.default_action = SeccompAction::kNotify;
  EXPECT_EQ(error_of(p), "SCMP_ACT_NOTIFY cannot be used as default action");
  p = ok;
  p.architectures = {"SCMP_ARCH_VAX"};
  EXPECT_EQ(error_of(p), "seccomp architecture SCMP_ARCH_VAX is not known");
  p = ok;
  p.flags = {"SECCOMP_FILTER_FLAG_NEW_LISTENER"};
  EXPECT_EQ(error_of(p), "seccomp flag SECCOMP_FILTER_FLAG_NEW_LISTENER is not known");
  p = ok;
  p.flags = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  EXPECT_NE(error_of(p).find("needs a rule with SCMP_ACT_NOTIFY"), std::string::npos);
  p = ok;
  p.rules[0].args[0].index = 6;
  EXPECT_EQ(error_of(p), "seccomp rule for mkdir: a syscall has no argument 6");
  p = ok;
  p.rules[0].errno_ret = 4095;
  EXPECT_EQ(error_of(p), "seccomp rule for mkdir: seccomp: errnoRet 4095 of SCMP_ACT_ERRNO is above 4094");
  p = ok;
  p.rules[0].name = "";
  EXPECT_EQ(error_of(p), "seccomp: a syscall's name is empty");
}

TEST(Seccomp, UnknownNamesAreIgnoredWithAWarning) {
  SeccompPolicy policy;
  policy.rules.push_back({"no_such_call", SeccompAction::kErrno, {}, {}});
  policy.rules.push_back({"socketcall", SeccompAction::kErrno, {}, {}});  // not on x86_64, known elsewhere
  std::vector<SeccompIgnored> ignored;
  compile(policy, &ignored);
  ASSERT_EQ(ignored.size(), 1u);
  EXPECT_EQ(ignored[0].what, SeccompIgnored::kRule);
  EXPECT_EQ(policy.rules[ignored[0].index].name, "no_such_call");
  EXPECT_EQ(ignored[0].message, "is ignored: unknown syscall \"no_such_call\"");
}

TEST(Seccomp, UnknownNamesAreErrorsWhenThatIsAskedFor) {
  SeccompPolicy policy;
  policy.rules = {{"frobnicate", SeccompAction::kErrno, {}, {}}};
  EXPECT_TRUE(compile_seccomp(policy));
  policy.fail_unknown_syscalls = true;
  Result<SeccompProgram> program = compile_seccomp(policy);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code, ErrorCode::kConfigInvalid);
  EXPECT_EQ(program.error().text(), "seccomp: unknown syscall \"frobnicate\"");
}

TEST(Seccomp, NamesGoBothWays) {
  for (const std::string& name : seccomp_action_names()) {
    const char* canonical = name == "SCMP_ACT_KILL" ? "SCMP_ACT_KILL_THREAD" : name.c_str();
    EXPECT_STREQ(seccomp_action_name(*seccomp_action_from_name(name)), canonical);
  }
  for (const std::string& name : seccomp_operator_names()) {
    EXPECT_EQ(seccomp_operator_name(*seccomp_operator_from_name(name)), name);
  }
  EXPECT_EQ(seccomp_flag_names().size(), 4u);
  EXPECT_EQ(seccomp_architecture_names().size(), 19u);
  EXPECT_FALSE(seccomp_action_from_name("SCMP_ACT_BANANA").has_value());
}

// The start path: not a benchmark, a guard against going back to what costs 10 ms.
TEST(Seccomp, ADefaultProfileCompilesFastAndDecidesInFewSteps) {
  SeccompPolicy policy = testing::default_like_policy();
  double best = 1e9;
  SeccompProgram program;
  for (int i = 0; i < 20; ++i) {
    auto start = std::chrono::steady_clock::now();
    program = compile(policy);
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  size_t worst = 0, sum = 0;
  for (uint32_t nr = 0; nr < 450; ++nr) {
    size_t steps = evaluate(program.instructions, testing::call(AUDIT_ARCH_X86_64, nr))->steps;
    worst = std::max(worst, steps);
    sum += steps;
  }
  RecordProperty("compile_microseconds", static_cast<int>(best * 1000));
  fmt::print("{} rules: {:.3f} ms, {} instructions, at most {} and on average {:.1f} steps\n", policy.rules.size(),
             best, program.instructions.size(), worst, static_cast<double>(sum) / 450);
  EXPECT_LT(worst, 64u);
}

}  // namespace
}  // namespace cella::bpf
