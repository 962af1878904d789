#include "sandbox/jail/jail.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>
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

bool is_tree(const config::Mount& mount) {
  return (mount.flags & MS_BIND) != 0 && (mount.flags & MS_REMOUNT) == 0;
}

std::vector<config::Mount> trees_of(const config::Config& container, bool read_only_root) {
  std::vector<config::Mount> trees;
  config::Mount& root = trees.emplace_back();
  root.source = container.rootfs;
  root.destination = "/";
  root.device = "bind";
  root.flags = MS_BIND | MS_REC;
  if (read_only_root) root.rec_attr_set = MOUNT_ATTR_RDONLY;
  // Below it mounts of the host's are seen afterwards as far as that is asked for.
  if ((container.root_propagation & MS_SLAVE) == 0) root.propagation_flags = {MS_PRIVATE | MS_REC};
  for (const config::Mount& mount : container.mounts)
    if (is_tree(mount)) trees.push_back(mount);
  return trees;
}

std::string tree_path(size_t index) {
  return fmt::format("/{}", index);
}

Jail make_jail(const config::Config& container, const JailFacts& facts, const std::vector<config::Mount>& trees,
               size_t places, uint64_t capabilities) {
  Jail jail;
  config::Config& config = jail.config;
  config.rootfs = container.rootfs;
  config.no_pivot_root = container.no_pivot_root;
  const size_t inodes = 1 + trees.size() + places;
  config.mounts = {pseudo_mount("tmpfs", "/", fmt::format("mode=0555,size=4k,nr_inodes={}", inodes))};
  for (size_t i = 0; i < trees.size(); ++i) {
    config.mounts.push_back(trees[i]);
    config.mounts.back().destination = tree_path(i);
    jail.destination_names[tree_path(i)] = trees[i].destination;
  }
  config.readonlyfs = true;
  config.root_propagation = container.root_propagation & (MS_PRIVATE | MS_SLAVE | MS_REC);

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
  if (std::ranges::any_of(trees, [](const config::Mount& tree) { return tree.idmap; }))
    capabilities |= kOwnerCapabilities;
  own.bounding = own.permitted = own.effective = capabilities;
  return jail;
}

}  // namespace cella::sandbox
