// Dentry: a name in a directory. Mount: a filesystem's tree at a dentry. Path: where a file is: both.
//
// Dentries form the tree that getcwd(2), ".." and /proc/PID/fd show. A directory keeps its children weakly: they live
// as long as somebody uses them, and are looked up again afterwards. One that has been unlinked stays valid for its
// users.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/vfs/inode.h"

namespace cella::sandbox::vfs {

struct Dentry : std::enable_shared_from_this<Dentry> {
  std::shared_ptr<Dentry> parent;  // null: the root of its filesystem
  std::string name;
  InodePtr inode;
  bool unlinked = false;
  std::map<std::string, std::weak_ptr<Dentry>> children;
};
using DentryPtr = std::shared_ptr<Dentry>;

struct Mount {
  int id = 0;
  std::shared_ptr<Mount> parent;  // null: the root of its namespace
  DentryPtr point;                // in the parent
  DentryPtr root;
  uint64_t flags = 0;  // MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, …; MS_UNBINDABLE
  std::string type, source, options;
  // mount_namespaces(7): what is mounted below one of a peer group is below all of them, and below those whose `master`
  // that group is. 0: none.
  int peer_group = 0, master = 0;
  uint64_t uses = 0, expiry = 0;  // how often paths have led into it, and when MNT_EXPIRE last asked
};
using MountPtr = std::shared_ptr<Mount>;

struct Path {
  MountPtr mount;
  DentryPtr dentry;

  explicit operator bool() const { return dentry != nullptr; }
  Inode& inode() const { return *dentry->inode; }
  // Of the mount, and of what is below it.
  uint64_t flags() const { return mount->flags | inode().mount_flags(); }
  friend bool operator==(const Path&, const Path&) = default;
};

class MountNamespace {
 public:
  // A tree under the root of which everything else is.
  explicit MountNamespace(DentryPtr root, std::string type, std::string source, uint64_t flags);

  Path root() const { return {mounts_.front(), mounts_.front()->root}; }
  // Covers `at`, and what receives mounts from there.
  MountPtr mount(const Path& at, DentryPtr root, std::string type, std::string source, uint64_t flags,
                 std::string options = {});
  // The same tree again, or what is below `root` in it, a member of the same groups.
  MountPtr bind(const Path& at, const Mount& source, DentryPtr root);
  // EINVAL: not the root of a mount; EBUSY: others are on it.
  SysResult<void> unmount(const Path& path);
  // Puts a mount somewhere else, with all that is on it. EINVAL: others would have to follow.
  SysResult<void> move(const MountPtr& mount, const Path& to);
  // `kind`: MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE.
  void set_propagation(Mount& mount, uint64_t kind);
  // All mounts on `top`, and on those, parents first.
  std::vector<MountPtr> below(const MountPtr& top) const;
  // What covers the path, however often: the path itself when nothing does.
  Path covering(Path path) const;
  const std::vector<MountPtr>& mounts() const { return mounts_; }

 private:
  MountPtr add(const Path& at, Mount mount);
  // propagation.cc
  void propagate(const MountPtr& made);
  void spread(int group, const Mount& made, int copies_group, int copies_master);
  // Where what is mounted at `point` of `mount` is mounted as well.
  std::vector<MountPtr> receivers(const Mount& mount, const DentryPtr& point) const;
  void leave_groups(Mount& mount);

  std::vector<MountPtr> mounts_;
  int next_id_ = 1, last_group_ = 0;
};

// The child of `parent` with this name, looked up when it is not known.
SysResult<DentryPtr> child_of(const DentryPtr& parent, const std::string& name);
// Bookkeeping after a change of the filesystem.
DentryPtr add_child(const DentryPtr& parent, const std::string& name, InodePtr inode);
void forget_child(const DentryPtr& parent, const std::string& name);
void move_child(const DentryPtr& parent, const std::string& name, const DentryPtr& new_parent,
                const std::string& new_name, bool exchange);

// As getcwd(2) and readlink(2) of /proc/self/fd/N show it: absolute from `root`, "(unreachable)…" outside of it,
// "… (deleted)" when it has no name any more.
std::string path_text(const Path& path, const Path& root);
// Is it `directory`, or below it in the same filesystem?
bool is_within(const DentryPtr& what, const DentryPtr& directory);
// Is `path` at or below `root`?
bool is_below(const Path& path, const Path& root);

}  // namespace cella::sandbox::vfs
