#include <linux/audit.h>
#include <linux/elf-em.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <cerrno>

#include "base/result.h"
#include "bpf/seccomp.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace cella::bpf {
namespace {

struct ActionName {
  const char* name;
  SeccompAction action;
  uint32_t value;  // SECCOMP_RET_*
  uint32_t largest_data;
};
// The first row of an action has its canonical name.
constexpr ActionName kActions[] = {
    {"SCMP_ACT_KILL_THREAD", SeccompAction::kKillThread, SECCOMP_RET_KILL_THREAD, 0},
    {"SCMP_ACT_KILL", SeccompAction::kKillThread, SECCOMP_RET_KILL_THREAD, 0},
    {"SCMP_ACT_KILL_PROCESS", SeccompAction::kKillProcess, SECCOMP_RET_KILL_PROCESS, 0},
    {"SCMP_ACT_TRAP", SeccompAction::kTrap, SECCOMP_RET_TRAP, 0},
    {"SCMP_ACT_ERRNO", SeccompAction::kErrno, SECCOMP_RET_ERRNO, 4094},  // libseccomp: below MAX_ERRNO
    {"SCMP_ACT_TRACE", SeccompAction::kTrace, SECCOMP_RET_TRACE, 0xffff},
    {"SCMP_ACT_ALLOW", SeccompAction::kAllow, SECCOMP_RET_ALLOW, 0},
    {"SCMP_ACT_LOG", SeccompAction::kLog, SECCOMP_RET_LOG, 0},
    {"SCMP_ACT_NOTIFY", SeccompAction::kNotify, SECCOMP_RET_USER_NOTIF, 0},
};

struct OperatorName {
  const char* name;
  SeccompOperator op;
};
constexpr OperatorName kOperators[] = {
    {"SCMP_CMP_NE", SeccompOperator::kNotEqual},           {"SCMP_CMP_LT", SeccompOperator::kLess},
    {"SCMP_CMP_LE", SeccompOperator::kLessOrEqual},        {"SCMP_CMP_EQ", SeccompOperator::kEqual},
    {"SCMP_CMP_GE", SeccompOperator::kGreaterOrEqual},     {"SCMP_CMP_GT", SeccompOperator::kGreater},
    {"SCMP_CMP_MASKED_EQ", SeccompOperator::kMaskedEqual},
};

struct FlagName {
  const char* name;
  uint32_t value;
};
constexpr FlagName kFlags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

constexpr SeccompArchitecture kArchitectures[] = {
    {"SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386, true},
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, false},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, false},  // told apart by bit 30 of the number
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM, AUDIT_ARCH_ARM, false},
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, false},
    {"SCMP_ARCH_LOONGARCH64", 0, AUDIT_ARCH_LOONGARCH64, false},
    {"SCMP_ARCH_M68K", 0, AUDIT_ARCH_M68K, true},
    {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS, AUDIT_ARCH_MIPS, true},
    {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64, AUDIT_ARCH_MIPS64, false},
    {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32, AUDIT_ARCH_MIPS64N32, false},
    {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL, AUDIT_ARCH_MIPSEL, true},
    {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64, AUDIT_ARCH_MIPSEL64, false},
    {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32, AUDIT_ARCH_MIPSEL64N32, false},
    {"SCMP_ARCH_PPC", SCMP_ARCH_PPC, AUDIT_ARCH_PPC, true},
    {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64, AUDIT_ARCH_PPC64, true},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE, AUDIT_ARCH_PPC64LE, true},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390, AUDIT_ARCH_S390, true},
    {"SCMP_ARCH_S390X", SCMP_ARCH_S390X, AUDIT_ARCH_S390X, true},
    {"SCMP_ARCH_SH", 0, AUDIT_ARCH_SHEL, true},
    {"SCMP_ARCH_SHEB", 0, AUDIT_ARCH_SH, true},
    {"SCMP_ARCH_PARISC", SCMP_ARCH_PARISC, AUDIT_ARCH_PARISC, true},
    {"SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64, AUDIT_ARCH_PARISC64, true},
    {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64, false},
};

}  // namespace

Result<uint32_t> seccomp_return_value(SeccompAction action, std::optional<uint32_t> errno_ret) {
  for (const ActionName& row : kActions) {
    if (row.action != action) continue;
    if (row.largest_data == 0) return row.value;
    uint32_t data = errno_ret.value_or(EPERM);
    if (data > row.largest_data) {
      return base::fail(ErrorCode::kConfigInvalid, "seccomp: errnoRet {} of {} is above {}", data, row.name,
                        row.largest_data);
    }
    return row.value | data;
  }
  return base::fail(ErrorCode::kInvalidArgument, "seccomp: no action has the number {}", static_cast<int>(action));
}

std::optional<SeccompAction> seccomp_action_from_name(std::string_view name) {
  for (const ActionName& row : kActions)
    if (name == row.name) return row.action;
  return std::nullopt;
}

std::optional<SeccompOperator> seccomp_operator_from_name(std::string_view name) {
  for (const OperatorName& row : kOperators)
    if (name == row.name) return row.op;
  return std::nullopt;
}

std::optional<uint32_t> seccomp_flag_from_name(std::string_view name) {
  for (const FlagName& row : kFlags)
    if (name == row.name) return row.value;
  return std::nullopt;
}

const char* seccomp_action_name(SeccompAction action) {
  for (const ActionName& row : kActions)
    if (row.action == action) return row.name;
  return "";
}

const char* seccomp_operator_name(SeccompOperator op) {
  for (const OperatorName& row : kOperators)
    if (row.op == op) return row.name;
  return "";
}

std::string libseccomp_version() {
  const scmp_version* version = ::seccomp_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->micro);
}

std::vector<std::string> seccomp_action_names() {
  std::vector<std::string> names;
  for (const ActionName& row : kActions) names.emplace_back(row.name);
  return names;
}

std::vector<std::string> seccomp_operator_names() {
  std::vector<std::string> names;
  for (const OperatorName& row : kOperators) names.emplace_back(row.name);
  return names;
}

std::vector<std::string> seccomp_architecture_names() {
  std::vector<std::string> names;
  for (const SeccompArchitecture& row : kArchitectures)
    if (row.token != 0) names.emplace_back(row.name);
  return names;
}

std::vector<std::string> seccomp_flag_names() {
  std::vector<std::string> names;
  for (const FlagName& row : kFlags) names.emplace_back(row.name);
  return names;
}

const SeccompArchitecture* seccomp_architecture(std::string_view name) {
  for (const SeccompArchitecture& row : kArchitectures)
    if (name == row.name) return &row;
  return nullptr;
}

const SeccompArchitecture* native_seccomp_architecture() {
  const uint32_t token = seccomp_arch_native();
  for (const SeccompArchitecture& row : kArchitectures)
    if (token != 0 && row.token == token) return &row;
  return nullptr;
}

}  // namespace cella::bpf
