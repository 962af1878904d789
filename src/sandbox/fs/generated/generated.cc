#include "sandbox/fs/generated/generated.h"

#include <dirent.h>
#include <unistd.h>

#include <optional>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::IoVector;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

class TextFile final : public vfs::SeekableFile {
 public:
  TextFile(vfs::Path where, int open_flags, std::shared_ptr<GeneratedFile> inode)
      : SeekableFile(std::move(where), open_flags), inode_(std::move(inode)) {}

  SysResult<size_t> read_at(Caller& caller, IoVector& io, uint64_t offset) override {
    if (offset == 0 || !text_) text_ = TRY(inode_->text(caller));
    if (offset >= text_->size()) return 0;
    return io.put(text_->data() + offset, text_->size() - offset);
  }
  SysResult<size_t> write_at(Caller& caller, IoVector& io, uint64_t) override {
    constexpr size_t kMost = 4096;
    if (io.left() > kMost) return fail(EINVAL);
    std::string text(io.left(), '\0');
    io.take(text.data(), text.size());
    TRY(inode_->store(caller, text));
    return text.size();
  }
  // There is no end to count from before it has been read.
  SysResult<uint64_t> seek(Caller& caller, int64_t offset, int whence) override {
    if (whence != SEEK_SET && whence != SEEK_CUR) return fail(EINVAL);
    return SeekableFile::seek(caller, offset, whence);
  }

 protected:
  SysResult<uint64_t> size() override { return 0; }

 private:
  std::shared_ptr<GeneratedFile> inode_;
  std::optional<std::string> text_;
};

class ListedDirectory final : public vfs::DirectoryFile {
 public:
  ListedDirectory(vfs::Path where, int open_flags, std::shared_ptr<GeneratedDirectory> inode)
      : DirectoryFile(std::move(where), open_flags), inode_(std::move(inode)) {}

  SysResult<void> read_directory(Caller& caller, uint64_t cookie,
                                 const std::function<bool(const Entry&)>& entry) override {
    if (cookie == 0) list_ = TRY(inode_->list(caller));
    if (cookie < 1 && !entry(
                          {
                            ".", TRY(inode_->attributes())
                            .st_ino, DT_DIR, 1
                          }))
      return {};
    if (cookie < 2) {
      const vfs::DentryPtr& up = path.dentry->parent;
      auto parent = TRY((up != nullptr ? *up->inode : *inode_).attributes());
      if (!entry({"..", parent.st_ino, DT_DIR, 2})) return {};
    }
    for (uint64_t i = cookie < 2 ? 0 : cookie - 2; i < list_.size(); ++i)
      if (!entry({list_[i].name, list_[i].inode, list_[i].type, i + 3})) return {};
    return {};
  }

 private:
  std::shared_ptr<GeneratedDirectory> inode_;
  std::vector<GeneratedDirectory::Entry> list_;
};

class CallbackFile final : public GeneratedFile {
 public:
  CallbackFile(const GeneratedSuper& super, uint32_t mode, MakeText text, StoreText store)
      : GeneratedFile(super, S_IFREG | mode), text_(std::move(text)), store_(std::move(store)) {}
  SysResult<std::string> text(Caller& caller) override { return text_(caller); }
  SysResult<void> store(Caller& caller, std::string_view text) override {
    return store_ ? store_(caller, text) : fail(EIO);
  }

 private:
  MakeText text_;
  StoreText store_;
};

class CallbackLink final : public GeneratedInode {
 public:
  CallbackLink(const GeneratedSuper& super, MakeText target)
      : GeneratedInode(super, S_IFLNK | 0777), target_(std::move(target)) {}
  SysResult<std::string> read_link(Caller& caller) override { return target_(caller); }
  SysResult<vfs::FilePtr> open(Caller&, const vfs::Path&, int) override { return fail(ELOOP); }

 private:
  MakeText target_;
};

}  // namespace

SysResult<void> GeneratedInode::set_attributes(const vfs::AttributeChange& change) {
  return change.mode || change.uid || change.gid ? SysResult<void>(fail(EPERM)) : SysResult<void>();
}

SysResult<vfs::FilePtr> GeneratedFile::open(Caller& caller, const vfs::Path& path, int flags) {
  TRY(check_open(caller));
  return std::make_shared<TextFile>(path, flags, std::static_pointer_cast<GeneratedFile>(shared_from_this()));
}

SysResult<vfs::FilePtr> GeneratedDirectory::open(Caller&, const vfs::Path& path, int flags) {
  return std::make_shared<ListedDirectory>(path, flags,
                                           std::static_pointer_cast<GeneratedDirectory>(shared_from_this()));
}

vfs::InodePtr make_text_file(const GeneratedSuper& super, uint32_t mode, MakeText text, StoreText store) {
  return std::make_shared<CallbackFile>(super, mode, std::move(text), std::move(store));
}

vfs::InodePtr make_text_file(const GeneratedSuper& super, std::string text) {
  constexpr uint32_t kReadOnly = 0444;
  return make_text_file(super, kReadOnly, [text = std::move(text)](Caller&) { return text; });
}

vfs::InodePtr make_text_link(const GeneratedSuper& super, MakeText target) {
  return std::make_shared<CallbackLink>(super, std::move(target));
}

FixedDirectory& FixedDirectory::add(const std::string& name, vfs::InodePtr inode) {
  if (inode->has_type(S_IFDIR)) ++attributes_.st_nlink;
  entries_[name] = std::move(inode);
  return *this;
}

FixedDirectory& FixedDirectory::add_file(const std::string& name, std::string text) {
  return add(name, make_text_file(super(), std::move(text)));
}

FixedDirectory& FixedDirectory::directory(std::string_view path) {
  const size_t slash = path.find('/');
  const std::string name(path.substr(0, slash));
  if (!entries_.contains(name)) add(name, std::make_shared<FixedDirectory>(super()));
  auto& found = static_cast<FixedDirectory&>(*entries_[name]);
  return slash == std::string_view::npos ? found : found.directory(path.substr(slash + 1));
}

SysResult<vfs::InodePtr> FixedDirectory::lookup(const std::string& name) {
  auto found = entries_.find(name);
  return found != entries_.end() ? SysResult<vfs::InodePtr>(found->second) : fail(ENOENT);
}

SysResult<std::vector<GeneratedDirectory::Entry>> FixedDirectory::list(Caller&) {
  std::vector<Entry> entries;
  for (const auto& [name, inode] : entries_) {
    auto attributes = TRY(inode->attributes());
    entries.push_back({name, attributes.st_ino, static_cast<uint8_t>(IFTODT(attributes.st_mode))});
  }
  return entries;
}

}  // namespace cella::sandbox::fs
