// Seccomp policies and the classic BPF programs made from them: seccomp(2), and linux.seccomp of the OCI runtime
// specification.
//
// A policy is plain data. Compiling it needs neither privileges nor a kernel with seccomp: nothing is probed, nothing
// is installed. What this is not: a loader (init/ makes the seccomp(2) call) and not a validator of JSON.
//
// How a program is made. Almost every rule of a real profile is unconditional, and those need no solver: each
// architecture gets a binary search over ranges of syscall numbers whose leaves return the action. Only what depends
// on arguments, or on the multiplexers socketcall(2) and ipc(2), is handed to libseccomp, one architecture at a time;
// its programs follow ours and are entered where a leaf says so. libseccomp's meaning of conflicting rules is so kept,
// and a default profile (350 names, 3 architectures) compiles in a fraction of the 7 to 10 ms that libseccomp takes for
// all of it.
//
// Unknown syscalls. Where the default action refuses (anything but ALLOW, LOG and TRACE), a number above the largest
// one that the policy names for the architecture gets ENOSYS instead of the default action: the policy was written
// before that syscall existed, and a C library falls back on ENOSYS only. A default of ERRNO(ENOSYS) needs none of
// this. On s390 and s390x number 0 (a multiplexer for unknown numbers) gets ENOSYS too.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

namespace cella::bpf {

// OCI names SCMP_ACT_*; SCMP_ACT_KILL is another name of SCMP_ACT_KILL_THREAD.
enum class SeccompAction { kKillThread, kKillProcess, kTrap, kErrno, kTrace, kAllow, kLog, kNotify };
// OCI names SCMP_CMP_*.
enum class SeccompOperator { kNotEqual, kLess, kLessOrEqual, kEqual, kGreaterOrEqual, kGreater, kMaskedEqual };

struct SeccompArg {
  uint32_t index = 0;      // 0…5
  uint64_t value = 0;      // the operand; the mask for kMaskedEqual
  uint64_t value_two = 0;  // the operand for kMaskedEqual
  SeccompOperator op = SeccompOperator::kEqual;
};

struct SeccompRule {
  std::string name;  // of a syscall
  SeccompAction action = SeccompAction::kAllow;
  std::optional<uint32_t> errno_ret;  // kErrno: the errno; kTrace: the message; default EPERM; else ignored
  // All must hold. Except, as in runc: when two of them are about the same argument, each is a rule of its own and any
  // of them is enough (libseccomp cannot express the conjunction).
  std::vector<SeccompArg> args;
};

struct SeccompPolicy {
  SeccompAction default_action = SeccompAction::kAllow;
  std::optional<uint32_t> default_errno_ret;
  // OCI names, "SCMP_ARCH_X86_64". The native one is always included, named or not; any other that is not named here
  // ends with SECCOMP_RET_KILL_THREAD.
  std::vector<std::string> architectures;
  std::vector<std::string> flags;  // "SECCOMP_FILTER_FLAG_LOG"
  std::vector<SeccompRule> rules;
  bool fail_unknown_syscalls = false;  // a name that no architecture has is kConfigInvalid, not a warning
};

struct SeccompProgram {
  std::vector<sock_filter> instructions;
  uint32_t flags = 0;           // SECCOMP_FILTER_FLAG_* for seccomp(2), with NEW_LISTENER when a listener is wanted
  bool wants_listener = false;  // some rule is kNotify: seccomp(2) will return a descriptor
};

// An element of SeccompPolicy::architectures or ::rules that the program does without.
struct SeccompIgnored {
  enum What { kArchitecture, kRule } what = kRule;
  size_t index = 0;
  std::string message;  // a sentence about it: "is ignored: …"
};

// kConfigInvalid: an architecture, flag, index or errno that does not exist; NOTIFY as the default action (runc's
// rule: the agent would have to serve the execve(2) of the program, too); a program above the kernel's 4096
// instructions. kUnsupported: the native architecture is unknown to libseccomp. `ignored`, when given, gets each thing
// ignored: a rule for a syscall name that no architecture has, an architecture that this machine cannot run and
// libseccomp does not know.
Result<SeccompProgram> compile_seccomp(const SeccompPolicy& policy, std::vector<SeccompIgnored>* ignored = nullptr);

// SECCOMP_RET_* with its data. kConfigInvalid when the errno is out of range.
Result<uint32_t> seccomp_return_value(SeccompAction action, std::optional<uint32_t> errno_ret);

// The names of the specification; nullopt when there is no such name.
std::optional<SeccompAction> seccomp_action_from_name(std::string_view name);
std::optional<SeccompOperator> seccomp_operator_from_name(std::string_view name);
std::optional<uint32_t> seccomp_flag_from_name(std::string_view name);  // SECCOMP_FILTER_FLAG_*
// The flags for seccomp(2), with what a listener needs when there is to be one. kConfigInvalid: an unknown name, or one
// that needs a listener.
Result<uint32_t> seccomp_flags(const std::vector<std::string>& names, bool wants_listener);
const char* seccomp_action_name(SeccompAction action);
const char* seccomp_operator_name(SeccompOperator op);

// Of the libseccomp that this is built with, "2.5.4".
std::string libseccomp_version();

// Every name that is understood, for `features`. Architectures: those that can be compiled.
std::vector<std::string> seccomp_action_names();
std::vector<std::string> seccomp_operator_names();
std::vector<std::string> seccomp_architecture_names();
std::vector<std::string> seccomp_flag_names();

// One row a name of the specification's list of architectures.
struct SeccompArchitecture {
  const char* name;
  uint32_t token;       // libseccomp's; 0: libseccomp 2.5 does not know it
  uint32_t audit_arch;  // AUDIT_ARCH_* as in seccomp_data.arch
  bool multiplexed;     // has socketcall(2) or ipc(2)
};
const SeccompArchitecture* seccomp_architecture(std::string_view name);
const SeccompArchitecture* native_seccomp_architecture();  // null: unknown to libseccomp

}  // namespace cella::bpf
