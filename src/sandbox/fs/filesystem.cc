#include "sandbox/fs/filesystem.h"

#include <sys/sysmacros.h>

namespace cella::sandbox::fs {
namespace {

timespec now() {
  return core::to_timespec(core::now(CLOCK_REALTIME));
}

}  // namespace

uint64_t new_device_number() {
  static unsigned last = 0;
  return makedev(0, ++last);
}

MemoryInode::MemoryInode(uint64_t device, uint32_t mode, uint32_t uid, uint32_t gid) {
  static uint64_t last = 0;
  attributes_.st_dev = device;
  attributes_.st_ino = ++last;
  attributes_.st_mode = mode;
  attributes_.st_nlink = S_ISDIR(mode) ? 2 : 1;
  attributes_.st_uid = uid;
  attributes_.st_gid = gid;
  attributes_.st_blksize = mm::kPageSize;
  attributes_.st_atim = attributes_.st_mtim = attributes_.st_ctim = now();
}

SysResult<void> MemoryInode::set_attributes(const vfs::AttributeChange& change) {
  if (change.size) {
    if (auto set = set_size(*change.size); !set) return set;
    touch(true);
  }
  if (change.mode) attributes_.st_mode = (attributes_.st_mode & S_IFMT) | (*change.mode & 07777);
  if (change.uid) attributes_.st_uid = *change.uid;
  if (change.gid) attributes_.st_gid = *change.gid;
  if (change.atime) attributes_.st_atim = change.atime->tv_nsec == UTIME_NOW ? now() : *change.atime;
  if (change.mtime) attributes_.st_mtim = change.mtime->tv_nsec == UTIME_NOW ? now() : *change.mtime;
  touch(false);
  return {};
}

SysResult<struct statfs> MemoryInode::filesystem_statistics() {
  struct statfs result = {};
  result.f_type = magic();
  result.f_bsize = result.f_frsize = mm::kPageSize;
  result.f_namelen = NAME_MAX;
  return result;
}

void MemoryInode::touch(bool content) {
  attributes_.st_ctim = now();
  if (content) attributes_.st_mtim = attributes_.st_ctim;
}

vfs::Path anonymous_path(vfs::InodePtr inode, const std::string& name) {
  static const vfs::MountPtr kMount = std::make_shared<vfs::Mount>();
  auto dentry = std::make_shared<vfs::Dentry>();
  dentry->name = name;
  dentry->inode = std::move(inode);
  return {kMount, dentry};
}

}  // namespace cella::sandbox::fs
