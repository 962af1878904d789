#include "sandbox/gofer/jail.h"

#include <sys/resource.h>

namespace cella::sandbox::gofer {

Jail make_jail(const config::Config& container, const JailFacts& facts, uint64_t max_descriptors) {
  // Two inodes: the root itself, and the place for procfs.
  Jail jail = sandbox::make_jail(container, facts, 2, kFileCapabilities);
  // Processes alone, of which there is one; nothing of the host's.
  jail.config.mounts.push_back(pseudo_mount("proc", "/proc", "subset=pid"));
  jail.config.namespaces.add(config::NamespaceType::kNet);
  // The guest's has been applied.
  jail.config.umask = jail.process.umask = 0;
  // A node is a descriptor.
  jail.process.rlimits = {{RLIMIT_NOFILE, max_descriptors, max_descriptors}};
  return jail;
}

}  // namespace cella::sandbox::gofer
