// What filesystems of ours have in common: numbers of devices and inodes, attributes of what has no host behind it.
#pragma once

#include "sandbox/vfs/file.h"

namespace cella::sandbox::fs {

// A filesystem's own device number, as st_dev.
uint64_t new_device_number();

// Keeps what stat(2) shows, for inodes that exist in memory alone.
class MemoryInode : public vfs::Inode {
 public:
  MemoryInode(uint64_t device, uint32_t mode, uint32_t uid, uint32_t gid);

  SysResult<vfs::Attributes> attributes() override { return attributes_; }
  SysResult<void> set_attributes(const vfs::AttributeChange& change) override;
  SysResult<struct statfs> filesystem_statistics() override;

 protected:
  // For set_attributes: a change of a file's length.
  virtual SysResult<void> set_size(uint64_t) { return std::unexpected(Errno{EINVAL}); }
  virtual long magic() const { return 0x858458f6; }  // ramfs
  void touch(bool content);                          // mtime and ctime now, or ctime alone
  vfs::Attributes attributes_ = {};
};

// A dentry that belongs to no directory, for pipes, sockets and the like: "pipe:[123]".
vfs::Path anonymous_path(vfs::InodePtr inode, const std::string& name);

}  // namespace cella::sandbox::fs
