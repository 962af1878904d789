// Filesystems whose content is made when it is read: what procfs and sysfs are built of.
//
// A file's text is made when reading begins (at offset 0) and kept for that description until it is read from the
// beginning again, so that a reader in pieces sees one state, as with seq_file. Nothing here is kept by the filesystem:
// what is behind a file says its text, and takes what is written to it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/fs/filesystem.h"

namespace cella::sandbox::fs {

// What one mounted such filesystem's inodes share.
struct GeneratedSuper {
  uint64_t device;
  long magic;  // f_type of statfs(2)
};

class GeneratedInode : public MemoryInode {
 public:
  GeneratedInode(const GeneratedSuper& super, uint32_t mode, uint32_t uid = 0, uint32_t gid = 0)
      : MemoryInode(super.device, mode, uid, gid), super_(super) {
    attributes_.st_blksize = 1024;
  }
  // Owners and modes are the kernel's. Truncating and touching does nothing.
  SysResult<void> set_attributes(const vfs::AttributeChange& change) override;
  const GeneratedSuper& super() const { return super_; }

 protected:
  long magic() const override { return super_.magic; }

 private:
  GeneratedSuper super_;
};

class GeneratedFile : public GeneratedInode {
 public:
  using GeneratedInode::GeneratedInode;
  virtual SysResult<std::string> text(vfs::Caller& caller) = 0;
  // One write(2), whole. EINVAL: a file that is not written to.
  virtual SysResult<void> store(vfs::Caller&, std::string_view) { return std::unexpected(Errno{EINVAL}); }
  // What a caller needs besides the permissions that are in the mode.
  virtual SysResult<void> check_open(vfs::Caller&) { return {}; }

  SysResult<vfs::FilePtr> open(vfs::Caller& caller, const vfs::Path& path, int flags) final;
};

using MakeText = std::function<SysResult<std::string>(vfs::Caller&)>;
using StoreText = std::function<SysResult<void>(vfs::Caller&, std::string_view)>;

vfs::InodePtr make_text_file(const GeneratedSuper& super, uint32_t mode, MakeText text, StoreText store = {});
vfs::InodePtr make_text_file(const GeneratedSuper& super, std::string text);  // 0444, always the same
vfs::InodePtr make_text_link(const GeneratedSuper& super, MakeText target);

class GeneratedDirectory : public GeneratedInode {
 public:
  explicit GeneratedDirectory(const GeneratedSuper& super, uint32_t mode = 0555, uint32_t uid = 0, uint32_t gid = 0)
      : GeneratedInode(super, S_IFDIR | mode, uid, gid) {}
  struct Entry {
    std::string name;
    uint64_t inode;
    uint8_t type;  // DT_*
  };
  // Without "." and "..". Made when reading begins, and kept for that description.
  virtual SysResult<std::vector<Entry>> list(vfs::Caller& caller) = 0;
  SysResult<vfs::FilePtr> open(vfs::Caller& caller, const vfs::Path& path, int flags) final;
};

// One whose entries are given when it is made.
class FixedDirectory : public GeneratedDirectory {
 public:
  using GeneratedDirectory::GeneratedDirectory;
  FixedDirectory& add(const std::string& name, vfs::InodePtr inode);
  FixedDirectory& add_file(const std::string& name, std::string text);
  // The directory of that name, made when it is not there; "a/b" for one in another.
  FixedDirectory& directory(std::string_view path);

  SysResult<vfs::InodePtr> lookup(const std::string& name) override;
  SysResult<std::vector<Entry>> list(vfs::Caller& caller) override;

 private:
  std::map<std::string, vfs::InodePtr> entries_;
};

}  // namespace cella::sandbox::fs
