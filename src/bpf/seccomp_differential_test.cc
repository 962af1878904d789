// The compiler against its two oracles: libseccomp's own program for the whole policy, and the running kernel.
#include <errno.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "bpf/evaluate.h"
#include "bpf/seccomp.h"
#include "bpf/seccomp_testing.h"

namespace cella::bpf {
namespace {

using testing::Args;

uint32_t value_of(const SeccompRule& rule) {
  return *seccomp_return_value(rule.action, rule.errno_ret);
}

// All rules through libseccomp, as runc does it but for one ABI alone, and without the ENOSYS prologue. Empty:
// libseccomp refused a rule.
std::vector<sock_filter> reference(const SeccompPolicy& policy, const SeccompArchitecture& architecture) {
  const uint32_t fallback = *seccomp_return_value(policy.default_action, policy.default_errno_ret);
  scmp_filter_ctx filter = seccomp_init(fallback);
  if (&architecture != native_seccomp_architecture()) {
    EXPECT_EQ(seccomp_arch_add(filter, architecture.token), 0);
    EXPECT_EQ(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), 0);
  }
  bool refused = false;
  for (const SeccompRule& rule : policy.rules) {
    const int nr = seccomp_syscall_resolve_name(rule.name.c_str());
    if (nr == __NR_SCMP_ERROR || value_of(rule) == fallback) continue;
    std::vector<scmp_arg_cmp> comparisons;
    constexpr scmp_compare kOperators[] = {SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,       SCMP_CMP_EQ,
                                           SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ};
    for (const SeccompArg& arg : rule.args) {
      comparisons.push_back({arg.index, kOperators[static_cast<int>(arg.op)], arg.value, arg.value_two});
    }
    refused |= seccomp_rule_add_array(filter, value_of(rule), nr, static_cast<unsigned>(comparisons.size()),
                                      comparisons.data()) < 0;
  }
  const int fd = memfd_create("reference", MFD_CLOEXEC);
  EXPECT_EQ(seccomp_export_bpf(filter, fd), 0);
  std::vector<sock_filter> program(static_cast<size_t>(lseek(fd, 0, SEEK_CUR)) / sizeof(sock_filter));
  EXPECT_GT(pread(fd, program.data(), program.size() * sizeof(sock_filter), 0), 0);
  close(fd);
  seccomp_release(filter);
  if (refused) program.clear();
  return program;
}

// Every number near a syscall of each architecture with each of the argument sets. True when they agreed.
bool agree(const SeccompPolicy& policy, const std::vector<Args>& argument_sets) {
  auto program = compile_seccomp(policy);
  std::vector<std::string> architectures = policy.architectures;
  architectures.push_back("SCMP_ARCH_X86_64");
  std::vector<std::vector<sock_filter>> references;
  for (const std::string& name : architectures) references.push_back(reference(policy, *seccomp_architecture(name)));
  const bool accepted = std::ranges::none_of(references, [](const auto& one) { return one.empty(); });
  EXPECT_EQ(program.has_value(), accepted) << (program ? "" : program.error().text());
  if (!program || !accepted) return program.has_value() == accepted;
  for (size_t i = 0; i < architectures.size(); ++i) {
    const std::string& name = architectures[i];
    const std::vector<sock_filter>& expected = references[i];
    const uint32_t arch = seccomp_architecture(name)->audit_arch;
    std::vector<uint32_t> numbers = {0xffffffff};
    if (name == "SCMP_ARCH_X32") {
      for (uint32_t nr = 0; nr < 560; ++nr) numbers.push_back(0x40000000 + nr);
    } else {
      numbers.push_back(0x3fffffff);
      for (uint32_t base : {0u, 4000u, 5000u, 6000u, 0xf0000u})
        for (uint32_t nr = 0; nr < 560; ++nr) numbers.push_back(base + nr);
    }
    for (uint32_t nr : numbers) {
      for (const Args& args : argument_sets) {
        const seccomp_data data = testing::call(arch, nr, args);
        const uint32_t ours = evaluate(program->instructions, data)->value;
        const uint32_t theirs = evaluate(expected, data)->value;
        if (ours == theirs) continue;
        ADD_FAILURE() << fmt::format("{} nr {:#x} args {:#x} {:#x} {:#x}: {:#x}, libseccomp {:#x}", name, nr, args[0],
                                     args[1], args[2], ours, theirs);
        return false;
      }
    }
  }
  return true;
}

TEST(SeccompDifferential, TheDefaultProfileMeansWhatLibseccompMakesOfIt) {
  SeccompPolicy policy = testing::default_like_policy();
  policy.default_errno_ret = ENOSYS;  // no stub: libseccomp has none
  const std::vector<Args> arguments = {{}, {40}, {8, 8}, {0x7e020000}, {0x10000000}, {1, 2, 3}, {1ul << 40}, {~0ul}};
  EXPECT_TRUE(agree(policy, arguments));
  policy.architectures = {"SCMP_ARCH_AARCH64",     "SCMP_ARCH_ARM",     "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
                          "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_RISCV64", "SCMP_ARCH_PPC64LE"};
  EXPECT_TRUE(agree(policy, arguments));
}

std::string describe(const SeccompPolicy& policy) {
  std::string text =
      fmt::format("\n{} {}", seccomp_action_name(policy.default_action), fmt::join(policy.architectures, " "));
  for (const SeccompRule& rule : policy.rules) {
    text += fmt::format("\n{} {} {:#x}", rule.name, seccomp_action_name(rule.action), value_of(rule));
    for (const SeccompArg& arg : rule.args) {
      text += fmt::format(" [{}] {} {:#x} {:#x}", arg.index, seccomp_operator_name(arg.op), arg.value, arg.value_two);
    }
  }
  return text;
}

// One random policy after another: conflicting actions, repeated names, names that share a number, multiplexers.
TEST(SeccompDifferential, RandomPoliciesMeanWhatLibseccompMakesOfThem) {
  std::mt19937_64 random(20240229);
  auto pick = [&](auto& list) -> auto& { return list[random() % list.size()]; };
  const std::vector<std::string> names = testing::all_names({SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_ARM});
  const std::vector<std::string> special = {"socket",  "socketcall", "ipc",     "shmget", "connect",    "accept4",
                                            "semop",   "umount",     "umount2", "clone",  "semtimedop", "_llseek",
                                            "recvmsg", "open",       "mmap",    "mmap2",  "sendmmsg",   "shmat"};
  const std::vector<std::string> architectures = {"SCMP_ARCH_X86",    "SCMP_ARCH_X32",     "SCMP_ARCH_AARCH64",
                                                  "SCMP_ARCH_MIPSEL", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_ARM"};
  constexpr SeccompAction kActions[] = {SeccompAction::kAllow, SeccompAction::kErrno, SeccompAction::kTrap,
                                        SeccompAction::kLog, SeccompAction::kKillProcess};
  const std::vector<uint64_t> values = {0, 1, 2, 3, 5, 40, 0xff, 0x1'0000'0000, ~0ul};
  int compared = 0;
  for (int round = 0; round < 150; ++round) {
    SeccompPolicy policy;
    // Without the stub: ALLOW, LOG, or ERRNO(ENOSYS).
    policy.default_action = std::array{SeccompAction::kAllow, SeccompAction::kLog, SeccompAction::kErrno}[random() % 3];
    policy.default_errno_ret = ENOSYS;
    for (const std::string& name : architectures)
      if (random() % 3 == 0) policy.architectures.push_back(name);
    const size_t count = 1 + random() % 40;
    for (size_t i = 0; i < count; ++i) {
      SeccompRule rule = {random() % 2 == 0 ? pick(names) : pick(special), kActions[random() % 5], 7, {}};
      // Different indices: what becomes of repeated ones is the splitting's own test.
      for (uint32_t index = 0; index < 6 && random() % 4 == 0; ++index) {
        rule.args.push_back({index, pick(values), pick(values), static_cast<SeccompOperator>(random() % 7)});
      }
      policy.rules.push_back(std::move(rule));
    }
    std::vector<Args> arguments = {{}};
    for (int i = 0; i < 4; ++i) arguments.push_back({pick(values), pick(values), pick(values)});
    ASSERT_TRUE(agree(policy, arguments)) << "round " << round << describe(policy);
    ++compared;
  }
  EXPECT_EQ(compared, 150);
}

// libseccomp 2.5.4, given this policy's mmap and fstat64 rules for the three ABIs at once, compares the number on ARM
// without loading it.
TEST(SeccompDifferential, ARuleSurvivesX32) {
  SeccompPolicy policy = {SeccompAction::kLog, {}, {"SCMP_ARCH_X32", "SCMP_ARCH_ARM"}, {}, {}};
  policy.rules.push_back({"mmap", SeccompAction::kAllow, {}, {}});
  policy.rules.push_back({"mmap", SeccompAction::kTrap, {}, {}});
  policy.rules.push_back({"fstat64",
                          SeccompAction::kErrno,
                          7,
                          {{0, 0, 0, SeccompOperator::kEqual}, {1, 9, 0, SeccompOperator::kNotEqual}}});
  auto program = compile_seccomp(policy);
  ASSERT_TRUE(program.has_value());
  const uint32_t nr = testing::number(SCMP_ARCH_ARM, "fstat64");
  EXPECT_EQ(testing::decide_on(*program, AUDIT_ARCH_ARM, nr, {0, 0}), SECCOMP_RET_ERRNO | 7);
  EXPECT_EQ(testing::decide_on(*program, AUDIT_ARCH_ARM, nr, {0, 9}), SECCOMP_RET_LOG);
}

struct Outcome {
  bool killed = false;
  int error = 0;  // errno of the call, 0: it succeeded
};

// Makes one call under the program, in a child. nullopt: this host does not let us install a filter.
std::optional<Outcome> under(const SeccompProgram& program, long nr, long a0) {
  const pid_t child = fork();
  if (child == 0) {
    sock_fprog prog = {static_cast<unsigned short>(program.instructions.size()),
                       const_cast<sock_filter*>(program.instructions.data())};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program.flags, &prog) != 0) {
      _exit(255);
    }
    const long result = syscall(nr, a0, 0, 0, 0, 0, 0);
    // Not _exit(): a sanitizer makes calls of its own there.
    syscall(SYS_exit_group, result < 0 ? errno : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) return Outcome{WTERMSIG(status) == SIGSYS, 0};
  if (WEXITSTATUS(status) == 255) return std::nullopt;
  return Outcome{false, WEXITSTATUS(status)};
}

TEST(SeccompDifferential, TheKernelDoesWhatTheEvaluatorSays) {
  SeccompPolicy policy;
  policy.default_action = SeccompAction::kErrno;
  policy.default_errno_ret = 77;
  policy.flags = {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"};
  for (const char* name : {"exit_group", "getppid", "getpgid"})
    policy.rules.push_back({name, SeccompAction::kAllow, {}, {}});
  policy.rules.push_back({"personality", SeccompAction::kAllow, {}, {{0, 0xffffffff, 0, SeccompOperator::kEqual}}});
  policy.rules.push_back({"personality", SeccompAction::kErrno, 78, {{0, 8, 0, SeccompOperator::kEqual}}});
  policy.rules.push_back({"getuid", SeccompAction::kKillProcess, {}, {}});
  policy.rules.push_back({"geteuid", SeccompAction::kTrap, {}, {}});
  policy.rules.push_back({"getgid", SeccompAction::kLog, {}, {}});
  policy.rules.push_back({"getegid", SeccompAction::kKillThread, {}, {}});
  policy.rules.push_back({"gettid", SeccompAction::kTrace, 3, {}});  // without a tracer: ENOSYS
  policy.rules.push_back({"umask", SeccompAction::kAllow, {}, {{0, 0x12, 0x10, SeccompOperator::kMaskedEqual}}});
  policy.rules.push_back({"getrandom", SeccompAction::kAllow, {}, {{1, 4, 0, SeccompOperator::kGreater}}});
  auto program = compile_seccomp(policy);
  ASSERT_TRUE(program.has_value());
  struct Call {
    long nr, a0;
  };
  const Call calls[] = {{SYS_getppid, 0},
                        {SYS_getpgid, 0},
                        {SYS_personality, 0xffffffff},
                        {SYS_personality, 8},
                        {SYS_personality, 9},
                        {SYS_getuid, 0},
                        {SYS_geteuid, 0},
                        {SYS_getgid, 0},
                        {SYS_getegid, 0},
                        {SYS_gettid, 0},
                        {SYS_umask, 0x10},
                        {SYS_umask, 0x12},
                        {SYS_getrandom, 0},
                        {SYS_getpid, 0},
                        {SYS_statx, 0},
                        {SYS_statx + 40, 0},
                        {5000, 0},
                        {SYS_read, -1}};
  for (const Call& one : calls) {
    SCOPED_TRACE(one.nr);
    const uint32_t value = testing::decide(*program, static_cast<uint32_t>(one.nr), {static_cast<uint64_t>(one.a0)});
    auto outcome = under(*program, one.nr, one.a0);
    if (!outcome) GTEST_SKIP() << "seccomp(SECCOMP_SET_MODE_FILTER) is refused on this host";
    switch (value & SECCOMP_RET_ACTION_FULL) {
      case SECCOMP_RET_ERRNO:
        EXPECT_FALSE(outcome->killed);
        EXPECT_EQ(static_cast<uint32_t>(outcome->error), value & SECCOMP_RET_DATA);
        break;
      case SECCOMP_RET_TRACE:
        EXPECT_EQ(outcome->error, ENOSYS);
        break;
      case SECCOMP_RET_ALLOW:
      case SECCOMP_RET_LOG:
        EXPECT_FALSE(outcome->killed);
        EXPECT_EQ(outcome->error, 0);
        break;
      default:
        EXPECT_TRUE(outcome->killed);
    }
  }
}

}  // namespace
}  // namespace cella::bpf
