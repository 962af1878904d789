// Directories of an overlay: the names of the lower one, but for those that were made or removed here.
#include <dirent.h>
#include <linux/fs.h>

#include "base/result.h"
#include "sandbox/fs/overlay/overlay.h"
#include "sandbox/fs/overlay/overlay_inode.h"
#include "sandbox/fs/special.h"
#include "sandbox/vfs/kernel_caller.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::InodePtr;
using OverlayPtr = std::shared_ptr<OverlayInode>;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

class OverlayLink final : public OverlayInode {
 public:
  OverlayLink(OverlaySuperPtr of, const vfs::NewFile& file, std::string target)
      : OverlayInode(std::move(of), file), target_(std::move(target)) {
    attributes_.st_mode = S_IFLNK | 0777;
    attributes_.st_size = static_cast<off_t>(target_.size());
  }
  SysResult<std::string> read_link(Caller&) override { return target_; }
  SysResult<vfs::FilePtr> open(Caller&, const vfs::Path&, int) override { return fail(ELOOP); }

 private:
  std::string target_;
};

class OverlaySpecial final : public OverlayInode {
 public:
  using OverlayInode::OverlayInode;
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override {
    return open_special(caller, *this, path, flags);
  }
};

class OverlayDirectory final : public OverlayInode {
 public:
  using OverlayInode::OverlayInode;
  SysResult<InodePtr> lookup(const std::string& name) override { return TRY(find(name)); }
  SysResult<InodePtr> create(const vfs::NewFile& file) override {
    OverlayPtr made = S_ISDIR(file.mode)   ? make_overlay_directory(super_, file)
                      : S_ISREG(file.mode) ? make_overlay_file(super_, file)
                                           : std::make_shared<OverlaySpecial>(super_, file);
    return insert(file.name, std::move(made));
  }
  SysResult<InodePtr> symlink(const vfs::NewFile& file, const std::string& target) override {
    return insert(file.name, std::make_shared<OverlayLink>(super_, file, target));
  }
  SysResult<void> link(const std::string& name, vfs::Inode& target) override {
    if (find(name)) return fail(EEXIST);
    if (!is_of_this(target)) return fail(EXDEV);
    auto inode = std::static_pointer_cast<OverlayInode>(target.shared_from_this());
    TRY(put(name, inode));
    return inode->add_links(1);
  }
  SysResult<void> unlink(const std::string& name, bool directory) override {
    OverlayPtr inode = TRY(find(name));
    if (inode->has_type(S_IFDIR) != directory) return fail(directory ? ENOTDIR : EISDIR);
    if (directory && !TRY(static_cast<OverlayDirectory&>(*inode).is_empty())) return fail(ENOTEMPTY);
    TRY(remove(name));
    if (!directory) return inode->add_links(-1);
    const vfs::Attributes gone = TRY(inode->attributes());
    TRY(inode->add_links(-static_cast<int>(gone.st_nlink)));
    return add_links(-1);
  }
  SysResult<void> rename(const std::string& name, vfs::Inode& directory, const std::string& new_name,
                         unsigned flags) override {
    if (!is_of_this(directory)) return fail(EXDEV);
    auto& target = static_cast<OverlayDirectory&>(directory);
    OverlayPtr moved = TRY(find(name));
    const bool is_directory = moved->has_type(S_IFDIR);
    SysResult<OverlayPtr> other = target.find(new_name);
    if (!other && other.error().value != ENOENT) return std::unexpected(other.error());
    if (flags & RENAME_EXCHANGE) {
      if (!other) return std::unexpected(other.error());
      TRY(put(name, *other));
      TRY(target.put(new_name, moved));
      return move_links(target, int{is_directory} - int{(*other)->has_type(S_IFDIR)});
    }
    if (other) {
      if (flags & RENAME_NOREPLACE) return fail(EEXIST);
      if (*other == moved) return {};
      const bool other_is_directory = (*other)->has_type(S_IFDIR);
      if (is_directory && !other_is_directory) return fail(ENOTDIR);
      if (!is_directory && other_is_directory) return fail(EISDIR);
      TRY(target.unlink(new_name, other_is_directory));
    }
    TRY(remove(name));
    TRY(target.put(new_name, moved));
    TRY(moved->add_links(0));
    return move_links(target, int{is_directory});
  }
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override;

  struct Name {
    std::string name;
    uint64_t inode;
    uint8_t type;
  };
  SysResult<std::vector<Name>> names() {
    std::vector<Name> names;
    if (lower_ != nullptr) {
      vfs::KernelCaller kernel;
      auto dentry = std::make_shared<vfs::Dentry>();
      dentry->inode = lower_;
      vfs::FilePtr file = TRY(lower_->open(kernel, {nullptr, dentry}, O_RDONLY | O_DIRECTORY));
      TRY(file->read_directory(kernel, 0, [&](const vfs::File::Entry& entry) {
        if (entry.name != "." && entry.name != ".." && !entries_.contains(std::string(entry.name)))
          names.push_back({std::string(entry.name), entry.inode, entry.type});
        return true;
      }));
    }
    for (const auto& [name, inode] : entries_) {
      if (inode == nullptr) continue;
      auto attributes = TRY(inode->attributes());
      names.push_back({name, attributes.st_ino, static_cast<uint8_t>(IFTODT(attributes.st_mode))});
    }
    return names;
  }

 private:
  bool is_of_this(vfs::Inode& other) const {
    auto attributes = other.attributes();
    return attributes && attributes->st_dev == super_->device;
  }
  SysResult<bool> is_empty() {
    return TRY(names())
    .empty();
  }
  SysResult<OverlayPtr> find(const std::string& name) {
    if (auto found = entries_.find(name); found != entries_.end())
      return found->second != nullptr ? SysResult<OverlayPtr>(found->second) : fail(ENOENT);
    if (lower_ == nullptr) return fail(ENOENT);
    return super_->adopt(TRY(lower_->lookup(name)), lower_);
  }
  SysResult<InodePtr> insert(const std::string& name, OverlayPtr inode) {
    auto own = TRY(attributes());
    if (own.st_nlink == 0) return fail(ENOENT);
    SysResult<OverlayPtr> there = find(name);
    if (there) return fail(EEXIST);
    if (there.error().value != ENOENT) return std::unexpected(there.error());
    TRY(put(name, inode));
    if (inode->has_type(S_IFDIR)) TRY(add_links(1));
    return inode;
  }
  SysResult<void> put(const std::string& name, OverlayPtr inode) {
    TRY(change());
    entries_[name] = std::move(inode);
    touch(true);
    return {};
  }
  // What is below stays hidden.
  SysResult<void> remove(const std::string& name) {
    TRY(change());
    if (lower_ != nullptr && lower_->lookup(name)) {
      entries_[name] = nullptr;
    } else {
      entries_.erase(name);
    }
    touch(true);
    return {};
  }
  // Directories that went from here to `target`: each is a link to its parent.
  SysResult<void> move_links(OverlayDirectory& target, int directories) {
    if (directories == 0 || &target == this) return {};
    TRY(add_links(-directories));
    return target.add_links(directories);
  }

  std::map<std::string, OverlayPtr> entries_;  // null: it was removed
};

class OverlayDirectoryFile final : public vfs::DirectoryFile {
 public:
  using DirectoryFile::DirectoryFile;
  // The list is read when reading begins, and again after a rewind.
  SysResult<void> read_directory(Caller&, uint64_t cookie, const std::function<bool(const Entry&)>& entry) override {
    auto& directory = static_cast<OverlayDirectory&>(path.inode());
    if (cookie == 0) list_ = TRY(directory.names());
    if (cookie < 1 && !entry(
                          {
                            ".", TRY(directory.attributes())
                            .st_ino, DT_DIR, 1
                          }))
      return {};
    if (cookie < 2) {
      const vfs::DentryPtr& up = path.dentry->parent;
      auto parent = TRY((up != nullptr ? *up->inode : path.inode()).attributes());
      if (!entry({"..", parent.st_ino, DT_DIR, 2})) return {};
    }
    for (uint64_t i = cookie < 2 ? 0 : cookie - 2; i < list_.size(); ++i)
      if (!entry({list_[i].name, list_[i].inode, list_[i].type, i + 3})) return {};
    return {};
  }

 private:
  std::vector<OverlayDirectory::Name> list_;
};

SysResult<vfs::FilePtr> OverlayDirectory::open(Caller&, const vfs::Path& path, int flags) {
  return std::make_shared<OverlayDirectoryFile>(path, flags);
}

}  // namespace

std::shared_ptr<OverlayInode> make_overlay_directory(OverlaySuperPtr super, InodePtr lower,
                                                     const vfs::Attributes& below) {
  return std::make_shared<OverlayDirectory>(std::move(super), std::move(lower), below);
}
std::shared_ptr<OverlayInode> make_overlay_directory(OverlaySuperPtr super, const vfs::NewFile& file) {
  return std::make_shared<OverlayDirectory>(std::move(super), file);
}

SysResult<vfs::DentryPtr> make_overlay(mm::MemoryFile& memory, vfs::DentryPtr lower) {
  auto super = std::make_shared<OverlaySuper>(memory);
  auto inode = TRY(super->adopt(lower->inode, nullptr));
  if (!inode->has_type(S_IFDIR)) return fail(ENOTDIR);
  inode->set_root();
  auto root = std::make_shared<vfs::Dentry>();
  root->inode = std::move(inode);
  return root;
}

}  // namespace cella::sandbox::fs
