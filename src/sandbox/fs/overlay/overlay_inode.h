// The inodes of an overlay, overlay.h. Private to fs/overlay.
#pragma once

#include <map>
#include <set>

#include "sandbox/fs/filesystem.h"

namespace cella::sandbox::fs {

class OverlayInode;

// What one overlay's inodes share: which inode below has which one above.
class OverlaySuper : public std::enable_shared_from_this<OverlaySuper> {
 public:
  explicit OverlaySuper(mm::MemoryFile& of) : memory(of), device(new_device_number()) {}

  struct Key {
    uint64_t device = 0, number = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  mm::MemoryFile& memory;
  const uint64_t device;

  // The inode for what is below; the same for as long as somebody has it, or it has been changed. `directory`: where it
  // was found, null for the root.
  SysResult<std::shared_ptr<OverlayInode>> adopt(vfs::InodePtr lower, vfs::InodePtr directory);
  void keep(const Key& key, std::shared_ptr<OverlayInode> changed) { changed_[key] = std::move(changed); }
  void drop(const Key& key) { changed_.erase(key); }
  void forget(const Key& key) { known_.erase(key); }
  // The tree is no longer reachable; changed inodes and this hold each other until here.
  void clear() { auto changed = std::move(changed_); }
  // Numbers that no filesystem below is likely to use.
  uint64_t next_number() { return ++last_number_; }

 private:
  std::map<Key, std::weak_ptr<OverlayInode>> known_;
  std::map<Key, std::shared_ptr<OverlayInode>> changed_;
  uint64_t last_number_ = uint64_t{1} << 48;
};
using OverlaySuperPtr = std::shared_ptr<OverlaySuper>;

class OverlayInode : public MemoryInode {
 public:
  // Over an inode below, or a new one.
  OverlayInode(OverlaySuperPtr super, vfs::InodePtr lower, const vfs::Attributes& below);
  OverlayInode(OverlaySuperPtr super, const vfs::NewFile& file);
  ~OverlayInode() override;

  SysResult<vfs::Attributes> attributes() override { return changed_ ? attributes_ : below(); }
  SysResult<void> set_attributes(const vfs::AttributeChange& change) override;
  SysResult<struct statfs> filesystem_statistics() override;

  SysResult<std::string> get_xattr(const std::string& name) override;
  SysResult<void> set_xattr(const std::string& name, std::string_view value, int flags) override;
  SysResult<std::vector<std::string>> list_xattrs() override;
  SysResult<void> remove_xattr(const std::string& name) override;

  // Another name, or one less (of a directory: -2 when it goes). Without one it is not kept.
  SysResult<void> add_links(int count);
  const OverlaySuperPtr& super() const { return super_; }
  // The tree's users have it, and with it everything else.
  void set_root() { is_root_ = true; }
  void set_lower_directory(vfs::InodePtr directory) { lower_directory_ = std::move(directory); }

 protected:
  // Before a change: from here on attributes_ says what it is.
  SysResult<void> change();
  SysResult<vfs::Attributes> below();
  SysResult<void> take_xattrs();

  OverlaySuperPtr super_;
  vfs::InodePtr lower_;  // null: nothing below, or nothing that is still looked at
  // A filesystem below may open its files by their directory and name (fs/host), which dentries would keep otherwise.
  vfs::InodePtr lower_directory_;
  OverlaySuper::Key key_;
  uint64_t number_;
  bool changed_;
  bool is_root_ = false;

 private:
  bool own_xattrs_ = false;
  std::map<std::string, std::string> xattrs_;
};

// A dentry for `inode` where the overlay's is, so that filesystems below can be given a path.
vfs::Path path_below(const vfs::Path& path, vfs::InodePtr inode);

std::shared_ptr<OverlayInode> make_overlay_file(OverlaySuperPtr super, vfs::InodePtr lower,
                                                const vfs::Attributes& below);
std::shared_ptr<OverlayInode> make_overlay_file(OverlaySuperPtr super, const vfs::NewFile& file);
std::shared_ptr<OverlayInode> make_overlay_directory(OverlaySuperPtr super, vfs::InodePtr lower,
                                                     const vfs::Attributes& below);
std::shared_ptr<OverlayInode> make_overlay_directory(OverlaySuperPtr super, const vfs::NewFile& file);

}  // namespace cella::sandbox::fs
