#include "sandbox/fs/tty/devpts.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <charconv>

#include "base/result.h"
#include "sandbox/fs/tty/pty.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::InodePtr;

constexpr char kMultiplexer[] = "ptmx";
constexpr uint64_t kRootNumber = 1, kMultiplexerNumber = 2, kFirstNumber = 3;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

std::optional<uint32_t> number_from(std::string_view text, int base) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value, base);
  return error == std::errc() && end == text.end() && !text.empty() ? std::optional(value) : std::nullopt;
}

uint64_t device_of(int number) {
  constexpr int kMinors = 256;
  return makedev(kPtsMajor + static_cast<unsigned>(number / kMinors), static_cast<unsigned>(number % kMinors));
}

class Node : public MemoryInode {
 public:
  Node(const Devpts& owner, uint64_t number, uint32_t mode, uint32_t uid, uint32_t gid, uint64_t device)
      : MemoryInode(0, S_IFCHR | mode, uid, gid) {
    if (auto root = const_cast<Devpts&>(owner).attributes()) attributes_.st_dev = root->st_dev;
    attributes_.st_ino = number;
    attributes_.st_rdev = device;
    attributes_.st_blksize = 1024;
  }
  long magic() const override { return 0x1cd1; }
};

class TerminalNode final : public Node {
 public:
  TerminalNode(const Devpts& owner, int number, uint32_t mode, uint32_t uid, uint32_t gid, std::shared_ptr<Tty> tty)
      : Node(owner, kFirstNumber + static_cast<uint64_t>(number), mode, uid, gid, tty->device()),
        tty_(std::move(tty)) {}
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override {
    return open_tty(caller, tty_, path, flags);
  }

 private:
  std::shared_ptr<Tty> tty_;
};

class MultiplexerNode final : public Node {
 public:
  MultiplexerNode(Devpts& owner, uint32_t mode)
      : Node(owner, kMultiplexerNumber, mode, 0, 0, makedev(5, 2)), owner_(owner) {}
  SysResult<vfs::FilePtr> open(Caller& caller, const vfs::Path& path, int flags) override {
    // The node alone may have been bound somewhere: its terminals are still where its filesystem is.
    const vfs::DentryPtr root = path.dentry->parent != nullptr ? path.dentry->parent : path.dentry;
    return owner_.open_multiplexer(caller, {path.mount, root}, path, flags);
  }

 private:
  Devpts& owner_;
};

class Directory final : public vfs::DirectoryFile {
 public:
  using DirectoryFile::DirectoryFile;
  SysResult<void> read_directory(Caller&, uint64_t cookie, const std::function<bool(const Entry&)>& entry) override {
    auto& inode = static_cast<Devpts&>(path.inode());
    if (cookie < 1 && !entry({".", kRootNumber, DT_DIR, 1})) return {};
    if (cookie < 2 && !entry({"..", kRootNumber, DT_DIR, 2})) return {};
    if (cookie < 3 && !entry({kMultiplexer, kMultiplexerNumber, DT_CHR, 3})) return {};
    for (const auto& [number, terminal] : inode.terminals()) {
      const uint64_t at = kFirstNumber + 1 + static_cast<uint64_t>(number);
      if (at <= cookie) continue;
      if (!entry({std::to_string(number), kFirstNumber + static_cast<uint64_t>(number), DT_CHR, at})) return {};
    }
    return {};
  }
};

}  // namespace

SysResult<DevptsOptions> parse_devpts_options(const std::string& text) {
  DevptsOptions options;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    const std::string_view option = std::string_view(text).substr(start, end - start);
    start = end + 1;
    if (option.empty() || option == "newinstance") continue;  // as every one is
    const size_t equals = option.find('=');
    if (equals == std::string_view::npos) return fail(EINVAL);
    const std::string_view key = option.substr(0, equals);
    const bool is_mode = key == "mode" || key == "ptmxmode";
    const std::optional<uint32_t> value = number_from(option.substr(equals + 1), is_mode ? 8 : 10);
    if (!value) return fail(EINVAL);
    if (key == "mode") {
      options.mode = *value & 07777;
    } else if (key == "ptmxmode") {
      options.ptmx_mode = *value & 07777;
    } else if (key == "uid") {
      options.uid = *value;
    } else if (key == "gid") {
      options.gid = *value;
    } else if (key == "max" && *value <= static_cast<uint32_t>(DevptsOptions().most)) {
      options.most = static_cast<int>(*value);
    } else {
      return fail(EINVAL);
    }
  }
  return options;
}

Devpts::Devpts(task::Kernel& kernel, const DevptsOptions& options)
    : MemoryInode(new_device_number(), S_IFDIR | 0755, 0, 0), kernel_(kernel), options_(options) {
  attributes_.st_ino = kRootNumber;
  attributes_.st_blksize = 1024;
  multiplexer_ = std::make_shared<MultiplexerNode>(*this, options_.ptmx_mode);
}

SysResult<Devpts::Place> Devpts::next_place() const {
  int number = 0;
  for (const auto& [taken, terminal] : terminals_) {
    if (taken != number) break;
    ++number;
  }
  if (number >= options_.most) return fail(ENOSPC);
  return Place{number, device_of(number)};
}

InodePtr Devpts::add(int number, std::shared_ptr<Tty> tty, uint32_t uid, uint32_t gid) {
  return terminals_[number] = std::make_shared<TerminalNode>(*this, number, options_.mode, options_.uid.value_or(uid),
                                                             options_.gid.value_or(gid), std::move(tty));
}

void Devpts::remove(int number) {
  terminals_.erase(number);
  if (auto root = root_.lock()) vfs::forget_child(root, std::to_string(number));
}

SysResult<vfs::FilePtr> Devpts::open_multiplexer(Caller& caller, const vfs::Path& mounted, const vfs::Path& path,
                                                 int flags) {
  const Place place = TRY(next_place());
  const int number = place.number;
  auto pty = std::make_shared<Pty>(kernel_, place.device);
  const vfs::Credentials& who = caller.credentials();
  InodePtr inode = add(number, pty, who.fsuid, who.fsgid);
  auto self = std::static_pointer_cast<Devpts>(shared_from_this());
  auto open_slave = [mounted, number, inode](Caller& opener, int open_flags) -> SysResult<vfs::FilePtr> {
    auto known = mounted.dentry->inode->lookup(std::to_string(number));
    vfs::DentryPtr dentry = known ? TRY(vfs::child_of(mounted.dentry, std::to_string(number)))
                                  : anonymous_path(inode, "/" + std::to_string(number)).dentry;
                                  return inode->open(opener, {mounted.mount, dentry}, open_flags);
  };
  return make_pty_master(path, flags & ~O_NOCTTY, std::move(pty), number, std::move(open_slave),
                         [self, number] { self->remove(number); });
}

SysResult<vfs::Path> Devpts::adopt(const vfs::Path& mounted, const Place& place, std::shared_ptr<Tty> tty, uint32_t uid,
                                   uint32_t gid) {
  add(place.number, std::move(tty), uid, gid);
  vfs::DentryPtr terminal = TRY(vfs::child_of(mounted.dentry, std::to_string(place.number)));
  return vfs::Path{mounted.mount, std::move(terminal)};
}

SysResult<InodePtr> Devpts::lookup(const std::string& name) {
  if (name == kMultiplexer) return multiplexer_;
  const std::optional<uint32_t> number = number_from(name, 10);
  if (!number || (name.size() > 1 && name[0] == '0')) return fail(ENOENT);
  auto found = terminals_.find(static_cast<int>(*number));
  return found != terminals_.end() ? SysResult<InodePtr>(found->second) : fail(ENOENT);
}

SysResult<vfs::FilePtr> Devpts::open(Caller&, const vfs::Path& path, int flags) {
  return std::make_shared<Directory>(path, flags);
}

vfs::DentryPtr make_devpts(task::Kernel& kernel, const DevptsOptions& options) {
  auto devpts = std::make_shared<Devpts>(kernel, options);
  auto root = std::make_shared<vfs::Dentry>();
  root->inode = devpts;
  devpts->set_root(root);
  return root;
}

Devpts* devpts_at(const vfs::Path& path) {
  // A mount of this type shows this filesystem or a part of it, and the only directory in it is its root.
  if (!path || path.mount->type != "devpts" || !path.inode().has_type(S_IFDIR)) return nullptr;
  return static_cast<Devpts*>(&path.inode());
}

}  // namespace cella::sandbox::fs
