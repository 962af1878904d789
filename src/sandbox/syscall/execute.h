// What the start of a container's first program has in common with execve(2).
#pragma once

#include "sandbox/task/task.h"

namespace cella::sandbox::syscall {

// The credentials that the task has once it executes this file: set-id programs, execve(2); what becomes of its
// capabilities, capabilities(7).
SysResult<void> take_credentials(task::Task& task, const vfs::Path& executable);

}  // namespace cella::sandbox::syscall
