#include "sandbox/fs/tmpfs.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/result.h"
#include "sandbox/fs/special.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::InodePtr;
using vfs::IoVector;

constexpr uint64_t kChunk = 16 * mm::kPageSize;  // allocated together, so that mappings are long
constexpr uint64_t kMaxFile = uint64_t{1} << 43;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// What one mounted tmpfs's inodes share.
struct Super {
  mm::MemoryFile& memory;
  uint64_t device;
  uint64_t limit;
  uint64_t used = 0;
  uint64_t inode_limit = UINT64_MAX;
  uint64_t inodes = 0;
};
using SuperPtr = std::shared_ptr<Super>;

class TmpfsInode : public MemoryInode {
 public:
  TmpfsInode(SuperPtr super, uint32_t mode, uint32_t uid, uint32_t gid)
      : MemoryInode(super->device, mode, uid, gid), super_(std::move(super)) {
    ++super_->inodes;
  }
  ~TmpfsInode() override { --super_->inodes; }

  SysResult<std::string> get_xattr(const std::string& name) override {
    auto found = xattrs_.find(name);
    if (found == xattrs_.end()) return fail(name.starts_with("system.") ? EOPNOTSUPP : ENODATA);
    return found->second;
  }
  SysResult<void> set_xattr(const std::string& name, std::string_view value, int flags) override {
    if (name.starts_with("system.")) return fail(EOPNOTSUPP);  // access control lists: nobody would look at them
    const bool there = xattrs_.contains(name);
    if ((flags & XATTR_CREATE) && there) return fail(EEXIST);
    if ((flags & XATTR_REPLACE) && !there) return fail(ENODATA);
    xattrs_[name] = value;
    touch(false);
    return {};
  }
  SysResult<std::vector<std::string>> list_xattrs() override {
    std::vector<std::string> names;
    for (const auto& [name, value] : xattrs_) names.push_back(name);
    return names;
  }
  SysResult<void> remove_xattr(const std::string& name) override {
    return xattrs_.erase(name) > 0 ? SysResult<void>() : fail(ENODATA);
  }
  SysResult<struct statfs> filesystem_statistics() override {
    struct statfs result = TRY(MemoryInode::filesystem_statistics());
    if (super_->inode_limit != UINT64_MAX) {
      result.f_files = super_->inode_limit;
      result.f_ffree = super_->inode_limit - std::min(super_->inodes, super_->inode_limit);
    }
    if (super_->limit != UINT64_MAX) {
      result.f_blocks = super_->limit / mm::kPageSize;
      result.f_bfree = result.f_bavail = (super_->limit - std::min(super_->used, super_->limit)) / mm::kPageSize;
    }
    return result;
  }

  void add_link(int change) {
    attributes_.st_nlink = static_cast<nlink_t>(static_cast<int64_t>(attributes_.st_nlink) + change);
    touch(false);
  }
  bool has_links() const { return attributes_.st_nlink > 0; }
  const SuperPtr& super() const { return super_; }

 protected:
  long magic() const override { return 0x01021994; }
  SuperPtr super_;

 private:
  std::map<std::string, std::string> xattrs_;
};

class TmpfsRegular final : public TmpfsInode, public mm::Mappable {
 public:
  using TmpfsInode::TmpfsInode;
  ~TmpfsRegular() override {
    drop(0);
    super_->memory.release(dropped_);
  }

  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override;

  // --- content
  SysResult<size_t> read_at(IoVector& io, uint64_t offset) {
    size_t done = 0;
    while (io.left() > 0 && offset < size()) {
      const uint64_t within = offset % kChunk;
      size_t length = std::min<uint64_t>({io.left(), kChunk - within, size() - offset});
      auto chunk = chunks_.find(offset / kChunk);
      length = chunk == chunks_.end() ? io.put_zeroes(length)
                                      : io.put(super_->memory.pointer(chunk->second + within), length);
      done += length;
      offset += length;
    }
    return done;
  }
  SysResult<size_t> write_at(IoVector& io, uint64_t offset) {
    if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return fail(EPERM);
    if ((seals & F_SEAL_GROW) && offset + io.left() > size()) return fail(EPERM);
    size_t done = 0;
    while (io.left() > 0) {
      if (offset >= kMaxFile) return done > 0 ? SysResult<size_t>(done) : fail(EFBIG);
      const uint64_t within = offset % kChunk;
      auto chunk = chunk_at(offset);
      if (!chunk) return done > 0 ? SysResult<size_t>(done) : std::unexpected(chunk.error());
      size_t length = io.take(super_->memory.pointer(*chunk + within), std::min<uint64_t>(io.left(), kChunk - within));
      done += length;
      offset += length;
      if (offset > size()) attributes_.st_size = static_cast<off_t>(offset);
    }
    touch(true);
    return done;
  }
  uint64_t size() const { return static_cast<uint64_t>(attributes_.st_size); }
  SysResult<void> set_size(uint64_t size) override {
    if (size > kMaxFile) return fail(EFBIG);
    if ((seals & F_SEAL_SHRINK) && size < this->size()) return fail(EPERM);
    if ((seals & F_SEAL_GROW) && size > this->size()) return fail(EPERM);
    if (size < this->size()) {
      // What grows again reads as zeroes.
      drop((size + kChunk - 1) / kChunk);
      if (auto chunk = chunks_.find(size / kChunk); chunk != chunks_.end() && size % kChunk != 0) {
        std::memset(super_->memory.pointer(chunk->second + size % kChunk), 0, kChunk - size % kChunk);
      }
      super_->memory.release(dropped_);
    }
    const bool is_shorter = size < this->size();
    attributes_.st_size = static_cast<off_t>(size);
    if (is_shorter) super_->memory.truncated(*this, mm::page_up(size));
    return {};
  }
  SysResult<void> reserve(uint64_t offset, uint64_t length, bool keep_size) {
    for (uint64_t at = offset / kChunk * kChunk; at < offset + length; at += kChunk) TRY(chunk_at(at));
    if (!keep_size && offset + length > size()) TRY(set_size(offset + length));
    return {};
  }
  void punch(uint64_t offset, uint64_t length) {
    for (uint64_t at = offset; at < offset + length;) {
      const uint64_t within = at % kChunk, n = std::min(kChunk - within, offset + length - at);
      if (auto chunk = chunks_.find(at / kChunk); chunk != chunks_.end())
        std::memset(super_->memory.pointer(chunk->second + within), 0, n);
      at += n;
    }
  }

  SysResult<void> add_seals(uint32_t added) {
    const bool stops_writes = added & ~seals & F_SEAL_WRITE;
    if (stops_writes && super_->memory.is_mapped_for_writing(*this)) return fail(EBUSY);
    seals |= added;
    return {};
  }

  // --- mm::Mappable
  SysResult<Range> translate(uint64_t offset, uint64_t length, bool) override {
    const uint64_t end = mm::page_up(size());
    if (offset >= end) return fail(EFAULT);
    uint64_t chunk = TRY(chunk_at(offset));
    const uint64_t within = offset % kChunk;
    return Range{super_->memory.fd(), chunk + within, std::min({length, kChunk - within, end - offset}), true};
  }
  SysResult<void> punch_hole(uint64_t offset, uint64_t length) override {
    if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return fail(EPERM);
    if (offset < size()) punch(offset, std::min(length, mm::page_up(size()) - offset));
    return {};
  }
  std::string mapped_name() const override { return name; }
  uint64_t device_id() const override { return attributes_.st_dev; }
  uint64_t inode_id() const override { return attributes_.st_ino; }
  std::string name;
  uint32_t seals = F_SEAL_SEAL;  // fcntl(2) F_GET_SEALS

 private:
  SysResult<uint64_t> chunk_at(uint64_t offset) {
    const uint64_t index = offset / kChunk;
    if (auto known = chunks_.find(index); known != chunks_.end()) return known->second;
    if (super_->used + kChunk > super_->limit && super_->limit - std::min(super_->limit, super_->used) < mm::kPageSize)
      return fail(ENOSPC);
    uint64_t start = TRY(super_->memory.allocate(kChunk));
    chunks_[index] = start;
    super_->used += kChunk;
    attributes_.st_blocks += kChunk / 512;
    return start;
  }
  void drop(uint64_t first) {
    for (auto chunk = chunks_.lower_bound(first); chunk != chunks_.end();) {
      super_->memory.unref(chunk->second, kChunk, dropped_);
      super_->used -= kChunk;
      attributes_.st_blocks -= kChunk / 512;
      chunk = chunks_.erase(chunk);
    }
  }

  std::map<uint64_t, uint64_t> chunks_;
  std::vector<mm::MemoryFile::Range> dropped_;
};

class TmpfsFile final : public vfs::SeekableFile {
 public:
  TmpfsFile(vfs::Path where, int open_flags, std::shared_ptr<TmpfsRegular> inode)
      : SeekableFile(std::move(where), open_flags), inode_(std::move(inode)) {}

  SysResult<size_t> read_at(Caller&, IoVector& io, uint64_t offset) override { return inode_->read_at(io, offset); }
  SysResult<size_t> write_at(Caller&, IoVector& io, uint64_t offset) override { return inode_->write_at(io, offset); }
  SysResult<void> sync() override { return {}; }
  SysResult<void> allocate(Caller&, int mode, uint64_t offset, uint64_t length) override {
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) return fail(EOPNOTSUPP);
    if (mode & FALLOC_FL_PUNCH_HOLE) {
      if (inode_->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return fail(EPERM);
      if (!(mode & FALLOC_FL_KEEP_SIZE)) return fail(EOPNOTSUPP);
      inode_->punch(offset, length);
      return {};
    }
    return inode_->reserve(offset, length, mode & FALLOC_FL_KEEP_SIZE);
  }
  SysResult<uint32_t> seals() override { return inode_->seals; }
  SysResult<void> add_seals(uint32_t added) override {
    constexpr uint32_t kKnown = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    if (added & ~kKnown) return fail(EINVAL);
    if (inode_->seals & F_SEAL_SEAL) return fail(EPERM);
    return inode_->add_seals(added);
  }
  SysResult<std::shared_ptr<mm::Mappable>> mappable(bool shared, bool writable) override {
    if (shared && writable && (inode_->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))) return fail(EPERM);
    inode_->name = path.dentry->name;
    return std::static_pointer_cast<mm::Mappable>(inode_);
  }

 protected:
  SysResult<uint64_t> size() override { return inode_->size(); }

 private:
  std::shared_ptr<TmpfsRegular> inode_;
};

SysResult<vfs::FilePtr> TmpfsRegular::open(Caller&, const vfs::Path& path, int flags) {
  return std::make_shared<TmpfsFile>(path, flags, std::static_pointer_cast<TmpfsRegular>(shared_from_this()));
}

class TmpfsLink final : public TmpfsInode {
 public:
  TmpfsLink(SuperPtr super, uint32_t uid, uint32_t gid, std::string target)
      : TmpfsInode(std::move(super), S_IFLNK | 0777, uid, gid), target_(std::move(target)) {
    attributes_.st_size = static_cast<off_t>(target_.size());
  }
  SysResult<std::string> read_link(Caller&) override { return target_; }
  SysResult<vfs::FilePtr> open(Caller&, const vfs::Path&, int) override { return fail(ELOOP); }

 private:
  std::string target_;
};

class TmpfsNode final : public TmpfsInode {
 public:
  TmpfsNode(SuperPtr super, const vfs::NewFile& file) : TmpfsInode(std::move(super), file.mode, file.uid, file.gid) {
    attributes_.st_rdev = file.device;
  }
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override {
    return open_special(caller, *this, path, flags);
  }
};

class TmpfsDirectory final : public TmpfsInode {
 public:
  using TmpfsInode::TmpfsInode;

  SysResult<InodePtr> lookup(const std::string& name) override {
    auto found = entries_.find(name);
    if (found == entries_.end()) return fail(ENOENT);
    return found->second.inode;
  }
  SysResult<InodePtr> create(const vfs::NewFile& file) override {
    if (is_full()) return fail(ENOSPC);
    std::shared_ptr<TmpfsInode> made;
    if (S_ISDIR(file.mode)) {
      made = std::make_shared<TmpfsDirectory>(super_, file.mode, file.uid, file.gid);
    } else if (S_ISREG(file.mode)) {
      made = std::make_shared<TmpfsRegular>(super_, file.mode, file.uid, file.gid);
    } else {
      made = std::make_shared<TmpfsNode>(super_, file);
    }
    return insert(file.name, std::move(made));
  }
  SysResult<InodePtr> symlink(const vfs::NewFile& file, const std::string& target) override {
    if (is_full()) return fail(ENOSPC);
    return insert(file.name, std::make_shared<TmpfsLink>(super_, file.uid, file.gid, target));
  }
  SysResult<void> link(const std::string& name, vfs::Inode& target) override {
    if (entries_.contains(name)) return fail(EEXIST);
    auto& inode = static_cast<TmpfsInode&>(target);
    if (inode.super() != super_) return fail(EXDEV);
    // Each further name counts as an inode, tmpfs(5).
    if (inode.has_links()) {
      if (is_full()) return fail(ENOSPC);
      ++super_->inodes;
    }
    put(name, std::static_pointer_cast<TmpfsInode>(target.shared_from_this()));
    inode.add_link(1);
    return {};
  }
  SysResult<void> unlink(const std::string& name, bool directory) override {
    auto found = entries_.find(name);
    if (found == entries_.end()) return fail(ENOENT);
    TmpfsInode& inode = *found->second.inode;
    if (inode.has_type(S_IFDIR) != directory) return fail(directory ? ENOTDIR : EISDIR);
    if (directory && !static_cast<TmpfsDirectory&>(inode).entries_.empty()) return fail(ENOTEMPTY);
    inode.add_link(directory ? -2 : -1);
    if (directory) {
      add_link(-1);
    } else if (inode.has_links()) {
      --super_->inodes;
    }
    remove(name);
    return {};
  }
  SysResult<void> rename(const std::string& name, vfs::Inode& directory, const std::string& new_name,
                         unsigned flags) override {
    auto found = entries_.find(name);
    if (found == entries_.end()) return fail(ENOENT);
    auto& target = static_cast<TmpfsDirectory&>(directory);
    if (target.super_ != super_) return fail(EXDEV);
    std::shared_ptr<TmpfsInode> moved = found->second.inode;
    const bool is_directory = moved->has_type(S_IFDIR);
    auto other = target.entries_.find(new_name);
    if (flags & RENAME_EXCHANGE) {
      if (other == target.entries_.end()) return fail(ENOENT);
      std::swap(found->second.inode, other->second.inode);
      return {};
    }
    if (other != target.entries_.end()) {
      if (flags & RENAME_NOREPLACE) return fail(EEXIST);
      if (other->second.inode == moved) return {};
      const bool other_is_directory = other->second.inode->has_type(S_IFDIR);
      if (is_directory && !other_is_directory) return fail(ENOTDIR);
      if (!is_directory && other_is_directory) return fail(EISDIR);
      TRY(target.unlink(new_name, other_is_directory));
    }
    remove(name);
    target.put(new_name, moved);
    if (is_directory && &target != this) {
      add_link(-1);
      target.add_link(1);
    }
    moved->add_link(0);
    return {};
  }

  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override;

  // Entries keep the number that they got, so that reading can go on while others come and go.
  struct Entry {
    std::shared_ptr<TmpfsInode> inode;
    uint64_t number;
  };
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<uint64_t, std::string>& order() const { return order_; }

 private:
  bool is_full() const { return super_->inodes >= super_->inode_limit; }
  SysResult<InodePtr> insert(const std::string& name, std::shared_ptr<TmpfsInode> inode) {
    if (attributes_.st_nlink == 0) return fail(ENOENT);
    if (entries_.contains(name)) return fail(EEXIST);
    if (inode->has_type(S_IFDIR)) add_link(1);
    put(name, inode);
    return inode;
  }
  void put(const std::string& name, std::shared_ptr<TmpfsInode> inode) {
    entries_[name] = {std::move(inode), ++last_number_};
    order_[last_number_] = name;
    changed();
  }
  void remove(const std::string& name) {
    auto found = entries_.find(name);
    order_.erase(found->second.number);
    entries_.erase(found);
    changed();
  }
  void changed() {
    constexpr off_t kEntry = 20;  // as tmpfs counts
    attributes_.st_size = static_cast<off_t>(entries_.size() + 2) * kEntry;
    touch(true);
  }

  std::map<std::string, Entry> entries_;
  std::map<uint64_t, std::string> order_;
  uint64_t last_number_ = 2;
};

class TmpfsDirectoryFile final : public vfs::DirectoryFile {
 public:
  using DirectoryFile::DirectoryFile;
  SysResult<void> read_directory(Caller&, uint64_t cookie, const std::function<bool(const Entry&)>& entry) override {
    auto& directory = static_cast<TmpfsDirectory&>(path.inode());
    auto own = TRY(directory.attributes());
    const vfs::DentryPtr& up = path.dentry->parent;
    if (cookie < 1 && !entry({".", own.st_ino, DT_DIR, 1})) return {};
    if (cookie < 2) {
      auto parent = up != nullptr ? TRY(up->inode->attributes()) : own;
      if (!entry({"..", parent.st_ino, DT_DIR, 2})) return {};
    }
    for (auto at = directory.order().upper_bound(std::max<uint64_t>(cookie, 2)); at != directory.order().end(); ++at) {
      auto attributes = TRY(directory.entries().at(at->second).inode->attributes());
      if (!entry({at->second, attributes.st_ino, static_cast<uint8_t>(IFTODT(attributes.st_mode)), at->first}))
        return {};
    }
    return {};
  }
};

SysResult<vfs::FilePtr> TmpfsDirectory::open(Caller&, const vfs::Path& path, int flags) {
  return std::make_shared<TmpfsDirectoryFile>(path, flags);
}

// memparse() of the kernel: a number and a unit.
SysResult<uint64_t> parse_amount(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return fail(EINVAL);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit.empty()) return value;
  constexpr std::string_view kUnits = "kmgtpe";
  const size_t power = kUnits.find(static_cast<char>(unit[0] | 0x20));
  if (unit.size() != 1 || power == std::string_view::npos) return fail(EINVAL);
  const auto shift = static_cast<int>(power + 1) * 10;
  return value << shift >> shift == value ? SysResult<uint64_t>(value << shift) : fail(EINVAL);
}

// Of `unit` bytes each; 0 is no limit, and a part of a page is a page.
SysResult<uint64_t> parse_size(std::string_view text, uint64_t unit, uint64_t ram) {
  uint64_t bytes = 0;
  if (unit == 1 && text.ends_with('%')) {
    text.remove_suffix(1);
    constexpr uint64_t kHundred = 100, kMost = 100'000;
    const uint64_t percent = TRY(parse_amount(text));
    if (percent > kMost) return fail(EINVAL);
    bytes = ram / kHundred * percent;
  } else {
    const uint64_t amount = TRY(parse_amount(text));
    if (amount > UINT64_MAX / 2 / unit) return UINT64_MAX;
    bytes = amount * unit;
  }
  return bytes == 0 ? UINT64_MAX : mm::page_up(bytes);
}

}  // namespace

SysResult<TmpfsOptions> parse_tmpfs_options(const std::string& text, uint64_t ram) {
  TmpfsOptions options;
  options.size = ram / 2;
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(text.find(',', start), text.size());
    std::string_view option(text.data() + start, end - start);
    start = end + 1;
    size_t equals = option.find('=');
    std::string_view key = option.substr(0, equals);
    std::string_view value = equals == std::string_view::npos ? std::string_view() : option.substr(equals + 1);
    auto number = [&](uint32_t& target, int base) {
      auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), target, base);
      return error == std::errc() && stop == value.data() + value.size();
    };
    // How numbers and pages of files look like is our own affair, and this is how.
    constexpr std::string_view kWhatThereIs[] = {"inode64", "huge=never", "mpol=default"};
    if (option.empty() || std::ranges::find(kWhatThereIs, option) != std::end(kWhatThereIs)) continue;
    if (key == "size") {
      options.size = TRY(parse_size(value, 1, ram));
    } else if (key == "nr_blocks") {
      options.size = TRY(parse_size(value, mm::kPageSize, ram));
    } else if (key == "nr_inodes") {
      const uint64_t inodes = TRY(parse_amount(value));
      options.inodes = inodes == 0 ? UINT64_MAX : inodes;
    } else if (key == "mode"  ? !number(options.mode, 8)
               : key == "uid" ? !number(options.uid, 10)
                              : key != "gid" || !number(options.gid, 10)) {
      return fail(EINVAL);
    }
  }
  options.mode &= 07777;
  return options;
}

vfs::DentryPtr make_tmpfs(mm::MemoryFile& memory, const TmpfsOptions& options) {
  auto super = std::make_shared<Super>(Super{memory, new_device_number(), options.size, 0, options.inodes});
  auto root = std::make_shared<vfs::Dentry>();
  root->inode = std::make_shared<TmpfsDirectory>(super, S_IFDIR | options.mode, options.uid, options.gid);
  return root;
}

vfs::InodePtr make_tmpfs_file(mm::MemoryFile& memory, uint32_t mode, uint32_t uid, uint32_t gid, bool sealable) {
  static const uint64_t kDevice = new_device_number();
  auto super = std::make_shared<Super>(Super{memory, kDevice, UINT64_MAX});
  auto file = std::make_shared<TmpfsRegular>(super, S_IFREG | mode, uid, gid);
  if (sealable) file->seals = 0;
  return file;
}

}  // namespace cella::sandbox::fs
