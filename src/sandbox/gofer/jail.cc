#include "sandbox/gofer/jail.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <algorithm>

namespace cella::sandbox::gofer {
namespace {

using config::NamespaceType;

constexpr uint64_t bit(int capability) {
  return uint64_t{1} << capability;
}
// To do to the host's files what the guest's users may do to theirs; whether they may is the kernel's to decide. Not
// CAP_MKNOD: a device made on the host is of no use to the guest, whose devices are the kernel's, and others could open
// it. Fifos, sockets and whiteouts need none.
constexpr uint64_t kCapabilities =
    bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER) | bit(CAP_FSETID);

// Two inodes: itself, and the place for procfs.
config::Mount empty_root() {
  config::Mount mount;
  mount.source = mount.device = "tmpfs";
  mount.destination = "/";
  mount.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount.data = "mode=0555,size=4k,nr_inodes=2";
  return mount;
}

// Processes alone, of which there is one; nothing of the host's.
config::Mount own_procfs() {
  config::Mount mount;
  mount.source = mount.device = "proc";
  mount.destination = "/proc";
  mount.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount.data = "subset=pid";
  return mount;
}

}  // namespace

Jail make_jail(const config::Config& container, const JailFacts& facts) {
  Jail jail;
  config::Config& config = jail.config;
  config.rootfs = container.rootfs;
  config.no_pivot_root = container.no_pivot_root;
  config.mounts = {empty_root(), own_procfs()};
  config.readonlyfs = true;

  // The ids of the container's files, where it has a user namespace; else all those of the caller's.
  const bool has_user_namespace = container.namespaces.contains(NamespaceType::kUser);
  config.namespaces.add(NamespaceType::kUser, container.namespaces.path_of(NamespaceType::kUser));
  config.uid_mappings = has_user_namespace ? container.uid_mappings : facts.uids;
  config.gid_mappings = has_user_namespace ? container.gid_mappings : facts.gids;
  for (NamespaceType type :
       {NamespaceType::kMount, NamespaceType::kPid, NamespaceType::kIpc, NamespaceType::kUts, NamespaceType::kNet})
    config.namespaces.add(type);
  config.rootless_euid = container.rootless_euid;
  config.no_new_keyring = container.no_new_keyring;
  config.memory_policy = container.memory_policy;
  config.umask = 0;  // the guest's has been applied

  jail.process.no_new_privileges = true;
  config::Capabilities& capabilities = jail.process.capabilities.emplace();
  capabilities.bounding = capabilities.permitted = capabilities.effective = kCapabilities;
  jail.process.umask = 0;
  // A node is a descriptor.
  jail.process.rlimits = {{RLIMIT_NOFILE, facts.max_descriptors, facts.max_descriptors}};
  return jail;
}

}  // namespace cella::sandbox::gofer
