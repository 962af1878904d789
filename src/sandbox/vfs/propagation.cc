// Which mounts appear and disappear together: mount_namespaces(7), "Shared subtrees".
#include <sys/mount.h>

#include <algorithm>
#include <set>
#include <utility>

#include "sandbox/vfs/dentry.h"

namespace cella::sandbox::vfs {
void MountNamespace::propagate(const MountPtr& made) {
  if (made->parent->peer_group == 0) return;
  // What is mounted below a shared mount is shared itself.
  if (made->peer_group == 0) made->peer_group = ++last_group_;
  spread(made->parent->peer_group, *made, made->peer_group, made->master);
}

// Copies for all of `group` that do not have it yet, and for those that receive from it.
void MountNamespace::spread(int group, const Mount& made, int copies_group, int copies_master) {
  const std::vector<MountPtr> before = mounts_;
  auto copy_to = [&](const MountPtr& receiver, int peer_group, int master) {
    if (receiver == made.parent || !is_within(made.point, receiver->root)) return;
    Mount copy = made;
    copy.peer_group = peer_group;
    copy.master = master;
    add({receiver, made.point}, std::move(copy));
  };
  for (const MountPtr& mount : before)
    if (mount->peer_group == group) copy_to(mount, copies_group, copies_master);
  std::set<int> groups;
  for (const MountPtr& mount : before) {
    if (mount->master != group) continue;
    if (mount->peer_group == 0) {
      copy_to(mount, 0, copies_group);
    } else if (groups.insert(mount->peer_group).second) {
      spread(mount->peer_group, made, ++last_group_, copies_group);
    }
  }
}

std::vector<MountPtr> MountNamespace::receivers(const Mount& mount, const DentryPtr& point) const {
  std::vector<MountPtr> found;
  std::vector<int> groups;
  if (mount.peer_group != 0) groups.push_back(mount.peer_group);
  for (size_t i = 0; i < groups.size(); ++i) {
    const int group = groups[i];
    for (const MountPtr& other : mounts_) {
      if (other->peer_group != group && other->master != group) continue;
      if (other.get() != &mount && is_within(point, other->root) && std::ranges::find(found, other) == found.end())
        found.push_back(other);
      if (other->peer_group != 0 && std::ranges::find(groups, other->peer_group) == groups.end())
        groups.push_back(other->peer_group);
    }
  }
  return found;
}

// It is nobody's peer and receives from nobody. Those who received from its group do so from another member, or if it
// was the last, from where it did.
void MountNamespace::leave_groups(Mount& mount) {
  const int group = std::exchange(mount.peer_group, 0), master = std::exchange(mount.master, 0);
  if (group == 0 || std::ranges::any_of(mounts_, [&](const MountPtr& one) { return one->peer_group == group; })) return;
  for (const MountPtr& other : mounts_)
    if (other->master == group) other->master = master;
}

void MountNamespace::set_propagation(Mount& mount, uint64_t kind) {
  mount.flags &= ~uint64_t{MS_UNBINDABLE};
  const int group = mount.peer_group, master = mount.master;
  switch (kind) {
    case MS_SHARED:
      if (group == 0) mount.peer_group = ++last_group_;
      break;
    case MS_SLAVE:
      if (group == 0) break;
      leave_groups(mount);
      // Alone in its group it goes on receiving from where it did.
      mount.master =
          std::ranges::any_of(mounts_, [&](const MountPtr& one) { return one->peer_group == group; }) ? group : master;
      break;
    default:
      leave_groups(mount);
      mount.flags |= kind & MS_UNBINDABLE;
      break;
  }
}

}  // namespace cella::sandbox::vfs
