// A program that is started from outside of the guest: the container's first one, or one of `exec`.
#pragma once

#include <memory>
#include <vector>

#include <cella/error.h>

#include "sandbox/boot/boot_request.h"
#include "sandbox/fs/host/host_fd.h"
#include "sandbox/fs/tty/host_terminal.h"
#include "sandbox/task/task.h"
#include "sys/fd.h"

namespace cella::sandbox::boot {

struct NewProgram {
  const BootProcess& process;
  std::vector<sys::FileDescriptor> files;  // become 0, 1, 2, 3, …: the standard streams come first
};

struct StartedProgram {
  std::shared_ptr<task::ThreadGroup> group;
  std::shared_ptr<fs::HostTerminal> terminal;  // that controls its session, if it was to have one
};

// Starts it as a process without a parent, in the kernel's mounts; the first one of a kernel is its init. The messages
// are those that runc has for a program that is not there. With the kernel lock.
Result<StartedProgram> start_program(task::Kernel& kernel, fs::HostPoller& poller, NewProgram program);

}  // namespace cella::sandbox::boot
