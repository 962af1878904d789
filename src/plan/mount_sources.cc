// The sources of bind mounts that the launcher opens, as root of the host.
#include <sys/mount.h>

#include <map>

#include "base/result.h"
#include "plan/parts.h"

namespace cella::plan {
namespace {

using config::IDMap;
using config::Mount;
using config::NamespaceType;

bool is_new_bind(const Mount& mount) {
  return (mount.flags & MS_BIND) != 0 && (mount.flags & MS_REMOUNT) == 0;
}

// Lines of uid_map and gid_map, user_namespaces(7).
std::vector<std::string> lines_of(const std::vector<IDMap>& maps) {
  std::vector<std::string> lines;
  for (const IDMap& map : maps) lines.push_back(fmt::format("{} {} {}", map.container_id, map.host_id, map.size));
  return lines;
}

// The user namespaces whose maps mounts are to have, each once.
class UserNamespaces {
 public:
  explicit UserNamespaces(Builder& b) : b_(b) {}

  uint32_t slot_of(const Mount& mount) {
    if (!mount.idmap) return kNoSlot;
    const std::string& path = mount.idmap_userns_path;
    if (!path.empty() && path == b_.config.namespaces.path_of(NamespaceType::kUser)) return b_.user_slot;
    auto [entry, is_new] = slots_.try_emplace(key_of(mount), kNoSlot);
    if (is_new) entry->second = make(mount);
    return entry->second;
  }

 private:
  static std::string key_of(const Mount& mount) {
    if (!mount.idmap_userns_path.empty()) return mount.idmap_userns_path;
    return fmt::format("{}|{}", fmt::join(lines_of(mount.uid_mappings), ","),
                       fmt::join(lines_of(mount.gid_mappings), ","));
  }

  uint32_t make(const Mount& mount) {
    Writer& w = b_.writer;
    uint32_t slot = w.slot();
    std::string about = fmt::format("mapping the ids of {} for {}", mount.source, b_.name_of(mount.destination));
    if (!mount.idmap_userns_path.empty()) {
      w.step(Op::kOpenNamespace,
             {slot, w.string(mount.idmap_userns_path), config::namespace_clone_flag(NamespaceType::kUser)}, about);
    } else {
      w.step(Op::kNewUserNamespace, {slot, w.list(lines_of(mount.uid_mappings)), w.list(lines_of(mount.gid_mappings))},
             about);
    }
    return slot;
  }

  Builder& b_;
  std::map<std::string, uint32_t> slots_;
};

}  // namespace

void add_mount_sources(Builder& b) {
  if (!b.facts.privileged || !b.is_new(NamespaceType::kMount)) return;
  // The container's root may not be able to walk to the sources of bind mounts, nor to map ids; and below a shared root
  // they are to stay shared with the host's.
  bool all = b.has(NamespaceType::kUser) || (b.config.root_propagation & MS_SHARED) != 0;
  UserNamespaces namespaces(b);
  for (const Mount& mount : b.config.mounts) {
    if (!is_new_bind(mount) || !(all || mount.idmap)) continue;
    uint32_t users = namespaces.slot_of(mount);
    uint32_t slot = b.writer.slot();
    b.tree_slots[&mount] = slot;
    b.writer.step(Op::kOpenTree,
                  {slot, b.writer.string(mount.source), (mount.flags & MS_REC) != 0, opens_link(mount), users,
                   mount.idmap && mount.idmap_recursive},
                  fmt::format("bind mounting {} on {}", mount.source, b.name_of(mount.destination)));
  }
}

}  // namespace cella::plan
