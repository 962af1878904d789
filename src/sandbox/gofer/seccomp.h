// The system calls of a gofer that serves: a list of what is allowed, and by whom it is needed. Everything else ends
// the process, since whoever tries has taken it over.
#pragma once

#include <cella/error.h>

#include "bpf/seccomp.h"

namespace cella::sandbox::gofer {

bpf::SeccompPolicy serving_policy();
// For this thread, which is to be the only one, for good. Sets no_new_privs, prctl(2).
Result<void> install_filter();

}  // namespace cella::sandbox::gofer
