#include "sandbox/vfs/dentry.h"

#include <algorithm>
#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::vfs {

SysResult<std::optional<Path>> Inode::follow(Caller&) {
  return std::nullopt;
}

MountNamespace::MountNamespace(DentryPtr root, std::string type, std::string source, uint64_t flags) {
  auto mount = std::make_shared<Mount>();
  mount->id = next_id_++;
  mount->root = std::move(root);
  mount->type = std::move(type);
  mount->source = std::move(source);
  mount->flags = flags;
  mounts_.push_back(std::move(mount));
}

MountPtr MountNamespace::add(const Path& at, Mount mount) {
  mount.id = next_id_++;
  mount.parent = at.mount;
  mount.point = at.dentry;
  return mounts_.emplace_back(std::make_shared<Mount>(std::move(mount)));
}

MountPtr MountNamespace::mount(const Path& at, DentryPtr root, std::string type, std::string source, uint64_t flags,
                               std::string options) {
  Mount mount;
  mount.root = std::move(root);
  mount.type = std::move(type);
  mount.source = std::move(source);
  mount.flags = flags;
  mount.options = std::move(options);
  MountPtr made = add(at, std::move(mount));
  propagate(made);
  return made;
}

MountPtr MountNamespace::bind(const Path& at, const Mount& source, DentryPtr root) {
  Mount mount = source;
  mount.root = std::move(root);
  MountPtr made = add(at, std::move(mount));
  propagate(made);
  return made;
}

std::vector<MountPtr> MountNamespace::below(const MountPtr& top) const {
  std::vector<MountPtr> found = {top};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const MountPtr& mount : mounts_)
      if (mount->parent == found[i]) found.push_back(mount);
  }
  found.erase(found.begin());
  return found;
}

SysResult<void> MountNamespace::unmount(const Path& path) {
  const MountPtr gone = path.mount;
  if (path.dentry != gone->root || gone->parent == nullptr) return std::unexpected(Errno{EINVAL});
  auto has_others = [&](const MountPtr& mount) {
    return std::ranges::any_of(mounts_, [&](const MountPtr& other) { return other->parent == mount; });
  };
  if (has_others(gone)) return std::unexpected(Errno{EBUSY});
  const std::vector<MountPtr> also = receivers(*gone->parent, gone->point);
  leave_groups(*gone);
  std::erase(mounts_, gone);
  for (const MountPtr& receiver : also) {
    auto copy = std::ranges::find_if(mounts_.rbegin(), mounts_.rend(), [&](const MountPtr& mount) {
      return mount->parent == receiver && mount->point == gone->point;
    });
    if (copy == mounts_.rend() || (*copy)->root != gone->root || has_others(*copy)) continue;
    leave_groups(**copy);
    mounts_.erase(std::next(copy).base());
  }
  return {};
}

SysResult<void> MountNamespace::move(const MountPtr& mount, const Path& to) {
  if (mount->parent != nullptr && mount->parent->peer_group != 0) return std::unexpected(Errno{EINVAL});
  mount->parent = to.mount;
  mount->point = to.dentry;
  // The latest is on top.
  std::erase(mounts_, mount);
  mounts_.push_back(mount);
  propagate(mount);
  for (const MountPtr& other : below(mount)) propagate(other);
  return {};
}

Path MountNamespace::covering(Path path) const {
  for (bool found = true; found;) {
    found = false;
    // The latest of several at one place is on top.
    for (auto mount = mounts_.rbegin(); mount != mounts_.rend(); ++mount) {
      if ((*mount)->parent != path.mount || (*mount)->point != path.dentry) continue;
      path = {*mount, (*mount)->root};
      ++(*mount)->uses;
      found = true;
      break;
    }
  }
  return path;
}

SysResult<DentryPtr> child_of(const DentryPtr& parent, const std::string& name) {
  auto known = parent->children.find(name);
  if (known != parent->children.end()) {
    DentryPtr child = known->second.lock();
    if (child != nullptr && parent->inode->keeps_names()) return child;
    // A name of procfs means its process only for as long as that is there.
    if (child != nullptr) {
      InodePtr now = TRY(parent->inode->lookup(name));
      if (now == child->inode) return child;
      return add_child(parent, name, std::move(now));
    }
    parent->children.erase(known);
  }
  return add_child(parent, name, TRY(parent->inode->lookup(name)));
}

DentryPtr add_child(const DentryPtr& parent, const std::string& name, InodePtr inode) {
  auto child = std::make_shared<Dentry>();
  child->parent = parent;
  child->name = name;
  child->inode = std::move(inode);
  parent->children[name] = child;
  return child;
}

void forget_child(const DentryPtr& parent, const std::string& name) {
  auto known = parent->children.find(name);
  if (known == parent->children.end()) return;
  if (DentryPtr child = known->second.lock()) child->unlinked = true;
  parent->children.erase(known);
}

void move_child(const DentryPtr& parent, const std::string& name, const DentryPtr& new_parent,
                const std::string& new_name, bool exchange) {
  auto take = [](const DentryPtr& from, const std::string& key) {
    DentryPtr child;
    if (auto known = from->children.find(key); known != from->children.end()) {
      child = known->second.lock();
      from->children.erase(known);
    }
    return child;
  };
  auto give = [](const DentryPtr& child, const DentryPtr& to, const std::string& key) {
    if (child == nullptr) return;
    child->parent = to;
    child->name = key;
    to->children[key] = child;
  };
  DentryPtr moved = take(parent, name), other = take(new_parent, new_name);
  if (exchange) {
    give(other, parent, name);
  } else if (other != nullptr && other != moved) {
    other->unlinked = true;
  }
  give(moved, new_parent, new_name);
}

bool is_within(const DentryPtr& what, const DentryPtr& directory) {
  for (DentryPtr at = what; at != nullptr; at = at->parent)
    if (at == directory) return true;
  return false;
}

bool is_below(const Path& path, const Path& root) {
  for (Path at = path; at;) {
    if (at == root) return true;
    if (at.dentry == at.mount->root) {
      if (at.mount->parent == nullptr) return false;
      at = {at.mount->parent, at.mount->point};
    } else {
      at.dentry = at.dentry->parent;
    }
  }
  return false;
}

std::string path_text(const Path& path, const Path& root) {
  std::string text;
  bool deleted = path.dentry->unlinked;
  Path at = path;
  while (!(at == root)) {
    if (at.dentry == at.mount->root) {
      if (at.mount->parent == nullptr) {
        if (!(at == root) && root) text.insert(0, "(unreachable)");
        break;
      }
      at = {at.mount->parent, at.mount->point};
      continue;
    }
    if (at.dentry->parent == nullptr) {  // a pipe and the like: its name is all
      text.insert(0, at.dentry->name);
      return text;
    }
    text.insert(0, "/" + at.dentry->name);
    at.dentry = at.dentry->parent;
  }
  if (text.empty()) text = std::string("/");
  if (deleted) text += " (deleted)";
  return text;
}

}  // namespace cella::sandbox::vfs
