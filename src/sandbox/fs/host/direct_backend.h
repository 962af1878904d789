// DirectBackend: a FileBackend on a directory's descriptor, with *at(2) calls alone.
#pragma once

#include <map>
#include <memory>

#include "sandbox/fs/host/backend.h"

namespace cella::sandbox::fs {

class DirectBackend final : public FileBackend {
 public:
  // `root`: a directory opened with O_PATH, or a file that alone makes the tree: a regular one opened for what may be
  // done with it, for reading at least, another one with O_PATH.
  explicit DirectBackend(sys::FileDescriptor root);

  SysResult<Node> lookup(Id directory, const std::string& name) override;
  void forget(Id node) override;
  SysResult<struct stat> attributes(Id node) override;
  SysResult<void> set_attributes(Id node, const vfs::AttributeChange& change) override;
  SysResult<sys::FileDescriptor> open(Id node, int flags) override;
  SysResult<Node> create(Id directory, const vfs::NewFile& file) override;
  SysResult<Node> symlink(Id directory, const vfs::NewFile& file, const std::string& target) override;
  SysResult<void> link(Id directory, const std::string& name, Id target) override;
  SysResult<void> unlink(Id directory, const std::string& name, bool is_directory) override;
  SysResult<void> rename(Id directory, const std::string& name, Id new_directory, const std::string& new_name,
                         unsigned flags) override;
  SysResult<std::string> read_link(Id node) override;
  SysResult<std::vector<Entry>> list(Id directory) override;
  SysResult<struct statfs> statistics(Id node) override;
  SysResult<std::string> get_xattr(Id node, const std::string& name) override;
  SysResult<void> set_xattr(Id node, const std::string& name, std::string_view value, int flags) override;
  SysResult<std::vector<std::string>> list_xattrs(Id node) override;
  SysResult<void> remove_xattr(Id node, const std::string& name) override;

 private:
  struct Held {
    sys::FileDescriptor fd;  // O_PATH
    Id parent = kRoot;
    std::string name;
  };
  SysResult<Held*> find(Id node);
  SysResult<Node> adopt(Id directory, const std::string& name);
  // The node opened again for what O_PATH cannot do, by its name, and checked to be the same.
  SysResult<sys::FileDescriptor> reopen(const Held& held, int flags);
  // Is it the root, and no directory? Its name is not known.
  static bool is_file_root(const Held& held) { return held.name.empty(); }
  SysResult<sys::FileDescriptor> share_root(const Held& held, int flags);

  std::map<Id, Held> nodes_;
  Id last_ = 0;
};

}  // namespace cella::sandbox::fs
