// Where things go in a tree of mounts before there is a task: places are found, and made where they are missing, inside
// the tree's root, whatever links an image has.
#pragma once

#include "sandbox/fs/filesystem.h"
#include "sandbox/vfs/kernel_caller.h"
#include "sandbox/vfs/walk.h"

namespace cella::sandbox::fs {

class MountBuilder {
 public:
  explicit MountBuilder(std::shared_ptr<vfs::MountNamespace> mounts)
      : mounts_(std::move(mounts)), position_{mounts_, mounts_->root(), mounts_->root()} {}

  vfs::MountNamespace& mounts() { return *mounts_; }
  // What is there; links are followed.
  SysResult<vfs::Path> find(std::string_view path);
  // The same, made with its parents where it is missing: a directory or an empty file.
  SysResult<vfs::Path> find_or_make(const std::string& path, bool directory);
  // The directory for `path`, made where it is missing, and the last name.
  SysResult<vfs::Parent> parent_for(const std::string& path);
  // What is mounted there becomes the same once more, with what is mounted below, and `flags` besides.
  void bind_again(const vfs::Path& path, uint64_t flags);

 private:
  SysResult<vfs::Path> make(const std::string& path, bool directory);

  std::shared_ptr<vfs::MountNamespace> mounts_;
  vfs::Position position_;
  vfs::KernelCaller kernel_;
};

}  // namespace cella::sandbox::fs
