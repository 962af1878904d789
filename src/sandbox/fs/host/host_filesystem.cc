#include "sandbox/fs/host/host_filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/result.h"
#include "sandbox/fs/special.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::InodePtr;
using vfs::IoVector;

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}

// MS_* of what the host's mount forbids.
uint64_t flags_of(const struct statfs& statistics) {
  // The bits that both have are the same: statfs(2).
  return static_cast<uint64_t>(statistics.f_flags) & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
}
static_assert(static_cast<int>(ST_RDONLY) == static_cast<int>(MS_RDONLY) &&
              static_cast<int>(ST_NOSUID) == static_cast<int>(MS_NOSUID));
static_assert(static_cast<int>(ST_NODEV) == static_cast<int>(MS_NODEV) &&
              static_cast<int>(ST_NOEXEC) == static_cast<int>(MS_NOEXEC));

class HostInode final : public vfs::Inode {
 public:
  HostInode(std::shared_ptr<FileBackend> backend, const FileBackend::Node& node, uint64_t mount_flags)
      : backend_(std::move(backend)),
        id_(node.id),
        type_(node.attributes.st_mode & S_IFMT),
        device_(node.attributes.st_dev),
        number_(node.attributes.st_ino),
        mount_flags_(mount_flags) {}
  ~HostInode() override { backend_->forget(id_); }

  SysResult<vfs::Attributes> attributes() override { return backend_->attributes(id_); }
  bool has_type(uint32_t type) override { return type_ == type; }
  const void* filesystem() const override { return backend_.get(); }
  uint64_t mount_flags() const override { return mount_flags_; }
  SysResult<void> set_attributes(const vfs::AttributeChange& change) override {
    return backend_->set_attributes(id_, change);
  }
  SysResult<struct statfs> filesystem_statistics() override { return backend_->statistics(id_); }

  SysResult<InodePtr> lookup(const std::string& name) override { return adopt(backend_->lookup(id_, name)); }
  SysResult<InodePtr> create(const vfs::NewFile& file) override { return adopt(backend_->create(id_, file)); }
  SysResult<InodePtr> symlink(const vfs::NewFile& file, const std::string& target) override {
    return adopt(backend_->symlink(id_, file, target));
  }
  SysResult<void> link(const std::string& name, vfs::Inode& target) override {
    auto* inode = same_filesystem(target);
    return inode != nullptr ? backend_->link(id_, name, inode->id_) : std::unexpected(Errno{EXDEV});
  }
  SysResult<void> unlink(const std::string& name, bool directory) override {
    return backend_->unlink(id_, name, directory);
  }
  SysResult<void> rename(const std::string& name, vfs::Inode& directory, const std::string& new_name,
                         unsigned flags) override {
    auto* inode = same_filesystem(directory);
    return inode != nullptr ? backend_->rename(id_, name, inode->id_, new_name, flags) : std::unexpected(Errno{EXDEV});
  }
  SysResult<std::string> read_link(Caller&) override {
    if (type_ != S_IFLNK) return std::unexpected(Errno{EINVAL});
    return backend_->read_link(id_);
  }
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override;

  SysResult<std::string> get_xattr(const std::string& name) override { return backend_->get_xattr(id_, name); }
  SysResult<void> set_xattr(const std::string& name, std::string_view value, int flags) override {
    return backend_->set_xattr(id_, name, value, flags);
  }
  SysResult<std::vector<std::string>> list_xattrs() override { return backend_->list_xattrs(id_); }
  SysResult<void> remove_xattr(const std::string& name) override { return backend_->remove_xattr(id_, name); }

  FileBackend& backend() { return *backend_; }
  FileBackend::Id id() const { return id_; }
  uint64_t device() const { return device_; }
  uint64_t number() const { return number_; }

 private:
  SysResult<InodePtr> adopt(SysResult<FileBackend::Node> node) {
    if (!node) return std::unexpected(node.error());
    auto inode = std::make_shared<HostInode>(backend_, *node, mount_flags_);
    if (node->is_mount) inode->mount_flags_ = flags_of(TRY(inode->filesystem_statistics()));
    return inode;
  }
  // Not by the device's number: that is the host's to give, and a filesystem of ours may have the same.
  HostInode* same_filesystem(vfs::Inode& other) {
    return other.filesystem() == filesystem() ? static_cast<HostInode*>(&other) : nullptr;
  }

  std::shared_ptr<FileBackend> backend_;
  FileBackend::Id id_;
  uint32_t type_;
  uint64_t device_, number_;
  uint64_t mount_flags_;
};

// What of an open host file can be mapped; lives as long as a mapping.
class HostMapping final : public mm::Mappable {
 public:
  HostMapping(sys::FileDescriptor fd, std::string name, uint64_t device, uint64_t number)
      : fd_(std::move(fd)), name_(std::move(name)), device_(device), number_(number) {}
  SysResult<Range> translate(uint64_t offset, uint64_t size, bool) override {
    struct stat now;
    if (::fstat(fd_.get(), &now) < 0) return last_error();
    const uint64_t end = mm::page_up(static_cast<uint64_t>(now.st_size));
    if (offset >= end) return std::unexpected(Errno{EFAULT});
    return Range{fd_.get(), offset, std::min(size, end - offset), false};
  }
  SysResult<void> punch_hole(uint64_t offset, uint64_t size) override {
    constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (::fallocate(fd_.get(), kMode, static_cast<off_t>(offset), static_cast<off_t>(size)) < 0) return last_error();
    return {};
  }
  std::string mapped_name() const override { return name_; }
  uint64_t device_id() const override { return device_; }
  uint64_t inode_id() const override { return number_; }

 private:
  sys::FileDescriptor fd_;
  std::string name_;
  uint64_t device_, number_;
};

class HostFile final : public vfs::SeekableFile {
 public:
  HostFile(vfs::Path where, int open_flags, sys::FileDescriptor fd)
      : SeekableFile(std::move(where), open_flags), fd_(std::move(fd)) {}

  // The host's page cache answers at once; a disk is waited for with the kernel lock held.
  SysResult<size_t> read_at(Caller&, IoVector& io, uint64_t offset) override {
    auto pieces = io.rest();
    ssize_t n = ::preadv(fd_.get(), pieces.data(), static_cast<int>(std::min<size_t>(pieces.size(), IOV_MAX)),
                         static_cast<off_t>(offset));
    if (n < 0) return last_error();
    return io.skip(static_cast<size_t>(n));
  }
  SysResult<size_t> write_at(Caller&, IoVector& io, uint64_t offset) override {
    auto pieces = io.rest();
    ssize_t n = ::pwritev(fd_.get(), pieces.data(), static_cast<int>(std::min<size_t>(pieces.size(), IOV_MAX)),
                          static_cast<off_t>(offset));
    if (n < 0) return last_error();
    return io.skip(static_cast<size_t>(n));
  }
  SysResult<void> sync() override { return ::fsync(fd_.get()) < 0 ? SysResult<void>(last_error()) : SysResult<void>(); }
  SysResult<void> allocate(Caller&, int mode, uint64_t offset, uint64_t length) override {
    if (::fallocate(fd_.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) < 0) return last_error();
    return {};
  }
  SysResult<vfs::Attributes> attributes() override {
    vfs::Attributes now;
    if (::fstat(fd_.get(), &now) < 0) return last_error();
    return now;
  }
  SysResult<std::shared_ptr<mm::Mappable>> mappable(bool, bool) override {
    if (mapping_ == nullptr) {
      sys::FileDescriptor copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
      if (!copy) return last_error();
      auto& inode = static_cast<HostInode&>(path.inode());
      mapping_ =
          std::make_shared<HostMapping>(std::move(copy), vfs::path_text(path, {}), inode.device(), inode.number());
    }
    return std::static_pointer_cast<mm::Mappable>(mapping_);
  }

 protected:
  SysResult<uint64_t> size() override { return static_cast<uint64_t>(TRY(attributes()).st_size); }

 private:
  sys::FileDescriptor fd_;
  std::shared_ptr<HostMapping> mapping_;
};

class HostDirectory final : public vfs::DirectoryFile {
 public:
  using DirectoryFile::DirectoryFile;
  // The list is read when reading begins, and again after a rewind.
  SysResult<void> read_directory(Caller&, uint64_t cookie, const std::function<bool(const Entry&)>& entry) override {
    auto& inode = static_cast<HostInode&>(path.inode());
    if (cookie == 0) list_ = TRY(inode.backend().list(inode.id()));
    if (cookie < 1 && !entry({".", inode.number(), DT_DIR, 1})) return {};
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
  std::vector<FileBackend::Entry> list_;
};

SysResult<vfs::FilePtr> HostInode::open(Caller& caller, const vfs::Path& path, int flags) {
  switch (type_) {
    case S_IFDIR:
      return std::make_shared<HostDirectory>(path, flags);
    case S_IFREG:
      return std::make_shared<HostFile>(path, flags, TRY(backend_->open(id_, flags & (O_ACCMODE | O_TRUNC))));
    case S_IFLNK:
      return std::unexpected(Errno{ELOOP});
    default:
      return open_special(caller, *this, path, flags);
  }
}

}  // namespace

SysResult<vfs::DentryPtr> make_host_filesystem(std::shared_ptr<FileBackend> backend) {
  auto attributes = TRY(backend->attributes(FileBackend::kRoot));
  const uint64_t flags = flags_of(TRY(backend->statistics(FileBackend::kRoot)));
  auto root = std::make_shared<vfs::Dentry>();
  root->inode =
      std::make_shared<HostInode>(std::move(backend), FileBackend::Node{FileBackend::kRoot, attributes}, flags);
  return root;
}

}  // namespace cella::sandbox::fs
