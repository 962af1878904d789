#include "sandbox/task/seccomp.h"

#include <linux/audit.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/result.h"
#include "bpf/evaluate.h"

namespace cella::sandbox::task {
namespace {

// As Linux counts them: MAX_INSNS_PER_PATH of kernel/seccomp.c, and what each filter costs besides.
constexpr size_t kMostInstructions = (size_t{1} << 18) / sizeof(sock_filter), kEachCosts = 4;

// Does the program allow this number whatever the rest of the call is? What does more than look at the number and at
// the architecture is not followed.
bool always_allows(std::span<const sock_filter> program, uint32_t number) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& insn = program[pc];
    switch (insn.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (insn.k != offsetof(seccomp_data, nr) && insn.k != offsetof(seccomp_data, arch)) return false;
        a = insn.k == offsetof(seccomp_data, nr) ? number : AUDIT_ARCH_X86_64;
        break;
      case BPF_RET | BPF_K:
        return (insn.k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW;
      case BPF_JMP | BPF_JA:
        pc += insn.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == insn.k ? insn.jt : insn.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= insn.k ? insn.jt : insn.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > insn.k ? insn.jt : insn.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        pc += (a & insn.k) != 0 ? insn.jt : insn.jf;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= insn.k;
        break;
      default:
        return false;
    }
  }
  return false;
}

}  // namespace

SysResult<std::shared_ptr<SeccompFilter>> SeccompFilter::make(std::vector<sock_filter> program, uint64_t flags,
                                                              std::shared_ptr<SeccompFilter> previous) {
  TRY(bpf::check_seccomp_program(program));
  std::shared_ptr<SeccompFilter> made(new SeccompFilter(std::move(program), flags, std::move(previous)));
  if (made->length_ > kMostInstructions) return std::unexpected(Errno{ENOMEM});
  return made;
}

SeccompFilter::SeccompFilter(std::vector<sock_filter> program, uint64_t flags, std::shared_ptr<SeccompFilter> previous)
    : program_(std::move(program)),
      logs_((flags & SECCOMP_FILTER_FLAG_LOG) != 0),
      previous_(std::move(previous)),
      length_(program_.size()) {
  if (previous_ != nullptr) {
    count_ += previous_->count_;
    length_ += previous_->length_ + kEachCosts;
  }
  for (size_t number = 0; number < allowed_.size(); ++number) {
    allowed_[number] =
        (previous_ == nullptr || previous_->allowed_[number]) && always_allows(program_, static_cast<uint32_t>(number));
  }
}

SeccompFilter::~SeccompFilter() {
  // One after the other: there may be thousands, and the stack is small.
  while (previous_ != nullptr && previous_.use_count() == 1) previous_ = std::exchange(previous_->previous_, nullptr);
}

SeccompFilter::Verdict SeccompFilter::evaluate(const seccomp_data& call) const {
  if (static_cast<uint32_t>(call.nr) < allowed_.size() && allowed_[static_cast<size_t>(call.nr)]) return {};
  // The actions are numbered so that the strictest is the least, as signed numbers.
  auto rank = [](uint32_t value) { return static_cast<int32_t>(value & SECCOMP_RET_ACTION_FULL); };
  Verdict strictest;
  for (const SeccompFilter* one = this; one != nullptr; one = one->previous_.get()) {
    const uint32_t value = bpf::run_seccomp_program(one->program_, call).value;
    if (rank(value) < rank(strictest.value)) strictest = {value, one->logs_};
  }
  const uint32_t action = strictest.value & SECCOMP_RET_ACTION_FULL;
  if (action == SECCOMP_RET_LOG || action == SECCOMP_RET_KILL_THREAD || action == SECCOMP_RET_KILL_PROCESS)
    strictest.is_logged = true;
  return strictest;
}

bool SeccompFilter::descends_from(const SeccompFilter* other) const {
  if (other == nullptr) return true;
  for (const SeccompFilter* one = this; one != nullptr; one = one->previous_.get())
    if (one == other) return true;
  return false;
}

}  // namespace cella::sandbox::task
