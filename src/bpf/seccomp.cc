#include "bpf/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/result.h"
#include "bpf/syscall_tree.h"
#include "sys/file.h"

namespace cella::bpf {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;  // __X32_SYSCALL_BIT
constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;

// What socketcall(2) and ipc(2) multiplex, with themselves. A rule for one of these has two places in the filter of an
// architecture that has the multiplexers.
constexpr std::string_view kMultiplexed[] = {
    "accept", "accept4", "bind",       "connect",  "getpeername", "getsockname", "getsockopt", "ipc",        "listen",
    "msgctl", "msgget",  "msgrcv",     "msgsnd",   "recv",        "recvfrom",    "recvmmsg",   "recvmsg",    "semctl",
    "semget", "semop",   "semtimedop", "send",     "sendmmsg",    "sendmsg",     "sendto",     "setsockopt", "shmat",
    "shmctl", "shmdt",   "shmget",     "shutdown", "socket",      "socketcall",  "socketpair",
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
  uint32_t value;    // SECCOMP_RET_*
  bool multiplexed;  // where there are multiplexers
};

// What the policy says on one architecture.
struct Numbers {
  const SeccompArchitecture* architecture = nullptr;
  std::vector<int> of_rule = {};                         // by active rule: its number here; negative: none
  std::vector<std::pair<uint32_t, size_t>> simple = {};  // a number, and the active rule that decides it
  std::vector<uint32_t> solved = {};                     // numbers left to libseccomp
  std::vector<bool> solve = {};                          // by active rule: libseccomp needs it
  bool multiplexed = false;                              // some rule is about what a multiplexer serves
  int largest = 0;                                       // of all numbers that the policy names, active or not
};

class Compiler {
 public:
  Compiler(const SeccompPolicy& policy, std::vector<SeccompIgnored>* ignored) : policy_(policy), ignored_(ignored) {}

  Result<SeccompProgram> compile() {
    if (policy_.default_action == SeccompAction::kNotify) {
      return base::fail(ErrorCode::kConfigInvalid, "SCMP_ACT_NOTIFY cannot be used as default action");
    }
    program_.wants_listener =
        std::ranges::any_of(policy_.rules, [](const SeccompRule& r) { return r.action == SeccompAction::kNotify; });
    program_.flags = TRY(seccomp_flags(policy_.flags, program_.wants_listener));
    default_value_ = TRY(seccomp_return_value(policy_.default_action, policy_.default_errno_ret));
    TRY(choose_architectures());
    TRY(choose_rules());
    resolve_numbers();
    std::vector<std::vector<sock_filter>> continuations;
    for (const Numbers& numbers : numbers_) continuations.push_back(TRY(solve(numbers)));
    program_.instructions = emit_syscall_tree(sections(), SECCOMP_RET_KILL_THREAD, continuations);
    if (program_.instructions.size() > BPF_MAXINSNS) {
      return base::fail(ErrorCode::kConfigInvalid, "seccomp: the filter needs {} instructions, the kernel takes {}",
                        program_.instructions.size(), BPF_MAXINSNS);
    }
    return std::move(program_);
  }

 private:
  template <typename... Args>
  void ignore(SeccompIgnored::What what, size_t index, fmt::format_string<Args...> format, Args&&... args) {
    if (ignored_ != nullptr) ignored_->push_back({what, index, fmt::format(format, std::forward<Args>(args)...)});
  }

  Result<void> choose_architectures() {
    const SeccompArchitecture* native = native_seccomp_architecture();
    if (native == nullptr) {
      return base::fail(ErrorCode::kUnsupported, "seccomp: libseccomp does not know this machine's architecture");
    }
    // Kernel support is a matter of the machine that loads the program; without this, libseccomp would probe ours.
    ::seccomp_api_set(6);
    Filter probe(::seccomp_init(SCMP_ACT_ALLOW));
    if (!probe) return base::fail_errno(ENOMEM, "seccomp_init");
    numbers_.push_back({.architecture = native});
    for (size_t index = 0; index < policy_.architectures.size(); ++index) {
      const std::string& name = policy_.architectures[index];
      const SeccompArchitecture* architecture = seccomp_architecture(name);
      if (architecture == nullptr) {
        return base::fail(ErrorCode::kConfigInvalid, "seccomp architecture {} is not known", name);
      }
      if (architecture->token == 0) {
        ignore(SeccompIgnored::kArchitecture, index, "is ignored: libseccomp does not know {} and this machine is {}",
               name, native->name);
        continue;
      }
      auto same = [&](const Numbers& other) { return other.architecture == architecture; };
      if (std::ranges::any_of(numbers_, same)) continue;
      int status = ::seccomp_arch_add(probe.get(), architecture->token);
      if (status == -EDOM) {
        ignore(SeccompIgnored::kArchitecture, index, "is ignored: the byte order of {} is not that of {}", name,
               native->name);
        continue;
      }
      if (status < 0) return base::fail_errno(-status, "adding architecture {} to the seccomp filter", name);
      numbers_.push_back({.architecture = architecture});
    }
    return {};
  }

  Result<void> choose_rules() {
    for (size_t index = 0; index < policy_.rules.size(); ++index) {
      const SeccompRule& rule = policy_.rules[index];
      if (rule.name.empty()) return base::fail(ErrorCode::kConfigInvalid, "seccomp: a syscall's name is empty");
      uint32_t value = TRY(seccomp_return_value(rule.action, rule.errno_ret), "seccomp rule for {}", rule.name);
      for (const SeccompArg& arg : rule.args) {
        if (arg.index > 5) {
          return base::fail(ErrorCode::kConfigInvalid, "seccomp rule for {}: a syscall has no argument {}", rule.name,
                            arg.index);
        }
      }
      if (::seccomp_syscall_resolve_name(rule.name.c_str()) == __NR_SCMP_ERROR) {
        if (policy_.fail_unknown_syscalls) {
          return base::fail(ErrorCode::kConfigInvalid, "seccomp: unknown syscall \"{}\"", rule.name);
        }
        ignore(SeccompIgnored::kRule, index, "is ignored: unknown syscall \"{}\"", rule.name);
        continue;
      }
      const bool active = value != default_value_;
      for (Numbers& numbers : numbers_) {
        const int number = ::seccomp_syscall_resolve_name_arch(numbers.architecture->token, rule.name.c_str());
        // Also where the rule is redundant: the policy's author knew the syscall.
        numbers.largest = std::max(numbers.largest, number);
        if (active) numbers.of_rule.push_back(number);
      }
      if (active) active_.push_back({&rule, value, is_multiplexed(rule.name)});
    }
    return {};
  }

  // Sends a rule to libseccomp where its number is contested: by arguments, by a multiplexer, or by another rule with
  // a different action.
  void resolve_numbers() {
    for (Numbers& numbers : numbers_) {
      numbers.solve.resize(active_.size());
      std::vector<std::pair<uint32_t, size_t>> users;  // a number, and an active rule about it
      users.reserve(active_.size());
      for (size_t i = 0; i < active_.size(); ++i) {
        const int number = numbers.of_rule[i];
        if (numbers.architecture->multiplexed && active_[i].multiplexed) {
          numbers.solve[i] = true;
          numbers.multiplexed = true;
          if (number >= 0) numbers.solved.push_back(static_cast<uint32_t>(number));
        } else if (number >= 0) {
          users.emplace_back(static_cast<uint32_t>(number), i);
        }
      }
      std::ranges::sort(users);
      for (auto first = users.begin(); first != users.end();) {
        auto last = std::find_if(first, users.end(), [&](const auto& user) { return user.first != first->first; });
        auto contested = [&](const auto& user) {
          return !active_[user.second].rule->args.empty() || active_[user.second].value != active_[first->second].value;
        };
        if (std::any_of(first, last, contested)) {
          for (auto user = first; user != last; ++user) numbers.solve[user->second] = true;
          numbers.solved.push_back(first->first);
        } else {
          numbers.simple.push_back(*first);
        }
        first = last;
      }
    }
  }

  std::vector<SyscallSection> sections() const {
    const bool refuses = policy_.default_action != SeccompAction::kAllow &&
                         policy_.default_action != SeccompAction::kLog &&
                         policy_.default_action != SeccompAction::kTrace && default_value_ != kEnosys;
    std::vector<SyscallSection> sections;
    for (size_t index = 0; index < numbers_.size(); ++index) {
      const Numbers& numbers = numbers_[index];
      const SeccompArchitecture& architecture = *numbers.architecture;
      auto section = std::ranges::find(sections, architecture.audit_arch, &SyscallSection::audit_arch);
      if (section == sections.end()) {
        // An ABI that was not asked for dies; -1 is a call that a tracer has cancelled, of any ABI.
        SyscallRanges nothing(return_leaf(SECCOMP_RET_KILL_THREAD));
        nothing.set(UINT32_MAX, return_leaf(default_value_));
        section = sections.insert(sections.end(), {architecture.audit_arch, std::move(nothing)});
      }
      SyscallRanges& ranges = section->ranges;
      const SyscallLeaf solved = continue_leaf(static_cast<int>(index));
      const uint32_t first = architecture.token == SCMP_ARCH_X32 ? kX32Bit : 0;
      const uint32_t last = architecture.token == SCMP_ARCH_X86_64 ? kX32Bit - 1 : UINT32_MAX;
      // libseccomp does not tell which number besides the multiplexer's such a syscall has, so it decides there about
      // everything that no other rule names.
      ranges.set(first, last, numbers.multiplexed ? solved : return_leaf(default_value_));
      for (const auto& [number, rule] : numbers.simple) ranges.set(number, return_leaf(active_[rule].value));
      for (uint32_t number : numbers.solved) ranges.set(number, solved);
      if (refuses && numbers.largest > 0) {
        ranges.set(static_cast<uint32_t>(numbers.largest) + 1, last, return_leaf(kEnosys));
        if (architecture.token == SCMP_ARCH_S390 || architecture.token == SCMP_ARCH_S390X) {
          ranges.set(0, return_leaf(kEnosys));
        }
      }
    }
    return sections;
  }

  // libseccomp's program for the contested rules of one architecture; empty where there is none. One at a time: with
  // several architectures of which one is x32, libseccomp 2.5.4 can compare a syscall number that it has not loaded,
  // and the rule is lost (see SeccompDifferential.ARuleSurvivesX32).
  Result<std::vector<sock_filter>> solve(const Numbers& numbers) {
    const size_t count = static_cast<size_t>(std::ranges::count(numbers.solve, true));
    if (count == 0) return {};
    Filter filter(::seccomp_init(default_value_));
    if (!filter) return base::fail(ErrorCode::kSystemError, "seccomp: seccomp_init refused the default action");
    if (numbers.architecture != numbers_.front().architecture) {
      int status = ::seccomp_arch_add(filter.get(), numbers.architecture->token);
      if (status == 0) status = ::seccomp_arch_remove(filter.get(), numbers_.front().architecture->token);
      if (status < 0) return base::fail_errno(-status, "making a seccomp filter for {}", numbers.architecture->name);
    }
    for (size_t i = 0; i < active_.size(); ++i) {
      if (numbers.solve[i]) TRY(add_rule(filter, active_[i]), "adding seccomp rule for {}", active_[i].rule->name);
    }
    // A binary tree of libseccomp's own, for the few policies whose rules mostly look at arguments.
    if (count > 32) ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    sys::FileDescriptor file = TRY(sys::memory_file("seccomp", "", false), "seccomp: memfd_create");
    int status = ::seccomp_export_bpf(filter.get(), file.get());
    if (status < 0) return base::fail_errno(-status, "generating the seccomp filter");
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return base::fail_errno(errno, "reading the seccomp filter");
    std::string bytes = TRY(sys::read_all(file.get()), "reading the seccomp filter");
    std::vector<sock_filter> code(bytes.size() / sizeof(sock_filter));
    std::memcpy(code.data(), bytes.data(), code.size() * sizeof(sock_filter));
    return code;
  }

  static Result<void> add_rule(const Filter& filter, const ActiveRule& active) {
    std::vector<scmp_arg_cmp> comparisons;
    std::array<int, 6> uses = {};
    bool repeated = false;
    for (const SeccompArg& arg : active.rule->args) {
      comparisons.push_back({arg.index, comparison(arg.op), arg.value, arg.value_two});
      repeated |= ++uses[arg.index] > 1;
    }
    if (!repeated) return add_comparisons(filter, active, comparisons);
    for (const scmp_arg_cmp& one : comparisons) TRY(add_comparisons(filter, active, {&one, 1}));
    return {};
  }

  static Result<void> add_comparisons(const Filter& filter, const ActiveRule& active,
                                      std::span<const scmp_arg_cmp> comparisons) {
    const int number = ::seccomp_syscall_resolve_name(active.rule->name.c_str());
    int status = ::seccomp_rule_add_array(filter.get(), active.value, number, static_cast<unsigned>(comparisons.size()),
                                          comparisons.data());
    if (status == -EEXIST) return base::fail(ErrorCode::kConfigInvalid, "it contradicts an earlier rule");
    if (status < 0) return std::unexpected(Error(Errno{-status}));
    return {};
  }

  static scmp_compare comparison(SeccompOperator op) {
    switch (op) {
      case SeccompOperator::kNotEqual:
        return SCMP_CMP_NE;
      case SeccompOperator::kLess:
        return SCMP_CMP_LT;
      case SeccompOperator::kLessOrEqual:
        return SCMP_CMP_LE;
      case SeccompOperator::kEqual:
        return SCMP_CMP_EQ;
      case SeccompOperator::kGreaterOrEqual:
        return SCMP_CMP_GE;
      case SeccompOperator::kGreater:
        return SCMP_CMP_GT;
      case SeccompOperator::kMaskedEqual:
        return SCMP_CMP_MASKED_EQ;
    }
    return _SCMP_CMP_MIN;
  }

  const SeccompPolicy& policy_;
  std::vector<SeccompIgnored>* ignored_;
  SeccompProgram program_;
  uint32_t default_value_ = 0;
  std::vector<Numbers> numbers_;  // the native architecture first: its tree is reached first
  std::vector<ActiveRule> active_;
};

}  // namespace

Result<uint32_t> seccomp_flags(const std::vector<std::string>& names, bool wants_listener) {
  uint32_t flags = 0;
  for (const std::string& name : names) {
    std::optional<uint32_t> flag = seccomp_flag_from_name(name);
    if (!flag) return base::fail(ErrorCode::kConfigInvalid, "seccomp flag {} is not known", name);
    flags |= *flag;
  }
  if (wants_listener) {
    flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Otherwise both want to give their result in the return value: a descriptor, and the thread that did not sync.
    if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  } else if ((flags & *seccomp_flag_from_name("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")) != 0) {
    return base::fail(ErrorCode::kConfigInvalid,
                      "seccomp flag SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY");
  }
  return flags;
}

Result<SeccompProgram> compile_seccomp(const SeccompPolicy& policy, std::vector<SeccompIgnored>* ignored) {
  return Compiler(policy, ignored).compile();
}

}  // namespace cella::bpf
