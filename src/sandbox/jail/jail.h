// What the jails of the sandbox's processes have in common: boot/jail.h, the application kernel's, and gofer/jail.h.
// Each is a container of the namespaces engine. Pure: no system call is made here.
#pragma once

#include <linux/capability.h>

#include <cstdint>
#include <string>
#include <vector>

#include <cella/config.h>

namespace cella::sandbox {

// What the host says, for a container without a user namespace of its own: the ids that the caller has, as they are
// called where it is.
struct JailFacts {
  std::vector<config::IDMap> uids, gids;
};
struct Jail {
  config::Config config;
  config::ProcessConfig process;  // without args
};

// To do to the host's files what the guest's users may do to theirs; whether they may is the kernel's to decide. Not
// CAP_MKNOD: a device made on the host is of no use to the guest, whose devices are the kernel's, and others could open
// it. Fifos, sockets and whiteouts need none.
inline constexpr uint64_t kFileCapabilities = uint64_t{1} << CAP_CHOWN | uint64_t{1} << CAP_DAC_OVERRIDE |
                                              uint64_t{1} << CAP_DAC_READ_SEARCH | uint64_t{1} << CAP_FOWNER |
                                              uint64_t{1} << CAP_FSETID;

// An empty root of `inodes` inodes, read-only; the ids of the container's files; new mount, pid, ipc and uts
// namespaces; the bounding, permitted and effective `capabilities` and no other.
Jail make_jail(const config::Config& container, const JailFacts& facts, int inodes, uint64_t capabilities);
// A filesystem without a device, "tmpfs" or "proc", on which nothing can be executed.
config::Mount pseudo_mount(const char* type, const char* destination, std::string data);

}  // namespace cella::sandbox
