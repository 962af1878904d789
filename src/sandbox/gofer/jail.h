// Jail: a container of the namespaces engine, whose program is the gofer. Pure: no system call is made here.
//
// Its root has the trees that it serves (sandbox/jail/jail.h) and a procfs of its own pid namespace, and cannot be
// written to. Of what is outside the trees there is nothing: neither ".." nor a name leads there.
//
// The procfs is for /proc/self/fd, by which a node is opened whatever has become of its name
// (fs/host/direct_backend.h).
#pragma once

#include "sandbox/jail/jail.h"

namespace cella::sandbox::gofer {

// `container`: whose files are served, the `trees`. The gofer belongs into its cgroup.
// `max_descriptors`: RLIMIT_NOFILE's hard limit of the caller.
Jail make_jail(const config::Config& container, const JailFacts& facts, const std::vector<config::Mount>& trees,
               uint64_t max_descriptors = 1 << 20);

}  // namespace cella::sandbox::gofer
