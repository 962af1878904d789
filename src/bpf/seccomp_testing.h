// What the tests of seccomp programs share. Not part of the library.
#pragma once

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "bpf/evaluate.h"
#include "bpf/seccomp.h"

namespace cella::bpf::testing {

using Args = std::array<uint64_t, 6>;

inline uint32_t number(uint32_t token, const char* name) {
  return static_cast<uint32_t>(::seccomp_syscall_resolve_name_arch(token, name));
}

inline seccomp_data call(uint32_t arch, uint32_t nr, Args args = {}) {
  seccomp_data data = {};
  data.nr = static_cast<int>(nr);
  data.arch = arch;
  std::copy(args.begin(), args.end(), data.args);
  return data;
}

inline uint32_t decide_on(const SeccompProgram& program, uint32_t arch, uint32_t nr, Args args = {}) {
  auto result = evaluate(program.instructions, call(arch, nr, args));
  EXPECT_TRUE(result.has_value());
  return result ? result->value : 0xdeadbeef;
}
inline uint32_t decide(const SeccompProgram& program, uint32_t nr, Args args = {}) {
  return decide_on(program, native_seccomp_architecture()->audit_arch, nr, args);
}

// Every name that libseccomp knows on one of the architectures, sorted.
inline std::vector<std::string> all_names(const std::vector<uint32_t>& tokens) {
  std::set<std::string> names;
  for (uint32_t token : tokens) {
    const int base = token == SCMP_ARCH_X32 ? 0x40000000 : 0;
    for (int nr = base; nr < base + 600; ++nr) {
      char* name = ::seccomp_syscall_resolve_num_arch(token, nr);
      if (name != nullptr) names.insert(name);
      free(name);
    }
  }
  return {names.begin(), names.end()};
}

// Of the shape of Docker's and Podman's default profile: everything allowed but some, a few rules on arguments.
inline SeccompPolicy default_like_policy() {
  SeccompPolicy policy;
  policy.default_action = SeccompAction::kErrno;
  policy.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  const std::set<std::string> refused = {"acct",
                                         "add_key",
                                         "bpf",
                                         "clock_adjtime",
                                         "clock_settime",
                                         "create_module",
                                         "delete_module",
                                         "finit_module",
                                         "get_mempolicy",
                                         "init_module",
                                         "ioperm",
                                         "iopl",
                                         "kcmp",
                                         "kexec_file_load",
                                         "kexec_load",
                                         "keyctl",
                                         "lookup_dcookie",
                                         "mbind",
                                         "mount",
                                         "move_pages",
                                         "nfsservctl",
                                         "open_by_handle_at",
                                         "perf_event_open",
                                         "pivot_root",
                                         "process_vm_readv",
                                         "process_vm_writev",
                                         "ptrace",
                                         "query_module",
                                         "quotactl",
                                         "reboot",
                                         "request_key",
                                         "set_mempolicy",
                                         "setns",
                                         "settimeofday",
                                         "stime",
                                         "swapoff",
                                         "swapon",
                                         "_sysctl",
                                         "umount",
                                         "umount2",
                                         "unshare",
                                         "uselib",
                                         "userfaultfd",
                                         "ustat",
                                         "vm86",
                                         "vm86old",
                                         "clone",
                                         "clone3",
                                         "personality",
                                         "socket"};
  for (std::string& name : all_names({SCMP_ARCH_X86_64, SCMP_ARCH_X86})) {
    if (!refused.contains(name)) policy.rules.push_back({std::move(name), SeccompAction::kAllow, {}, {}});
  }
  for (uint64_t value : {0x0ul, 0x8ul, 0x20000ul, 0x20008ul, 0xfffffffful}) {
    policy.rules.push_back({"personality", SeccompAction::kAllow, {}, {{0, value, 0, SeccompOperator::kEqual}}});
  }
  policy.rules.push_back({"clone", SeccompAction::kAllow, {}, {{0, 0x7e020000, 0, SeccompOperator::kMaskedEqual}}});
  policy.rules.push_back({"clone3", SeccompAction::kErrno, 38, {}});
  policy.rules.push_back({"socket", SeccompAction::kAllow, {}, {{0, 40, 0, SeccompOperator::kNotEqual}}});
  return policy;
}

}  // namespace cella::bpf::testing
