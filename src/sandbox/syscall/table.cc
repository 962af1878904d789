#include "sandbox/syscall/table.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include <cerrno>

#include "sandbox/syscall/handlers.h"
#include "sandbox/syscall/seccomp.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace cella::sandbox::syscall {
namespace {

constexpr size_t kNumbers = 512;

constexpr int kNone = -1;
constexpr char kPrivileged[] = "for the machine's administrator", kGone[] = "gone from Linux too",
               kHostsAffair[] = "the host's affair";

constexpr std::array<Entry, kNumbers> make_table() {
  std::array<Entry, kNumbers> table = {};
#define CELLA_CALL(name, arguments) table[SYS_##name] = {SYS_##name, #name, arguments, sys_##name};
#define CELLA_PARTIAL(name, arguments, note) \
  table[SYS_##name] = {SYS_##name, #name, arguments, sys_##name, Support::kPartial, note};
#define CELLA_ABSENT(name, error, capability, reason) \
  table[SYS_##name] = {SYS_##name, #name, "xxxxxx", nullptr, Support::kAbsent, reason, error, capability};
#include "sandbox/syscall/calls.inc"
#undef CELLA_CALL
#undef CELLA_PARTIAL
#undef CELLA_ABSENT
  return table;
}
constexpr std::array<Entry, kNumbers> kTable = make_table();

Outcome serve(task::Task& task, const platform::Registers& r) {
  const uint64_t number = r.orig_rax;
  const Entry* entry = find(number);
  if (entry == nullptr) {
    // Numbers that no kernel has count together: the guest chooses them.
    ++task.kernel.unknown_calls[std::min<uint64_t>(number, kNumbers)];
    return fail(ENOSYS);
  }
  if (entry->support == Support::kAbsent) {
    const bool allowed = entry->capability < 0 || task.creds.has(entry->capability);
    return fail(allowed ? entry->error : EPERM);
  }
  return entry->handler(task, {{r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}});
}

}  // namespace

const Entry* find(uint64_t number) {
  return number < kNumbers && kTable[number].name != nullptr ? &kTable[number] : nullptr;
}

const Entry* find(std::string_view name) {
  for (const Entry& entry : kTable)
    if (entry.name != nullptr && entry.name == name) return &entry;
  return nullptr;
}

std::span<const Entry> all() {
  return kTable;
}

void dispatch(task::Task& task) {
  const core::Nanoseconds before = core::now();
  platform::Registers& r = task.registers();
  const uint64_t number = r.orig_rax;
  task::CallObserver* observer = task.kernel.call_observer.get();
  platform::Registers call;
  if (observer != nullptr) [[unlikely]] {
    call = r;
    observer->entered(task, call);
  }
  std::optional<Outcome> refused;
  if (task.seccomp.mode != SECCOMP_MODE_DISABLED) [[unlikely]]
    refused = filter_call(task);
  const Outcome outcome = refused ? *refused : serve(task, r);
  // Of another program by now, or of another place in this one.
  if (outcome && !refused && (number == SYS_execve || number == SYS_execveat || number == SYS_rt_sigreturn)) {
    task.registers().orig_rax = ~0ul;
  } else {
    task.registers().rax = outcome ? *outcome : static_cast<uint64_t>(-outcome.error().value);
  }
  const core::Nanoseconds taken = core::now() - before;
  task.count_call(taken);
  if (observer != nullptr) [[unlikely]] {
    observer->left(task, call, outcome ? static_cast<int64_t>(*outcome) : -outcome.error().value, taken);
  }
}

}  // namespace cella::sandbox::syscall
