#include "sandbox/jail/jail.h"

#include <sys/mount.h>

#include <utility>

#include <fmt/format.h>

namespace cella::sandbox {

using config::NamespaceType;

config::Mount pseudo_mount(const char* type, const char* destination, std::string data) {
  config::Mount mount;
  mount.source = mount.device = type;
  mount.destination = destination;
  mount.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount.data = std::move(data);
  return mount;
}

Jail make_jail(const config::Config& container, const JailFacts& facts, int inodes, uint64_t capabilities) {
  Jail jail;
  config::Config& config = jail.config;
  config.rootfs = container.rootfs;
  config.no_pivot_root = container.no_pivot_root;
  config.mounts = {pseudo_mount("tmpfs", "/", fmt::format("mode=0555,size=4k,nr_inodes={}", inodes))};
  config.readonlyfs = true;

  const bool has_user_namespace = container.namespaces.contains(NamespaceType::kUser);
  config.namespaces.add(NamespaceType::kUser, container.namespaces.path_of(NamespaceType::kUser));
  config.uid_mappings = has_user_namespace ? container.uid_mappings : facts.uids;
  config.gid_mappings = has_user_namespace ? container.gid_mappings : facts.gids;
  for (NamespaceType type : {NamespaceType::kMount, NamespaceType::kPid, NamespaceType::kIpc, NamespaceType::kUts})
    config.namespaces.add(type);
  config.rootless_euid = container.rootless_euid;
  config.no_new_keyring = container.no_new_keyring;
  config.memory_policy = container.memory_policy;

  jail.process.no_new_privileges = true;
  config::Capabilities& own = jail.process.capabilities.emplace();
  own.bounding = own.permitted = own.effective = capabilities;
  return jail;
}

}  // namespace cella::sandbox
