#include "sandbox/gofer/jail.h"

#include <sys/resource.h>

namespace cella::sandbox::gofer {

Jail make_jail(const config::Config& container, const JailFacts& facts, const std::vector<config::Mount>& trees,
               uint64_t max_descriptors) {
  Jail jail = sandbox::make_jail(container, facts, trees, 1, kFileCapabilities);
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
