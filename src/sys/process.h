// Processes by pidfd, and the one clone(2) that starts init. See pidfd_open(2), pidfd_send_signal(2), clone3(2).
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::sys {

SysResult<FileDescriptor> pidfd_open(pid_t pid);
SysResult<void> pidfd_signal(int pidfd, int signal);
// Has the process behind a pidfd ended (a zombie has)?
bool has_ended(int pidfd);
// poll(2) for readability; false: not within `timeout_ms` (-1: for ever). Interrupted waits go on.
SysResult<bool> wait_readable(int fd, int timeout_ms);
// The permitted set of the calling thread as a mask of 1 << CAP_*, capget(2).
SysResult<uint64_t> permitted_capabilities();
// Those of the calling thread, capset(2): EPERM.
SysResult<void> set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable);
// Whether its bounding set has the capability, PR_CAPBSET_READ(2const).
bool in_bounding_set(int capability);
// waitpid(2) without interruption: the wait status.
SysResult<int> wait_for(pid_t pid);

// Blocks every signal in this thread while it lives.
class SignalBlock {
 public:
  SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  ~SignalBlock();
  const sigset_t& old() const { return old_; }

 private:
  sigset_t old_;
};

struct CloneResult {
  pid_t pid = 0;
  FileDescriptor pidfd;
};
// A child that shares our memory until it executes something or ends, while this thread stands still (CLONE_VM |
// CLONE_VFORK): cheap however large the caller is. `body` runs in it, on a stack of its own, and must only make system
// calls; it may write to the caller's variables. What it returns is the exit status. `flags` are CLONE_NEW* and
// CLONE_FILES; `into_cgroup` is a descriptor for CLONE_INTO_CGROUP, or -1. Call with all signals blocked.
SysResult<CloneResult> clone_vfork(uint64_t flags, int into_cgroup, int (*body)(void*), void* argument);

// A new user namespace with these maps, user_namespaces(7), that nobody is in. Needs the capabilities to map the ids.
// EINVAL: a map is empty or breaks the kernel's rules.
SysResult<FileDescriptor> new_user_namespace(std::string_view uid_map, std::string_view gid_map);

// sched_setaffinity(2): the process may run on every CPU that its cpuset has, now and later.
SysResult<void> allow_all_cpus(pid_t pid);

// Start time of a process in clock ticks since boot (field 22 of proc_pid_stat(5)) and its state letter.
struct ProcessStat {
  uint64_t start_time = 0;
  char state = '?';
};
SysResult<ProcessStat> process_stat(pid_t pid);

}  // namespace cella::sys
