// The ptrace platform: guest threads are threads of stub processes, and PTRACE_SYSEMU of ptrace(2) reports each of
// their system calls instead of executing it. Needs nothing of the host, and is the reference for other platforms.
//
// Cost, both sides on one CPU: 5 to 10 us from a guest's system call to the next instruction after it; 30 us and more
// when they are on two, because each has to be woken up on an idle CPU. So a context pins its host thread and its guest
// thread to one CPU together, see placement.h.
#pragma once

#include "sandbox/platform/platform.h"

namespace cella::sandbox::platform {

// While the process has one thread, and before its seccomp filter.
SysResult<std::unique_ptr<Platform>> make_ptrace_platform();

}  // namespace cella::sandbox::platform
