// The processes of a pid namespace: those of a container that has no cgroup of its own.
//
// Slow, a few system calls for every process of the host, and blind for processes that the caller may not trace
// (ptrace(2), PTRACE_MODE_READ); the caller's own containers are none of those. See pid_namespaces(7), ioctl_ns(2).
#pragma once

#include <sys/types.h>

#include <vector>

#include <cella/error.h>

namespace cella::container {

class PidNamespace {
 public:
  // The one that a process is in.
  static Result<PidNamespace> of(pid_t pid);

  // Is the process in it, or in one below it? False for one that has ended.
  bool contains(pid_t pid) const;
  // In the caller's numbers, ascending.
  Result<std::vector<pid_t>> processes() const;
  // To each process that is there. One that ends meanwhile is no error.
  Result<void> signal_all(int signal_number) const;

 private:
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace cella::container
