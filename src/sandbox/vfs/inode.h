// Inode: a file, directory, link or node of some filesystem: interfaces only. Filesystems implement it in fs/.
//
// An Inode knows its content and its children's, but not its name: names are dentries' (dentry.h). Permission is
// checked by the callers (permission.h); what an inode refuses itself is what its filesystem cannot do. Errors are
// those of the system calls that lead here.
#pragma once

#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sandbox/vfs/caller.h"

namespace cella::sandbox::vfs {

class File;
class FileLocks;
class Inode;
class Watch;
using InodePtr = std::shared_ptr<Inode>;
using FilePtr = std::shared_ptr<File>;
struct Path;

// struct stat of the kernel, which is glibc's on x86_64.
using Attributes = struct stat;

// setattr: what is absent stays. Times may be UTIME_NOW.
struct AttributeChange {
  std::optional<uint32_t> mode;  // permission bits
  std::optional<uint32_t> uid, gid;
  std::optional<uint64_t> size;
  std::optional<timespec> atime, mtime;
};

// A file to be made.
struct NewFile {
  std::string name;
  uint32_t mode = 0;  // with its type
  uint64_t device = 0;
  uint32_t uid = 0, gid = 0;
};

class Inode : public std::enable_shared_from_this<Inode> {
 public:
  virtual ~Inode() = default;

  virtual SysResult<Attributes> attributes() = 0;
  virtual SysResult<void> set_attributes(const AttributeChange&) { return std::unexpected(Errno{EPERM}); }
  virtual SysResult<struct statfs> filesystem_statistics() = 0;

  // Directories.
  virtual SysResult<InodePtr> lookup(const std::string&) { return std::unexpected(Errno{ENOTDIR}); }
  virtual SysResult<InodePtr> create(const NewFile&) { return std::unexpected(Errno{EPERM}); }
  virtual SysResult<InodePtr> symlink(const NewFile&, const std::string& /*target*/) {
    return std::unexpected(Errno{EPERM});
  }
  virtual SysResult<void> link(const std::string& /*name*/, Inode& /*target*/) { return std::unexpected(Errno{EPERM}); }
  virtual SysResult<void> unlink(const std::string& /*name*/, bool /*directory*/) {
    return std::unexpected(Errno{EPERM});
  }
  // `flags`: RENAME_* of renameat2(2).
  virtual SysResult<void> rename(const std::string& /*name*/, Inode& /*directory*/, const std::string& /*new_name*/,
                                 unsigned /*flags*/) {
    return std::unexpected(Errno{EPERM});
  }

  // Symbolic links. A magic one (procfs) has a place to go to instead of a text.
  virtual SysResult<std::string> read_link(Caller&) { return std::unexpected(Errno{EINVAL}); }
  virtual SysResult<std::optional<Path>> follow(Caller&);

  // `flags`: O_* of open(2), without O_CREAT, O_EXCL, O_TRUNC, which have been dealt with. O_NOCTTY is none of the
  // file's own.
  virtual SysResult<FilePtr> open(Caller& caller, const Path& path, int flags) = 0;

  // xattr(7). A size of 0 asks for the length.
  virtual SysResult<std::string> get_xattr(const std::string&) { return std::unexpected(Errno{EOPNOTSUPP}); }
  virtual SysResult<void> set_xattr(const std::string&, std::string_view, int /*flags*/) {
    return std::unexpected(Errno{EOPNOTSUPP});
  }
  virtual SysResult<std::vector<std::string>> list_xattrs() { return std::vector<std::string>(); }
  virtual SysResult<void> remove_xattr(const std::string&) { return std::unexpected(Errno{EOPNOTSUPP}); }

  // Does the filesystem let this caller read and search, whatever the mode says? A process may always see its own
  // descriptors, proc_pid_fd(5).
  virtual bool always_readable(Caller&) { return false; }
  // May the name of a child be kept, or does the directory change by itself (procfs)?
  virtual bool keeps_names() const { return true; }

  // What is forbidden here by the mount of another kernel's that the inode is on: MS_RDONLY, MS_NOSUID, MS_NODEV,
  // MS_NOEXEC, in addition to the flags of ours. See Path::flags().
  virtual uint64_t mount_flags() const { return 0; }
  virtual bool has_type(uint32_t type) {
    auto found = attributes();
    return found && (found->st_mode & S_IFMT) == type;
  }
  // What an inode of the same implementation knows it by, in place of RTTI: null, or an object that all inodes of one
  // filesystem have and no other has.
  virtual const void* filesystem() const { return nullptr; }
  // File locks, fcntl(2) and flock(2), belong to the file; null: there were none.
  std::shared_ptr<FileLocks> locks;
  // What joins the ends of a fifo, fs/pipe.cc.
  std::shared_ptr<void> fifo;
  // A unix socket that is bound here, unix(7).
  std::weak_ptr<void> bound_socket;
  // Those who wait for changes, inotify(7).
  std::vector<Watch*> watches;
  int open_files = 0;         // that have been told of as opened, watch.h
  bool is_temporary = false;  // made with O_TMPFILE and no O_EXCL: may get a name
  // Nobody may execute what somebody writes, or the other way round: ETXTBSY.
  int writers = 0;                // of open_files
  std::weak_ptr<void> execution;  // held by every task that executes it
};

}  // namespace cella::sandbox::vfs
