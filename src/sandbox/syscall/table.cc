#include "sandbox/syscall/table.h"

#include <sys/syscall.h>

#include <cerrno>

#include "sandbox/syscall/handlers.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace cella::sandbox::syscall {
namespace {

constexpr size_t kNumbers = 512;

// What is served, but not to the last flag.
struct Note {
  int number;
  const char* text;
};
constexpr Note kPartial[] = {
    {SYS_clone, "no new namespaces, no CLONE_PIDFD, no CLONE_PTRACE"},
    {SYS_clone3, "as clone; no set_tid, no CLONE_INTO_CGROUP"},
    {SYS_fcntl, "no record locks, leases, pipe sizes or seals"},
    {SYS_futex, "no priority inheritance"},
    {SYS_getitimer, "ITIMER_REAL alone"},
    {SYS_setitimer, "ITIMER_REAL alone"},
    {SYS_getrusage, "times alone"},
    {SYS_madvise, "DONTNEED, FREE and the fork advices act; other known ones change nothing"},
    {SYS_membarrier, "MEMBARRIER_CMD_GLOBAL alone"},
    {SYS_mincore, "answers \"all resident\""},
    {SYS_mlock, "checked, and left to the host"},
    {SYS_mlock2, "checked, and left to the host"},
    {SYS_mlockall, "checked, and left to the host"},
    {SYS_mremap, "no MREMAP_DONTUNMAP"},
    {SYS_prctl, "names, signals, dumpable, capabilities, no_new_privs, subreaper"},
    {SYS_preadv2, "RWF_HIPRI, RWF_DSYNC, RWF_SYNC alone"},
    {SYS_pwritev2, "RWF_HIPRI, RWF_DSYNC, RWF_SYNC alone"},
    {SYS_sched_setaffinity, "checked, and left to the host"},
    {SYS_sched_setscheduler, "no real-time policies"},
    {SYS_syslog, "an empty log"},
};

constexpr std::array<Entry, kNumbers> make_table() {
  std::array<Entry, kNumbers> table = {};
#define CELLA_ENTRY(name) table[SYS_##name] = {SYS_##name, #name, sys_##name, Support::kFull, ""};
  CELLA_HANDLERS(CELLA_ENTRY)
#undef CELLA_ENTRY
  for (const Note& note : kPartial) {
    Entry& entry = table[static_cast<size_t>(note.number)];
    entry.support = Support::kPartial;
    entry.note = note.text;
  }
  return table;
}
constexpr std::array<Entry, kNumbers> kTable = make_table();

}  // namespace

const Entry* find(uint64_t number) {
  return number < kNumbers && kTable[number].handler != nullptr ? &kTable[number] : nullptr;
}

void dispatch(task::Task& task) {
  const core::Nanoseconds before = core::now();
  platform::Registers& r = task.registers();
  const uint64_t number = r.orig_rax;
  const Entry* entry = find(number);
  Outcome outcome = std::unexpected(Errno{ENOSYS});
  if (entry != nullptr) {
    outcome = entry->handler(task, {{r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}});
  } else {
    ++task.kernel.unknown_calls[number];
  }
  // Of another program by now, or of another place in this one.
  if (outcome && (number == SYS_execve || number == SYS_execveat || number == SYS_rt_sigreturn)) {
    task.registers().orig_rax = ~0ul;
  } else {
    task.registers().rax = outcome ? *outcome : static_cast<uint64_t>(-outcome.error().value);
  }
  task.system_time += core::now() - before;
}

}  // namespace cella::sandbox::syscall
