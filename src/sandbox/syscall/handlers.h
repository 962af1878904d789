// The handlers of all system calls, by family. Private to syscall/: the table refers to them.
#pragma once

#include "sandbox/syscall/table.h"

namespace cella::sandbox::syscall {

// clang-format off: a list of words, a family a paragraph
#define CELLA_HANDLERS(X)                                                                                              \
  /* io.cc: descriptors and what goes through them */                                                                  \
  X(read)                                                                                                              \
  X(write) X(readv) X(writev) X(pread64) X(pwrite64) X(preadv) X(pwritev) X(preadv2) X(pwritev2) X(lseek) X(close)     \
      X(close_range) X(dup) X(dup2) X(dup3) X(fcntl) X(pipe) X(pipe2) X(ioctl) X(fsync) X(fdatasync) X(sync)           \
          X(ftruncate) X(fallocate) X(sendfile) X(fadvise64) X(readahead) X(sync_file_range)                           \
              X(syncfs)                                        /* splice.cc, locks.cc */                               \
      X(splice) X(tee) X(vmsplice) X(copy_file_range) X(flock) /* files.cc: names */                                   \
      X(open) X(openat) X(creat) X(stat) X(lstat) X(fstat) X(newfstatat) X(statx) X(access) X(faccessat) X(faccessat2) \
          X(getdents) X(getdents64) X(chdir) X(fchdir) X(getcwd) X(mkdir) X(mkdirat) X(rmdir) X(unlink) X(unlinkat)    \
              X(rename) X(renameat) X(renameat2) X(link) X(linkat) X(symlink) X(symlinkat) X(readlink) X(readlinkat)   \
                  X(mknod) X(mknodat) X(umask) X(chroot) X(truncate) /* mounts.cc */                                   \
      X(mount) X(umount2)                                            /* attributes.cc */                               \
      X(chmod) X(fchmod) X(fchmodat) X(fchmodat2) X(chown) X(lchown) X(fchown) X(fchownat) X(utime) X(utimes)          \
          X(futimesat) X(utimensat) X(statfs) X(fstatfs) X(getxattr) X(lgetxattr) X(fgetxattr) X(setxattr)             \
              X(lsetxattr) X(fsetxattr) X(listxattr) X(llistxattr) X(flistxattr) X(removexattr) X(lremovexattr)        \
                  X(fremovexattr) /* memory.cc */                                                                      \
      X(mmap) X(munmap) X(mprotect) X(brk) X(mremap) X(madvise) X(msync) X(mincore) X(mlock) X(munlock) X(mlock2)      \
          X(mlockall) X(munlockall) X(memfd_create) /* process.cc */                                                   \
      X(fork) X(vfork) X(clone) X(clone3) X(execve) X(execveat) X(exit) X(exit_group) X(wait4) X(waitid) X(getpid)     \
          X(gettid) X(getppid) X(getpgid) X(getpgrp) X(setpgid) X(getsid) X(setsid) X(set_tid_address)                 \
              X(set_robust_list) X(get_robust_list) X(prctl) X(arch_prctl) X(getrlimit) X(setrlimit) X(prlimit64)      \
                  X(getrusage) X(times) X(personality) X(unshare) /* pidfd.cc */                                       \
      X(pidfd_open) X(pidfd_send_signal) X(pidfd_getfd) X(process_vm_readv) X(process_vm_writev)                       \
          X(kcmp) /* scheduling.cc */                                                                                  \
      X(sched_yield) X(sched_getaffinity) X(sched_setaffinity) X(sched_getparam) X(sched_setparam)                     \
          X(sched_getscheduler) X(sched_setscheduler) X(sched_get_priority_max) X(sched_get_priority_min)              \
              X(getpriority) X(setpriority) X(getcpu) X(membarrier) X(sched_setattr) X(sched_getattr)                  \
                  X(sched_rr_get_interval) X(ioprio_get) X(ioprio_set) /* signals.cc */                                \
      X(rt_sigaction) X(rt_sigprocmask) X(rt_sigreturn) X(rt_sigpending) X(rt_sigsuspend) X(rt_sigtimedwait)           \
          X(rt_sigqueueinfo) X(rt_tgsigqueueinfo) X(sigaltstack) X(kill) X(tkill) X(tgkill) X(pause)                   \
              X(restart_syscall) /* credentials.cc */                                                                  \
      X(getuid) X(geteuid) X(getgid) X(getegid) X(getresuid) X(getresgid) X(setuid) X(setgid) X(setreuid) X(setregid)  \
          X(setresuid) X(setresgid) X(setfsuid) X(setfsgid) X(getgroups) X(setgroups) X(capget)                        \
              X(capset)                                                                        /* time.cc */           \
      X(clock_gettime) X(clock_getres) X(clock_nanosleep) X(nanosleep) X(gettimeofday) X(time) /* timers.cc */         \
      X(getitimer) X(setitimer) X(alarm) X(timer_create) X(timer_settime) X(timer_gettime) X(timer_getoverrun)         \
          X(timer_delete) X(timerfd_create) X(timerfd_settime) X(timerfd_gettime)                /* polling.cc */      \
      X(poll) X(ppoll) X(select) X(pselect6) X(eventfd) X(eventfd2) X(signalfd) X(signalfd4)     /* epoll.cc */        \
      X(epoll_create) X(epoll_create1) X(epoll_ctl) X(epoll_wait) X(epoll_pwait) X(epoll_pwait2) /* inotify.cc */      \
      X(inotify_init) X(inotify_init1) X(inotify_add_watch) X(inotify_rm_watch)                  /* futex.cc */        \
      X(futex)                                                                                   /* system.cc */       \
      X(uname) X(sysinfo) X(getrandom) X(sethostname) X(setdomainname) X(syslog)

// clang-format on
#define CELLA_DECLARE_HANDLER(name) Outcome sys_##name(task::Task& task, const Arguments& args);
CELLA_HANDLERS(CELLA_DECLARE_HANDLER)
#undef CELLA_DECLARE_HANDLER

// --- what several families need
inline std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}
// Where a dirfd argument stands. EBADF, ENOTDIR.
SysResult<vfs::Path> start_of(task::Task& task, int fd, std::string_view path);
// A path from user memory. ENAMETOOLONG, EFAULT.
SysResult<std::string> path_from(task::Task& task, uint64_t address);
// The file that (dirfd, path, AT_* flags) names.
SysResult<vfs::Path> locate(task::Task& task, int fd, uint64_t path, int flags);
// A deadline on CLOCK_MONOTONIC from a relative timespec in user memory; kNever when the address is 0. EINVAL.
SysResult<core::Nanoseconds> deadline_from(task::Task& task, uint64_t address);
// The time of a clock of the task's: EINVAL.
SysResult<core::Nanoseconds> read_clock(task::Task& task, int clock);
bool is_valid(const timespec& t);
// fcntl(2) F_SETLK and its kind.
Outcome lock_record(task::Task& task, const vfs::FilePtr& file, int command, uint64_t address);
// The signal mask of pselect(2) and the like, until the call's end and a handler's frame.
SysResult<void> set_temporary_mask(task::Task& task, uint64_t address, uint64_t size);

}  // namespace cella::sandbox::syscall
