#include "sandbox/fs/overlay/overlay_inode.h"

#include <sys/xattr.h>

#include "base/result.h"
#include "sandbox/fs/overlay/overlay.h"
#include "sandbox/fs/special.h"
#include "sandbox/vfs/kernel_caller.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// A symbolic link, a device, a fifo, a socket.
class OverlayNode final : public OverlayInode {
 public:
  OverlayNode(OverlaySuperPtr super, vfs::InodePtr lower, const vfs::Attributes& below)
      : OverlayInode(std::move(super), std::move(lower), below) {}
  SysResult<std::string> read_link(Caller& caller) override { return lower_->read_link(caller); }
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override {
    if (has_type(S_IFLNK)) return fail(ELOOP);
    return open_special(caller, *this, path, flags);
  }
};

}  // namespace

SysResult<std::shared_ptr<OverlayInode>> OverlaySuper::adopt(vfs::InodePtr lower, vfs::InodePtr directory) {
  const vfs::Attributes below = TRY(lower->attributes());
  const Key key = {below.st_dev, below.st_ino};
  if (auto known = known_.find(key); known != known_.end())
    if (auto inode = known->second.lock()) return inode;
  std::shared_ptr<OverlayInode> inode;
  if (S_ISDIR(below.st_mode)) {
    inode = make_overlay_directory(shared_from_this(), std::move(lower), below);
  } else if (S_ISREG(below.st_mode)) {
    inode = make_overlay_file(shared_from_this(), std::move(lower), below);
  } else {
    inode = std::make_shared<OverlayNode>(shared_from_this(), std::move(lower), below);
  }
  inode->set_lower_directory(std::move(directory));
  known_[key] = inode;
  return inode;
}

OverlayInode::OverlayInode(OverlaySuperPtr super, vfs::InodePtr lower, const vfs::Attributes& below)
    : MemoryInode(super->device, below.st_mode, below.st_uid, below.st_gid),
      super_(std::move(super)),
      lower_(std::move(lower)),
      key_{below.st_dev, below.st_ino},
      number_(below.st_ino),
      changed_(false) {}

OverlayInode::OverlayInode(OverlaySuperPtr super, const vfs::NewFile& file)
    : MemoryInode(super->device, file.mode, file.uid, file.gid),
      super_(std::move(super)),
      number_(super_->next_number()),
      changed_(true) {
  attributes_.st_ino = number_;
  attributes_.st_rdev = file.device;
  own_xattrs_ = true;
}

OverlayInode::~OverlayInode() {
  if (is_root_) super_->clear();
  if (key_.number != 0) super_->forget(key_);
}

SysResult<vfs::Attributes> OverlayInode::below() {
  vfs::Attributes result = TRY(lower_->attributes());
  result.st_dev = super_->device;
  result.st_ino = number_;
  return result;
}

SysResult<void> OverlayInode::change() {
  if (changed_) return {};
  attributes_ = TRY(below());
  changed_ = true;
  if (!is_root_) super_->keep(key_, std::static_pointer_cast<OverlayInode>(shared_from_this()));
  return {};
}

SysResult<void> OverlayInode::set_attributes(const vfs::AttributeChange& new_values) {
  TRY(change());
  return MemoryInode::set_attributes(new_values);
}

SysResult<struct statfs> OverlayInode::filesystem_statistics() {
  constexpr long kOverlay = 0x794c7630;
  struct statfs result = lower_ != nullptr ? TRY(lower_->filesystem_statistics()) : TRY(MemoryInode::filesystem_statistics());
  result.f_type = kOverlay;
  return result;
}

SysResult<void> OverlayInode::add_links(int count) {
  TRY(change());
  attributes_.st_nlink = static_cast<nlink_t>(std::max<int64_t>(static_cast<int64_t>(attributes_.st_nlink) + count, 0));
  touch(false);
  if (attributes_.st_nlink == 0 && key_.number != 0) super_->drop(key_);
  return {};
}

SysResult<void> OverlayInode::take_xattrs() {
  TRY(change());
  if (own_xattrs_) return {};
  for (const std::string& name : TRY(lower_->list_xattrs()))
    if (auto value = lower_->get_xattr(name); value && !name.starts_with("system.")) xattrs_[name] = *value;
  own_xattrs_ = true;
  return {};
}

SysResult<std::string> OverlayInode::get_xattr(const std::string& name) {
  if (!own_xattrs_) return lower_->get_xattr(name);
  auto found = xattrs_.find(name);
  return found != xattrs_.end() ? SysResult<std::string>(found->second) : fail(ENODATA);
}

SysResult<void> OverlayInode::set_xattr(const std::string& name, std::string_view value, int flags) {
  if (name.starts_with("system.")) return fail(EOPNOTSUPP);  // access control lists: nobody would look at them
  TRY(take_xattrs());
  const bool there = xattrs_.contains(name);
  if ((flags & XATTR_CREATE) && there) return fail(EEXIST);
  if ((flags & XATTR_REPLACE) && !there) return fail(ENODATA);
  xattrs_[name] = value;
  touch(false);
  return {};
}

SysResult<std::vector<std::string>> OverlayInode::list_xattrs() {
  if (!own_xattrs_) return lower_->list_xattrs();
  std::vector<std::string> names;
  for (const auto& [name, value] : xattrs_) names.push_back(name);
  return names;
}

SysResult<void> OverlayInode::remove_xattr(const std::string& name) {
  TRY(take_xattrs());
  if (xattrs_.erase(name) == 0) return fail(ENODATA);
  touch(false);
  return {};
}

vfs::Path path_below(const vfs::Path& path, vfs::InodePtr inode) {
  auto dentry = std::make_shared<vfs::Dentry>();
  dentry->parent = path.dentry->parent;
  dentry->name = path.dentry->name;
  dentry->inode = std::move(inode);
  return {path.mount, std::move(dentry)};
}

}  // namespace cella::sandbox::fs
