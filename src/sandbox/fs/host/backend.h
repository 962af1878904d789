// FileBackend: the host's files below one directory, as operations on numbered nodes. What the file protocol of the
// gofer carries, and what `direct` file access does itself; fs/host/host_filesystem.cc makes a filesystem of either.
//
// Nodes are what lookup() and create() give, until forget(). Names are single components, never "." or "..". No
// operation follows a symbolic link. What lies outside of the directory cannot be named.
#pragma once

#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sandbox/vfs/inode.h"
#include "sys/fd.h"

namespace cella::sandbox::fs {

class FileBackend {
 public:
  using Id = uint64_t;
  struct Node {
    Id id = 0;
    struct stat attributes = {};  // type, device and number; the rest may be older than attributes()
    bool is_mount = false;        // the root of a mount of the host's: statistics() has other flags than above it
  };
  struct Entry {
    std::string name;
    uint64_t inode;
    uint8_t type;  // DT_*
  };
  static constexpr Id kRoot = 0;
  static constexpr size_t kMaxEntries = 1 << 20;  // of a directory that is listed: more are ENOMEM

  virtual ~FileBackend() = default;

  virtual SysResult<Node> lookup(Id directory, const std::string& name) = 0;
  virtual void forget(Id node) = 0;
  virtual SysResult<struct stat> attributes(Id node) = 0;
  virtual SysResult<void> set_attributes(Id node, const vfs::AttributeChange& change) = 0;
  // A regular file. `flags`: O_ACCMODE, O_APPEND, O_TRUNC of open(2). EISDIR, ELOOP, ENXIO: it is another kind of node.
  virtual SysResult<sys::FileDescriptor> open(Id node, int flags) = 0;
  virtual SysResult<Node> create(Id directory, const vfs::NewFile& file) = 0;
  virtual SysResult<Node> symlink(Id directory, const vfs::NewFile& file, const std::string& target) = 0;
  virtual SysResult<void> link(Id directory, const std::string& name, Id target) = 0;
  virtual SysResult<void> unlink(Id directory, const std::string& name, bool is_directory) = 0;
  virtual SysResult<void> rename(Id directory, const std::string& name, Id new_directory, const std::string& new_name,
                                 unsigned flags) = 0;
  virtual SysResult<std::string> read_link(Id node) = 0;
  virtual SysResult<std::vector<Entry>> list(Id directory) = 0;
  virtual SysResult<struct statfs> statistics(Id node) = 0;
  virtual SysResult<std::string> get_xattr(Id node, const std::string& name) = 0;
  virtual SysResult<void> set_xattr(Id node, const std::string& name, std::string_view value, int flags) = 0;
  virtual SysResult<std::vector<std::string>> list_xattrs(Id node) = 0;
  virtual SysResult<void> remove_xattr(Id node, const std::string& name) = 0;
};

}  // namespace cella::sandbox::fs
