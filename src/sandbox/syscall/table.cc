#include "sandbox/syscall/table.h"

#include <linux/capability.h>
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
    {SYS_clone, "no new namespaces, no CLONE_PTRACE"},
    {SYS_clone3, "as clone; no set_tid, no CLONE_INTO_CGROUP"},
    {SYS_copy_file_range, "copies through the kernel"},
    {SYS_fcntl,
     "no leases, no signals of readiness; deadlocks of record locks are not seen; F_SEAL_WRITE does not look "
     "for mappings that can be written to"},
    {SYS_inotify_add_watch, "no IN_UNMOUNT; of a host file only what is done under the name that is watched"},
    {SYS_ioprio_set, "remembered, and left to the host"},
    {SYS_mount, "tmpfs, binds, moves and remounts; nothing is propagated"},
    {SYS_personality, "remembered, and changes nothing"},
    {SYS_sched_setattr, "no real-time policies"},
    {SYS_timer_create, "no clocks of CPU time"},
    {SYS_timerfd_settime, "a jump of the real-time clock is not followed"},
    {SYS_unshare, "no namespaces"},
    {SYS_umount2, "no MNT_EXPIRE"},
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

// What is known and refused.
struct Absence {
  int number;
  const char* name;
  int error;
  int capability;
  const char* reason;
};
constexpr int kNone = -1;
constexpr char kPrivileged[] = "for the machine's administrator", kGone[] = "gone from Linux too",
               kHostsAffair[] = "the host's affair";
constexpr Absence kAbsent[] = {
    {SYS_uselib, "uselib", ENOSYS, kNone, kGone},
    {SYS_vhangup, "vhangup", ENOSYS, CAP_SYS_TTY_CONFIG, kPrivileged},
    {SYS_modify_ldt, "modify_ldt", EPERM, kNone, "no segments of the program's own"},
    {SYS__sysctl, "_sysctl", ENOSYS, kNone, kGone},
    {SYS_adjtimex, "adjtimex", ENOSYS, CAP_SYS_TIME, kHostsAffair},
    {SYS_acct, "acct", ENOSYS, CAP_SYS_PACCT, kPrivileged},
    {SYS_settimeofday, "settimeofday", ENOSYS, CAP_SYS_TIME, kHostsAffair},
    {SYS_clock_settime, "clock_settime", ENOSYS, CAP_SYS_TIME, kHostsAffair},
    {SYS_clock_adjtime, "clock_adjtime", ENOSYS, CAP_SYS_TIME, kHostsAffair},
    {SYS_swapon, "swapon", ENOSYS, CAP_SYS_ADMIN, kPrivileged},
    {SYS_swapoff, "swapoff", ENOSYS, CAP_SYS_ADMIN, kPrivileged},
    {SYS_reboot, "reboot", ENOSYS, CAP_SYS_BOOT, kPrivileged},
    {SYS_iopl, "iopl", ENOSYS, CAP_SYS_RAWIO, kPrivileged},
    {SYS_ioperm, "ioperm", ENOSYS, CAP_SYS_RAWIO, kPrivileged},
    {SYS_create_module, "create_module", ENOSYS, kNone, kGone},
    {SYS_init_module, "init_module", ENOSYS, CAP_SYS_MODULE, kPrivileged},
    {SYS_finit_module, "finit_module", ENOSYS, CAP_SYS_MODULE, kPrivileged},
    {SYS_delete_module, "delete_module", ENOSYS, CAP_SYS_MODULE, kPrivileged},
    {SYS_get_kernel_syms, "get_kernel_syms", ENOSYS, kNone, kGone},
    {SYS_query_module, "query_module", ENOSYS, kNone, kGone},
    {SYS_quotactl, "quotactl", ENOSYS, CAP_SYS_ADMIN, kPrivileged},
    {SYS_nfsservctl, "nfsservctl", ENOSYS, kNone, kGone},
    {SYS_getpmsg, "getpmsg", ENOSYS, kNone, kGone},
    {SYS_putpmsg, "putpmsg", ENOSYS, kNone, kGone},
    {SYS_afs_syscall, "afs_syscall", ENOSYS, kNone, kGone},
    {SYS_tuxcall, "tuxcall", ENOSYS, kNone, kGone},
    {SYS_security, "security", ENOSYS, kNone, kGone},
    {SYS_set_thread_area, "set_thread_area", ENOSYS, kNone, "not for 64-bit programs"},
    {SYS_get_thread_area, "get_thread_area", ENOSYS, kNone, "not for 64-bit programs"},
    {SYS_lookup_dcookie, "lookup_dcookie", ENOSYS, CAP_SYS_ADMIN, kPrivileged},
    {SYS_epoll_ctl_old, "epoll_ctl_old", ENOSYS, kNone, kGone},
    {SYS_epoll_wait_old, "epoll_wait_old", ENOSYS, kNone, kGone},
    {SYS_remap_file_pages, "remap_file_pages", ENOSYS, kNone, "programs do without it"},
    {SYS_vserver, "vserver", ENOSYS, kNone, kGone},
    {SYS_kexec_load, "kexec_load", ENOSYS, CAP_SYS_BOOT, kPrivileged},
    {SYS_kexec_file_load, "kexec_file_load", ENOSYS, CAP_SYS_BOOT, kPrivileged},
    {SYS_migrate_pages, "migrate_pages", ENOSYS, CAP_SYS_NICE, kHostsAffair},
    {SYS_move_pages, "move_pages", ENOSYS, CAP_SYS_NICE, kHostsAffair},
    {SYS_rseq, "rseq", ENOSYS, kNone, "a program that is not told its CPU needs no restarts"},
    {SYS_setns, "setns", EPERM, kNone, "no namespaces"},
    {SYS_perf_event_open, "perf_event_open", ENODEV, kNone, "no counters"},
    {SYS_name_to_handle_at, "name_to_handle_at", EOPNOTSUPP, kNone, "no filesystem has handles"},
    {SYS_open_by_handle_at, "open_by_handle_at", EOPNOTSUPP, CAP_DAC_READ_SEARCH, "no filesystem has handles"},
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
  for (const Absence& one : kAbsent) {
    table[static_cast<size_t>(one.number)] = {one.number, one.name,  nullptr,       Support::kAbsent,
                                              one.reason, one.error, one.capability};
  }
  return table;
}
constexpr std::array<Entry, kNumbers> kTable = make_table();

}  // namespace

const Entry* find(uint64_t number) {
  return number < kNumbers && kTable[number].name != nullptr ? &kTable[number] : nullptr;
}

void dispatch(task::Task& task) {
  const core::Nanoseconds before = core::now();
  platform::Registers& r = task.registers();
  const uint64_t number = r.orig_rax;
  const Entry* entry = find(number);
  Outcome outcome = std::unexpected(Errno{ENOSYS});
  if (entry != nullptr && entry->support == Support::kAbsent) {
    const bool allowed = entry->capability < 0 || task.creds.has(entry->capability);
    outcome = fail(allowed ? entry->error : EPERM);
  } else if (entry != nullptr) {
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
