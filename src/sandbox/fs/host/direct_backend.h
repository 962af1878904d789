// DirectBackend: a FileBackend on a directory's descriptor, with *at(2) calls alone.
//
// A node is a descriptor of O_PATH. What such a one cannot do is done to a second descriptor of the same file. With
// `descriptors` that is had by the first one's number in /proc/self/fd, whatever has become of the file's name;
// without, by the name that the node was found by: ESTALE when that has become another file's behind our back, ENOENT
// when there is no name left. The root has no name here: a single file is then opened only as far as `root` itself is
// open.
#pragma once

#include <memory>
#include <unordered_map>

#include "sandbox/fs/host/backend.h"

namespace cella::sandbox::fs {

class DirectBackend final : public FileBackend {
 public:
  // `root`: a directory, or a file that alone makes the tree; opened with O_PATH or, see above, as it is to be used.
  // `descriptors`: /proc/self/fd of this process, which stays the caller's, or -1.
  explicit DirectBackend(sys::FileDescriptor root, int descriptors = -1);

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

  // How many there are, each of which keeps a descriptor.
  size_t nodes() const { return nodes_.size(); }

 private:
  // A parent lives for as long as children of it are nodes.
  struct Held {
    sys::FileDescriptor fd;  // O_PATH
    std::shared_ptr<Held> parent;
    std::string name;
  };
  using HeldPtr = std::shared_ptr<Held>;
  SysResult<HeldPtr> find(Id node) const;
  SysResult<Node> adopt(const HeldPtr& directory, const std::string& name);
  // The node opened again, and the same one for certain.
  SysResult<sys::FileDescriptor> reopen(const Held& held, int flags) const;
  // Is it the root, and is there nothing to reach it by but its own descriptor?
  bool is_without_name(const Held& held) const { return descriptors_ < 0 && held.parent == nullptr; }
  SysResult<sys::FileDescriptor> reopen_root(const Held& held, int flags) const;
  // For extended attributes; nullopt: a kind of node that has none of its users' own.
  SysResult<std::optional<sys::FileDescriptor>> open_for_xattrs(Id node) const;
  // Where calls that take a directory and a name find the node.
  struct Place {
    int directory;
    std::string name;
    bool is_link;  // to be followed
  };
  SysResult<Place> place_of(const Held& held) const;

  std::unordered_map<Id, HeldPtr> nodes_;
  Id last_ = 0;
  int descriptors_;
};

}  // namespace cella::sandbox::fs
