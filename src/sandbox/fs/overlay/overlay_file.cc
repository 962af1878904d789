// Regular files of an overlay: the lower one's data until the first write, and a copy in memory from then on.
#include "base/result.h"
#include "sandbox/fs/overlay/overlay_inode.h"
#include "sandbox/fs/tmpfs.h"
#include "sandbox/vfs/kernel_caller.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::InodePtr;
using vfs::IoVector;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

class OverlayRegular final : public OverlayInode {
 public:
  OverlayRegular(OverlaySuperPtr of, InodePtr lower, const vfs::Attributes& below_it)
      : OverlayInode(std::move(of), std::move(lower), below_it) {}
  OverlayRegular(OverlaySuperPtr of, const vfs::NewFile& file)
      : OverlayInode(std::move(of), file), upper_(new_upper(attributes_)) {}

  // Size and times of the data are its copy's.
  SysResult<vfs::Attributes> attributes() override {
    if (upper_ == nullptr) return OverlayInode::attributes();
    vfs::Attributes result = TRY(upper_->attributes());
    result.st_dev = attributes_.st_dev;
    result.st_ino = attributes_.st_ino;
    result.st_nlink = attributes_.st_nlink;
    result.st_ctim = std::max(result.st_ctim, attributes_.st_ctim, earlier);
    return result;
  }
  SysResult<void> set_attributes(const vfs::AttributeChange& new_values) override {
    if (new_values.size) TRY(copy_up(*new_values.size));
    if (upper_ != nullptr) return upper_->set_attributes(new_values);
    return OverlayInode::set_attributes(new_values);
  }
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override;

  // Makes the copy, of the first `most` bytes: no more are wanted.
  SysResult<void> copy_up(uint64_t most = UINT64_MAX) {
    if (upper_ != nullptr) return {};
    TRY(change());
    TRY(take_xattrs());
    InodePtr made = new_upper(attributes_);
    vfs::KernelCaller kernel;
    auto dentry = std::make_shared<vfs::Dentry>();
    dentry->inode = lower_;
    vfs::FilePtr from = TRY(lower_->open(kernel, {nullptr, dentry}, O_RDONLY));
    auto above = std::make_shared<vfs::Dentry>();
    above->inode = made;
    vfs::FilePtr to = TRY(made->open(kernel, {nullptr, above}, O_RDWR));
    std::vector<char> buffer(size_t{256} << 10);
    for (uint64_t at = 0; at < most;) {
      IoVector in(buffer.data(), std::min<uint64_t>(buffer.size(), most - at));
      const size_t n = TRY(from->read_at(kernel, in, at));
      if (n == 0) break;
      IoVector out(buffer.data(), n);
      if (TRY(to->write_at(kernel, out, at)) < n) return fail(ENOSPC);
      at += n;
    }
    vfs::AttributeChange times;
    times.atime = attributes_.st_atim;
    times.mtime = attributes_.st_mtim;
    TRY(made->set_attributes(times));
    upper_ = std::move(made);
    lower_.reset();
    lower_directory_.reset();
    return {};
  }
  bool is_copied() const { return upper_ != nullptr; }
  const InodePtr& data() const { return upper_ != nullptr ? upper_ : lower_; }

 private:
  static bool earlier(const timespec& a, const timespec& b) {
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
  }
  InodePtr new_upper(const vfs::Attributes& like) const {
    return make_tmpfs_file(super_->memory, like.st_mode & 07777, like.st_uid, like.st_gid, false);
  }

  InodePtr upper_;  // null: the data is the lower one's
};

class OverlayFile final : public vfs::SeekableFile {
 public:
  OverlayFile(vfs::Path where, int open_flags, std::shared_ptr<OverlayRegular> inode)
      : SeekableFile(std::move(where), open_flags), inode_(std::move(inode)) {}

  SysResult<size_t> read_at(Caller& caller, IoVector& io, uint64_t offset) override {
    TRY(follow_data());
    return inner_->read_at(caller, io, offset);
  }
  SysResult<size_t> write_at(Caller& caller, IoVector& io, uint64_t offset) override {
    TRY(inode_->copy_up());
    TRY(follow_data());
    return inner_->write_at(caller, io, offset);
  }
  SysResult<void> sync() override { return {}; }
  SysResult<void> allocate(Caller& caller, int mode, uint64_t offset, uint64_t length) override {
    TRY(inode_->copy_up());
    TRY(follow_data());
    return inner_->allocate(caller, mode, offset, length);
  }
  SysResult<std::shared_ptr<mm::Mappable>> mappable(bool shared, bool writable) override {
    if (shared && (writable || may_write())) TRY(inode_->copy_up());
    TRY(follow_data());
    return inner_->mappable(shared, writable);
  }
  SysResult<vfs::Attributes> attributes() override { return inode_->attributes(); }

  // What is read is the copy as soon as there is one, whoever made it.
  SysResult<void> follow_data() {
    if (inner_ != nullptr && data_ == inode_->data()) return {};
    vfs::KernelCaller kernel;
    const int mode = inode_->is_copied() ? O_RDWR : O_RDONLY;
    inner_ = TRY(inode_->data()->open(kernel, path_below(path, inode_->data()), mode));
    data_ = inode_->data();
    return {};
  }

 protected:
  SysResult<uint64_t> size() override { return static_cast<uint64_t>(TRY(inode_->attributes()).st_size); }

 private:
  std::shared_ptr<OverlayRegular> inode_;
  InodePtr data_;  // what inner_ is of
  vfs::FilePtr inner_;
};

SysResult<vfs::FilePtr> OverlayRegular::open(Caller&, const vfs::Path& path, int flags) {
  auto file = std::make_shared<OverlayFile>(path, flags, std::static_pointer_cast<OverlayRegular>(shared_from_this()));
  TRY(file->follow_data());
  return file;
}

}  // namespace

std::shared_ptr<OverlayInode> make_overlay_file(OverlaySuperPtr super, InodePtr lower, const vfs::Attributes& below) {
  return std::make_shared<OverlayRegular>(std::move(super), std::move(lower), below);
}
std::shared_ptr<OverlayInode> make_overlay_file(OverlaySuperPtr super, const vfs::NewFile& file) {
  return std::make_shared<OverlayRegular>(std::move(super), file);
}

}  // namespace cella::sandbox::fs
