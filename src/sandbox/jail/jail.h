// What the jails of the sandbox's processes have in common: boot/jail.h, the application kernel's, and gofer/jail.h.
// Each is a container of the namespaces engine. Pure: no system call is made here.
//
// The host's files are in a jail as mounts of its own, one for each tree that the container's configuration names: its
// root is tree 0, and then there is one for each bind, in their order. So a tree has the submounts, attributes, id map
// and propagation that the container's mount is to have, and there is no other way than in the container of the
// namespaces engine. Above the trees there is the jail's root, where nothing else is.
#pragma once

#include <linux/capability.h>

#include <cstdint>
#include <map>
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
  config::ProcessConfig process;                         // without args
  std::map<std::string, std::string> destination_names;  // of trees: the container's; plan::StartOptions
};

// To do to the host's files what the guest's users may do to theirs; whether they may is the kernel's to decide. Not
// CAP_MKNOD: a device made on the host is of no use to the guest, whose devices are the kernel's, and others could open
// it. Fifos, sockets and whiteouts need none.
inline constexpr uint64_t kFileCapabilities = uint64_t{1} << CAP_CHOWN | uint64_t{1} << CAP_DAC_OVERRIDE |
                                              uint64_t{1} << CAP_DAC_READ_SEARCH | uint64_t{1} << CAP_FOWNER |
                                              uint64_t{1} << CAP_FSETID;
// To make files for owners whose ids a mount maps when its own are not mapped: with such trees alone.
inline constexpr uint64_t kOwnerCapabilities = uint64_t{1} << CAP_SETUID | uint64_t{1} << CAP_SETGID;

// Is it bound, so that what is bound is a tree? Not: attributes of what is mounted already.
bool is_tree(const config::Mount& mount);
// The trees of a container: mounts with MS_BIND, whose destinations are the container's. With `read_only_root` nothing
// can be written to the root's.
std::vector<config::Mount> trees_of(const config::Config& container, bool read_only_root);
// Where a jail has tree `index`.
std::string tree_path(size_t index);

// A read-only root with `trees`, room for `places` more mounts and nothing else; the ids of the container's files; new
// mount, pid, ipc and uts namespaces; the bounding, permitted and effective `capabilities`, kOwnerCapabilities and no
// other.
Jail make_jail(const config::Config& container, const JailFacts& facts, const std::vector<config::Mount>& trees,
               size_t places, uint64_t capabilities);
// A filesystem without a device, "tmpfs" or "proc", on which nothing can be executed.
config::Mount pseudo_mount(const char* type, const char* destination, std::string data);

}  // namespace cella::sandbox
