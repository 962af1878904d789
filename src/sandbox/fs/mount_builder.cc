#include "sandbox/fs/mount_builder.h"

#include <sys/mount.h>

#include "base/result.h"

namespace cella::sandbox::fs {

using vfs::Path;

SysResult<Path> MountBuilder::find(std::string_view path) {
  const std::string absolute = "/" + std::string(path);
  Path found = TRY(vfs::resolve(kernel_, position_, position_.root, absolute));
  return mounts_->covering(found);
}

SysResult<vfs::Parent> MountBuilder::parent_for(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return std::unexpected(Errno{EBUSY});
  const size_t slash = path.rfind('/', end);
  const std::string above = slash == std::string::npos ? "/" : path.substr(0, slash + 1);
  TRY(find_or_make(above, true));
  return vfs::resolve_parent(kernel_, position_, position_.root, "/" + path);
}

SysResult<Path> MountBuilder::make(const std::string& path, bool directory) {
  vfs::Parent parent = TRY(parent_for(path));
  if (parent.name.empty() || parent.name == "." || parent.name == "..") return std::unexpected(Errno{EINVAL});
  // A link to nowhere says where it is to be.
  for (int links = 0;;) {
    SysResult<Path> there = vfs::entry_of(position_, parent);
    if (!there && there.error().value == ENOENT) break;
    if (!there) return there;
    if (!there->inode().has_type(S_IFLNK)) return there;
    parent = TRY(vfs::follow_parent(kernel_, position_, parent, *there, links));
  }
  if (parent.directory.flags() & MS_RDONLY) return std::unexpected(Errno{EROFS});
  vfs::NewFile file;
  file.name = parent.name;
  file.mode = directory ? S_IFDIR | 0755 : S_IFREG | 0644;
  vfs::InodePtr inode = TRY(parent.directory.inode().create(file));
  return Path{parent.directory.mount, vfs::add_child(parent.directory.dentry, parent.name, std::move(inode))};
}

SysResult<Path> MountBuilder::find_or_make(const std::string& path, bool directory) {
  SysResult<Path> found = find(path);
  if (found) {
    if (found->inode().has_type(S_IFDIR) != directory) return std::unexpected(Errno{directory ? ENOTDIR : EISDIR});
    return found;
  }
  if (found.error().value != ENOENT) return found;
  return make(path, directory);
}

void MountBuilder::bind_again(const Path& path, uint64_t flags) {
  const vfs::Mount& from = *path.mount;
  vfs::MountPtr again = mounts_->mount(path, path.dentry, from.type, from.source, from.flags | flags, from.options);
  // Copies of what is mounted below go on the new mount, or they would be hidden by it.
  const std::vector<vfs::MountPtr> before = mounts_->mounts();
  for (const vfs::MountPtr& below : before) {
    if (below->parent != path.mount || below == again || below->point == path.dentry) continue;
    if (!vfs::is_below({below->parent, below->point}, path)) continue;
    mounts_->mount({again, below->point}, below->root, below->type, below->source, below->flags | flags,
                   below->options);
  }
}

}  // namespace cella::sandbox::fs
