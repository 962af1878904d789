#include "sandbox/fs/copy_tree.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/result.h"
#include "sandbox/vfs/dentry.h"
#include "sandbox/vfs/file.h"
#include "sandbox/vfs/kernel_caller.h"

namespace cella::sandbox::fs {
namespace {

using vfs::InodePtr;
using vfs::IoVector;

constexpr size_t kMaxDepth = 2048;  // PATH_MAX has no more components
constexpr size_t kBuffer = size_t{64} << 10;

// An inode that has no place in a tree of mounts, to be opened.
vfs::Path alone(const InodePtr& inode) {
  auto dentry = std::make_shared<vfs::Dentry>();
  dentry->inode = inode;
  return {nullptr, std::move(dentry)};
}

class TreeCopy {
 public:
  SysResult<void> run(const vfs::Path& from, vfs::Inode& to) {
    pending_.push_back({from.dentry->inode, to.shared_from_this(), 1});
    while (!pending_.empty()) {
      const Directory next = std::move(pending_.back());
      pending_.pop_back();
      if (next.depth > kMaxDepth) return std::unexpected(Errno{ELOOP});
      TRY(copy_directory(next));
    }
    // Once nothing is made in them any more, which would change their times.
    for (const auto& [inode, times] : times_) TRY(inode->set_attributes(times));
    return {};
  }

 private:
  struct Directory {
    InodePtr from, to;
    size_t depth;
  };

  SysResult<void> copy_directory(const Directory& directory) {
    vfs::FilePtr file = TRY(directory.from->open(kernel_, alone(directory.from), O_RDONLY | O_DIRECTORY));
    std::vector<std::string> names;
    TRY(file->read_directory(kernel_, 0, [&](const vfs::File::Entry& entry) {
      if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
      return true;
    }));
    for (const std::string& name : names) {
      const InodePtr from = TRY(directory.from->lookup(name));
      const InodePtr to = TRY(copy_entry(*from, name, *directory.to));
      if (from->has_type(S_IFDIR)) pending_.push_back({from, to, directory.depth + 1});
    }
    return {};
  }

  SysResult<InodePtr> copy_entry(vfs::Inode& from, const std::string& name, vfs::Inode& directory) {
    const vfs::Attributes attributes = TRY(from.attributes());
    vfs::NewFile file;
    file.name = name;
    file.mode = attributes.st_mode;
    file.device = attributes.st_rdev;
    file.uid = attributes.st_uid;
    file.gid = attributes.st_gid;
    InodePtr made;
    if (S_ISLNK(attributes.st_mode)) {
      const std::string target = TRY(from.read_link(kernel_));
      made = TRY(directory.symlink(file, target));
    } else {
      made = TRY(directory.create(file));
    }
    if (S_ISREG(attributes.st_mode)) TRY(copy_content(from, made));
    TRY(copy_xattrs(from, *made));
    vfs::AttributeChange times;
    times.atime = attributes.st_atim;
    times.mtime = attributes.st_mtim;
    times_.emplace_back(made, times);
    return made;
  }

  SysResult<void> copy_content(vfs::Inode& from, const InodePtr& to) {
    vfs::FilePtr source = TRY(from.open(kernel_, alone(from.shared_from_this()), O_RDONLY));
    vfs::FilePtr target = TRY(to->open(kernel_, alone(to), O_RDWR));
    buffer_.resize(kBuffer);
    for (uint64_t at = 0;;) {
      IoVector in(buffer_.data(), buffer_.size());
      const size_t n = TRY(source->read_at(kernel_, in, at));
      if (n == 0) return {};
      IoVector out(buffer_.data(), n);
      if (TRY(target->write_at(kernel_, out, at)) < n) return std::unexpected(Errno{ENOSPC});
      at += n;
    }
  }

  static SysResult<void> copy_xattrs(vfs::Inode& from, vfs::Inode& to) {
    SysResult<std::vector<std::string>> names = from.list_xattrs();
    // Where the host's filesystem has none there is nothing to copy.
    if (!names) return names.error().value == EOPNOTSUPP ? SysResult<void>() : std::unexpected(names.error());
    for (const std::string& name : *names) {
      const std::string value = TRY(from.get_xattr(name));
      // Access control lists, which no filesystem in memory has.
      if (SysResult<void> kept = to.set_xattr(name, value, 0); !kept && kept.error().value != EOPNOTSUPP) return kept;
    }
    return {};
  }

  vfs::KernelCaller kernel_;
  std::vector<Directory> pending_;
  std::vector<std::pair<InodePtr, vfs::AttributeChange>> times_;
  std::vector<char> buffer_;
};

}  // namespace

SysResult<void> copy_tree(const vfs::Path& from, vfs::Inode& to) {
  return TreeCopy().run(from, to);
}

}  // namespace cella::sandbox::fs
