#include "bpf/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "base/result.h"
#include "bpf/syscall_tree.h"
#include "sys/file.h"

namespace cella::bpf {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;  // __X32_SYSCALL_BIT
constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;
constexpr SyscallLeaf kUnknownSyscall = {false, kEnosys};

// What socketcall(2) and ipc(2) multiplex, with themselves. A rule for one of these has two places in the filter of an
// architecture that has the multiplexers.
constexpr std::string_view kMultiplexed[] = {
    "accept",  "accept4",    "bind",     "connect", "getpeername", "getsockname", "getsockopt", "ipc",
    "listen",  "msgctl",     "msgget",   "msgrcv",  "msgsnd",      "recv",        "recvfrom",   "recvmmsg",
    "recvmsg", "semctl",     "semget",   "semop",   "semtimedop",  "send",        "sendmmsg",   "sendmsg",
    "sendto",  "setsockopt", "shmat",    "shmctl",  "shmdt",       "shmget",      "shutdown",   "socket",
    "socketcall", "socketpair",
};

bool is_multiplexed(std::string_view name) {
  return std::ranges::find(kMultiplexed, name) != std::end(kMultiplexed);
}

struct ReleaseFilter {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// A rule of the policy that has an effect.
struct ActiveRule {
  const SeccompRule* rule;
  uint32_t value;          // SECCOMP_RET_*
  bool solve = false;      // to be compiled by libseccomp
};

// Numbers on one architecture and which rule decides each.
struct Numbers {
  const SeccompArchitecture* architecture = nullptr;
  std::unordered_map<uint32_t, size_t> simple = {};  // number → index of the active rule
  std::vector<uint32_t> solved = {};             // numbers left to libseccomp
  bool multiplexed = false;                     // some rule is about what a multiplexer serves
  int largest = 0;                              // of all numbers that the policy names, active or not
};

int number_on(const SeccompArchitecture& architecture, const std::string& name) {
  return ::seccomp_syscall_resolve_name_arch(architecture.token, name.c_str());
}

class Compiler {
 public:
  Compiler(const SeccompPolicy& policy, std::vector<std::string>* warnings) : policy_(policy), warnings_(warnings) {}

  Result<SeccompProgram> compile() {
    TRY(check_notify());
    program_.flags = TRY(collect_flags());
    default_value_ = TRY(seccomp_return_value(policy_.default_action, policy_.default_errno_ret));
    TRY(choose_architectures());
    TRY(choose_rules());
    resolve_numbers();
    program_.instructions = emit_syscall_tree(sections());
    TRY(append_solved_rules());
    if (program_.instructions.size() > BPF_MAXINSNS) {
      return base::fail(ErrorCode::kConfigInvalid, "seccomp: the filter needs {} instructions, the kernel takes {}",
                        program_.instructions.size(), BPF_MAXINSNS);
    }
    return std::move(program_);
  }

 private:
  template <typename... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    if (warnings_ != nullptr) warnings_->push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  Result<void> check_notify() {
    if (policy_.default_action == SeccompAction::kNotify) {
      return base::fail(ErrorCode::kConfigInvalid, "SCMP_ACT_NOTIFY cannot be used as default action");
    }
    for (const SeccompRule& rule : policy_.rules) {
      if (rule.action != SeccompAction::kNotify) continue;
      if (rule.name == "write") {
        return base::fail(ErrorCode::kConfigInvalid, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
      }
      program_.wants_listener = true;
    }
    return {};
  }

  Result<uint32_t> collect_flags() {
    uint32_t flags = 0;
    for (const std::string& name : policy_.flags) {
      std::optional<uint32_t> flag = seccomp_flag_from_name(name);
      if (!flag) return base::fail(ErrorCode::kConfigInvalid, "seccomp flag {} is not known", name);
      flags |= *flag;
    }
    if (program_.wants_listener) {
      flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
      // Otherwise both want to give their result in the return value: a descriptor, and the thread that did not sync.
      if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    } else if ((flags & *seccomp_flag_from_name("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")) != 0) {
      return base::fail(ErrorCode::kConfigInvalid,
                        "seccomp flag SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY");
    }
    return flags;
  }

  Result<void> choose_architectures() {
    const SeccompArchitecture* native = native_seccomp_architecture();
    if (native == nullptr) {
      return base::fail(ErrorCode::kUnsupported, "seccomp: libseccomp does not know this machine's architecture");
    }
    // Kernel support is a matter of the machine that loads the program; without this, libseccomp would probe ours.
    ::seccomp_api_set(6);
    filter_.reset(::seccomp_init(default_value_));
    if (!filter_) return base::fail(ErrorCode::kSystemError, "seccomp: seccomp_init refused the default action");
    numbers_.push_back({.architecture = native});
    for (const std::string& name : policy_.architectures) {
      const SeccompArchitecture* architecture = seccomp_architecture(name);
      if (architecture == nullptr) {
        return base::fail(ErrorCode::kConfigInvalid, "seccomp architecture {} is not known", name);
      }
      if (architecture->token == 0) {
        warn("seccomp architecture {} is ignored: libseccomp does not know it and this machine is {}", name,
             native->name);
        continue;
      }
      auto same = [&](const Numbers& other) { return other.architecture == architecture; };
      if (std::ranges::any_of(numbers_, same)) continue;
      int status = ::seccomp_arch_add(filter_.get(), architecture->token);
      if (status == -EDOM) {
        warn("seccomp architecture {} is ignored: its byte order is not that of {}", name, native->name);
        continue;
      }
      if (status < 0) return base::fail_errno(-status, "adding architecture {} to the seccomp filter", name);
      numbers_.push_back({.architecture = architecture});
    }
    return {};
  }

  Result<void> choose_rules() {
    for (const SeccompRule& rule : policy_.rules) {
      if (rule.name.empty()) return base::fail(ErrorCode::kConfigInvalid, "seccomp: a syscall's name is empty");
      uint32_t value = TRY(seccomp_return_value(rule.action, rule.errno_ret), "seccomp rule for {}", rule.name);
      for (const SeccompArg& arg : rule.args) {
        if (arg.index > 5) {
          return base::fail(ErrorCode::kConfigInvalid, "seccomp rule for {}: a syscall has no argument {}", rule.name,
                            arg.index);
        }
      }
      if (::seccomp_syscall_resolve_name(rule.name.c_str()) == __NR_SCMP_ERROR) {
        warn("unknown seccomp syscall \"{}\" ignored", rule.name);
        continue;
      }
      // Also where the rule is redundant: the policy's author knew the syscall.
      for (Numbers& numbers : numbers_) {
        numbers.largest = std::max(numbers.largest, number_on(*numbers.architecture, rule.name));
      }
      if (value != default_value_) active_.push_back({&rule, value});
    }
    return {};
  }

  // Sends a rule to libseccomp when any architecture has one of its numbers contested: by arguments, by a multiplexer,
  // or by another rule with a different action.
  void resolve_numbers() {
    for (Numbers& numbers : numbers_) {
      std::unordered_map<uint32_t, std::vector<size_t>> users;
      users.reserve(active_.size());
      for (size_t i = 0; i < active_.size(); ++i) {
        int number = number_on(*numbers.architecture, active_[i].rule->name);
        const bool multiplexed = numbers.architecture->multiplexed && is_multiplexed(active_[i].rule->name);
        if (multiplexed) {
          active_[i].solve = true;
          numbers.multiplexed = true;
          if (number >= 0) numbers.solved.push_back(static_cast<uint32_t>(number));
        } else if (number >= 0) {
          users[static_cast<uint32_t>(number)].push_back(i);
        }
      }
      for (const auto& [number, rules] : users) {
        auto contested = [&](size_t i) {
          return !active_[i].rule->args.empty() || active_[i].value != active_[rules.front()].value;
        };
        if (std::ranges::any_of(rules, contested)) {
          for (size_t i : rules) active_[i].solve = true;
          numbers.solved.push_back(number);
        } else {
          numbers.simple.emplace(number, rules.front());
        }
      }
    }
  }

  std::vector<SyscallSection> sections() const {
    const bool refuses = policy_.default_action != SeccompAction::kAllow &&
                         policy_.default_action != SeccompAction::kLog &&
                         policy_.default_action != SeccompAction::kTrace && default_value_ != kEnosys;
    std::vector<SyscallSection> sections;
    for (const Numbers& numbers : numbers_) {
      const SeccompArchitecture& architecture = *numbers.architecture;
      auto section = std::ranges::find(sections, architecture.audit_arch, &SyscallSection::audit_arch);
      // What no section of an ABI covers is left to libseccomp, which kills an ABI that was not asked for.
      const bool shared = architecture.token == SCMP_ARCH_X86_64 || architecture.token == SCMP_ARCH_X32;
      if (section == sections.end()) {
        sections.push_back({architecture.audit_arch, SyscallRanges(kFall)});
        section = sections.end() - 1;
      }
      SyscallRanges& ranges = section->ranges;
      const uint32_t first = architecture.token == SCMP_ARCH_X32 ? kX32Bit : 0;
      const uint32_t last = shared && first == 0 ? kX32Bit - 1 : UINT32_MAX;
      // libseccomp does not tell which number besides the multiplexer's such a syscall has, so it decides there about
      // everything that no other rule names.
      ranges.set(first, last, numbers.multiplexed ? kFall : SyscallLeaf{false, default_value_});
      for (const auto& [number, rule] : numbers.simple) ranges.set(number, {false, active_[rule].value});
      for (uint32_t number : numbers.solved) ranges.set(number, kFall);
      if (refuses && numbers.largest > 0) {
        ranges.set(static_cast<uint32_t>(numbers.largest) + 1, last, kUnknownSyscall);
        if (architecture.token == SCMP_ARCH_S390 || architecture.token == SCMP_ARCH_S390X) {
          ranges.set(0, kUnknownSyscall);
        }
      }
    }
    return sections;
  }

  Result<void> append_solved_rules() {
    size_t solved = 0;
    for (const ActiveRule& active : active_) {
      if (!active.solve) continue;
      ++solved;
      TRY(add_rule(active), "adding seccomp rule for {}", active.rule->name);
    }
    // A binary tree of libseccomp's own, for the few policies whose rules mostly look at arguments.
    if (solved > 32) ::seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    sys::FileDescriptor file = TRY(sys::memory_file("seccomp", "", false), "seccomp: memfd_create");
    int status = ::seccomp_export_bpf(filter_.get(), file.get());
    if (status < 0) return base::fail_errno(-status, "generating the seccomp filter");
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return base::fail_errno(errno, "reading the seccomp filter");
    std::string bytes = TRY(sys::read_all(file.get()), "reading the seccomp filter");
    std::vector<sock_filter>& code = program_.instructions;
    const size_t tree = code.size();
    code.resize(tree + bytes.size() / sizeof(sock_filter));
    std::memcpy(code.data() + tree, bytes.data(), (code.size() - tree) * sizeof(sock_filter));
    return {};
  }

  Result<void> add_rule(const ActiveRule& active) {
    std::vector<scmp_arg_cmp> comparisons;
    std::array<int, 6> uses = {};
    bool repeated = false;
    for (const SeccompArg& arg : active.rule->args) {
      comparisons.push_back({arg.index, comparison(arg.op), arg.value, arg.value_two});
      repeated |= ++uses[arg.index] > 1;
    }
    if (!repeated) return add_comparisons(active, comparisons);
    for (const scmp_arg_cmp& one : comparisons) TRY(add_comparisons(active, {&one, 1}));
    return {};
  }

  Result<void> add_comparisons(const ActiveRule& active, std::span<const scmp_arg_cmp> comparisons) {
    const int number = ::seccomp_syscall_resolve_name(active.rule->name.c_str());
    int status = ::seccomp_rule_add_array(filter_.get(), active.value, number,
                                          static_cast<unsigned>(comparisons.size()), comparisons.data());
    if (status < 0) return std::unexpected(Error(Errno{-status}));
    return {};
  }

  static scmp_compare comparison(SeccompOperator op) {
    switch (op) {
      case SeccompOperator::kNotEqual: return SCMP_CMP_NE;
      case SeccompOperator::kLess: return SCMP_CMP_LT;
      case SeccompOperator::kLessOrEqual: return SCMP_CMP_LE;
      case SeccompOperator::kEqual: return SCMP_CMP_EQ;
      case SeccompOperator::kGreaterOrEqual: return SCMP_CMP_GE;
      case SeccompOperator::kGreater: return SCMP_CMP_GT;
      case SeccompOperator::kMaskedEqual: return SCMP_CMP_MASKED_EQ;
    }
    return _SCMP_CMP_MIN;
  }

  const SeccompPolicy& policy_;
  std::vector<std::string>* warnings_;
  SeccompProgram program_;
  uint32_t default_value_ = 0;
  Filter filter_;
  std::vector<Numbers> numbers_;  // the native architecture first: its tree is reached first
  std::vector<ActiveRule> active_;
};

}  // namespace

Result<SeccompProgram> compile_seccomp(const SeccompPolicy& policy, std::vector<std::string>* warnings) {
  return Compiler(policy, warnings).compile();
}

}  // namespace cella::bpf
