// Jail: a container of the namespaces engine, whose program is the gofer. Pure: no system call is made here.
//
// Its root is empty but for a procfs of its own pid namespace, and cannot be written to. The files that it serves are
// not mounted there: it gets them as descriptors of detached trees (open_tree(2) with OPEN_TREE_CLONE), made by whoever
// starts it. Such a tree is the end of the world for "..", has the id map, the read-only flag and the submounts that
// the container's mount is to have, may be of any filesystem, an overlay among them, and needs no place that would have
// to be made, found again and kept from the others. What an ordinary user has instead of a detached tree is the
// directory itself (O_PATH): then it is the user's own rights that keep a gofer from what is above.
//
// The procfs is for /proc/self/fd, by which a node is opened whatever has become of its name
// (fs/host/direct_backend.h).
#pragma once

#include "sandbox/jail/jail.h"

namespace cella::sandbox::gofer {

// `container`: whose files are served. The gofer belongs into its cgroup.
// `max_descriptors`: RLIMIT_NOFILE's hard limit of the caller.
Jail make_jail(const config::Config& container, const JailFacts& facts, uint64_t max_descriptors = 1 << 20);

}  // namespace cella::sandbox::gofer
