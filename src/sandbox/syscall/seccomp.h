// What a task's filters say of the system call that it makes; and prctl(2)'s way to set them.
#pragma once

#include <optional>

#include "sandbox/syscall/table.h"

namespace cella::sandbox::syscall {

// Of a task with a mode other than SECCOMP_MODE_DISABLED: nothing when the call is to be served; else its result. The
// task may have been sent a signal, or be about to end.
std::optional<Outcome> filter_call(task::Task& task);

// PR_SET_SECCOMP: EINVAL, EFAULT, EACCES, ENOMEM.
Outcome set_seccomp_mode(task::Task& task, uint64_t mode, uint64_t program);

}  // namespace cella::sandbox::syscall
