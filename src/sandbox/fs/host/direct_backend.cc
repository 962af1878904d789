#include "sandbox/fs/host/direct_backend.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}
std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

SysResult<void> done(int result) {
  return result < 0 ? SysResult<void>(last_error()) : SysResult<void>();
}

// Makes a file: `call`, which fails with -1 and errno. In an id-mapped mount there may be nobody who we are, and then
// it is made by its owner, as far as there is CAP_SETUID and CAP_SETGID.
template <typename Call>
SysResult<void> make(const vfs::NewFile& file, Call call) {
  if (call() >= 0) return {};
  if (errno != EOVERFLOW) return last_error();
  const int gid = ::setfsgid(file.gid), uid = ::setfsuid(file.uid);
  const SysResult<void> made = done(call());
  (void)::setfsuid(static_cast<uid_t>(uid));
  (void)::setfsgid(static_cast<gid_t>(gid));
  return made;
}

// statx(2), Linux 5.8.
bool is_mount_root(int fd) {
  struct statx found;
  return ::statx(fd, "", AT_EMPTY_PATH, 0, &found) == 0 && (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

DirectBackend::DirectBackend(sys::FileDescriptor root, int descriptors) : descriptors_(descriptors) {
  nodes_[kRoot] = std::make_shared<Held>(std::move(root), nullptr, "");
}

SysResult<DirectBackend::HeldPtr> DirectBackend::find(Id node) const {
  auto found = nodes_.find(node);
  if (found == nodes_.end()) return fail(EBADF);
  return found->second;
}

SysResult<DirectBackend::Node> DirectBackend::adopt(const HeldPtr& directory, const std::string& name) {
  sys::FileDescriptor fd(::openat(directory->fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return last_error();
  Node node;
  if (::fstat(fd.get(), &node.attributes) < 0) return last_error();
  node.is_mount = is_mount_root(fd.get());
  node.id = ++last_;
  nodes_[node.id] = std::make_shared<Held>(std::move(fd), directory, name);
  return node;
}

SysResult<DirectBackend::Node> DirectBackend::lookup(Id directory, const std::string& name) {
  return adopt(TRY(find(directory)), name);
}

void DirectBackend::forget(Id node) {
  if (node != kRoot) nodes_.erase(node);
}

SysResult<struct stat> DirectBackend::attributes(Id node) {
  HeldPtr held = TRY(find(node));
  struct stat result;
  if (::fstat(held->fd.get(), &result) < 0) return last_error();
  return result;
}

SysResult<DirectBackend::Place> DirectBackend::place_of(const Held& held) const {
  if (descriptors_ >= 0) return Place{descriptors_, std::to_string(held.fd.get()), true};
  if (is_without_name(held)) return fail(ESTALE);
  return Place{held.parent->fd.get(), held.name, false};
}

SysResult<sys::FileDescriptor> DirectBackend::reopen(const Held& held, int flags) const {
  flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  struct stat wanted, got;
  if (::fstat(held.fd.get(), &wanted) < 0) return last_error();
  if (S_ISDIR(wanted.st_mode)) {
    sys::FileDescriptor fd(::openat(held.fd.get(), ".", flags | O_DIRECTORY | O_NOFOLLOW));
    if (!fd) return last_error();
    return fd;
  }
  // Devices and the like are this kernel's own; what stands on the host for them is not touched.
  if (!S_ISREG(wanted.st_mode)) return fail(S_ISLNK(wanted.st_mode) ? ELOOP : ENXIO);
  if (is_without_name(held)) return reopen_root(held, flags);
  const Place place = TRY(place_of(held));
  // By its name it is looked at before it is truncated: it may have become another file.
  const int at_once = place.is_link ? flags : (flags & ~O_TRUNC) | O_NOFOLLOW;
  sys::FileDescriptor fd(::openat(place.directory, place.name.c_str(), at_once));
  if (!fd) return last_error();
  if (place.is_link) return fd;
  if (::fstat(fd.get(), &got) < 0) return last_error();
  if (got.st_ino != wanted.st_ino || got.st_dev != wanted.st_dev) return fail(ESTALE);
  if ((flags & O_TRUNC) != 0) TRY(done(::ftruncate(fd.get(), 0)));
  return fd;
}

SysResult<sys::FileDescriptor> DirectBackend::reopen_root(const Held& held, int flags) const {
  const int had = ::fcntl(held.fd.get(), F_GETFL);
  if (had < 0) return last_error();
  if ((had & O_PATH) != 0) return fail(ESTALE);
  if ((had & O_ACCMODE) == O_RDONLY && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)) return fail(EROFS);
  sys::FileDescriptor fd(::fcntl(held.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return last_error();
  if ((flags & O_TRUNC) != 0) TRY(done(::ftruncate(fd.get(), 0)));
  return fd;
}

SysResult<sys::FileDescriptor> DirectBackend::open(Id node, int flags) {
  HeldPtr held = TRY(find(node));
  struct stat now;
  if (::fstat(held->fd.get(), &now) < 0) return last_error();
  if (S_ISDIR(now.st_mode)) return fail(EISDIR);
  return reopen(*held, flags & (O_ACCMODE | O_APPEND | O_TRUNC));
}

SysResult<void> DirectBackend::set_attributes(Id node, const vfs::AttributeChange& change) {
  HeldPtr held = TRY(find(node));
  const int fd = held->fd.get();
  struct stat now;
  if (::fstat(fd, &now) < 0) return last_error();
  if (change.uid || change.gid) {
    constexpr auto kKeep = static_cast<uint32_t>(-1);
    TRY(done(::fchownat(fd, "", change.uid.value_or(kKeep), change.gid.value_or(kKeep), AT_EMPTY_PATH)));
  }
  if (change.size) {
    if (S_ISDIR(now.st_mode)) return fail(EISDIR);
    sys::FileDescriptor file = TRY(reopen(*held, O_WRONLY));
    TRY(done(::ftruncate(file.get(), static_cast<off_t>(*change.size))));
  }
  if (change.mode) {
    if (S_ISDIR(now.st_mode)) {
      TRY(done(::fchmodat(fd, ".", *change.mode, 0)));
    } else if (S_ISLNK(now.st_mode)) {
      return fail(EOPNOTSUPP);
    } else if (is_without_name(*held)) {
      TRY(done(::fchmod(fd, *change.mode)));
    } else {
      const Place place = TRY(place_of(*held));
      TRY(done(::fchmodat(place.directory, place.name.c_str(), *change.mode, 0)));
    }
  }
  if (change.atime || change.mtime) {
    constexpr timespec kKeep = {0, UTIME_OMIT};
    const timespec times[2] = {change.atime.value_or(kKeep), change.mtime.value_or(kKeep)};
    if (S_ISDIR(now.st_mode)) {
      TRY(done(::utimensat(fd, ".", times, AT_SYMLINK_NOFOLLOW)));
    } else if (is_without_name(*held)) {
      TRY(done(::futimens(fd, times)));
    } else {
      const Place place = TRY(place_of(*held));
      TRY(done(::utimensat(place.directory, place.name.c_str(), times, place.is_link ? 0 : AT_SYMLINK_NOFOLLOW)));
    }
  }
  return {};
}

SysResult<DirectBackend::Node> DirectBackend::create(Id directory, const vfs::NewFile& file) {
  HeldPtr parent = TRY(find(directory));
  const int fd = parent->fd.get();
  const char* name = file.name.c_str();
  TRY(make(file, [&]() -> int {
    if (S_ISDIR(file.mode)) return ::mkdirat(fd, name, file.mode & 07777);
    if (!S_ISREG(file.mode)) return ::mknodat(fd, name, file.mode, file.device);
    constexpr int kNew = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    const sys::FileDescriptor made(::openat(fd, name, kNew, file.mode & 07777));
    return made ? 0 : -1;
  }));
  // The host's own rules for owners and set-id bits do not know the guest's users.
  if (::fchownat(fd, name, file.uid, file.gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM && errno != EINVAL) {
    return last_error();
  }
  Node node = TRY(adopt(parent, file.name));
  // A new owner takes these bits away.
  constexpr uint32_t kSetIds = S_ISUID | S_ISGID;
  if ((file.mode & kSetIds & ~node.attributes.st_mode) == 0 || !S_ISREG(file.mode)) return node;
  vfs::AttributeChange change;
  change.mode = file.mode & 07777;
  if (set_attributes(node.id, change)) node.attributes = TRY(attributes(node.id));
  return node;
}

SysResult<DirectBackend::Node> DirectBackend::symlink(Id directory, const vfs::NewFile& file,
                                                      const std::string& target) {
  HeldPtr parent = TRY(find(directory));
  TRY(make(file, [&] { return ::symlinkat(target.c_str(), parent->fd.get(), file.name.c_str()); }));
  (void)::fchownat(parent->fd.get(), file.name.c_str(), file.uid, file.gid, AT_SYMLINK_NOFOLLOW);
  return adopt(parent, file.name);
}

SysResult<void> DirectBackend::link(Id directory, const std::string& name, Id target) {
  HeldPtr parent = TRY(find(directory));
  HeldPtr held = TRY(find(target));
  const Place from = TRY(place_of(*held));
  return done(::linkat(from.directory, from.name.c_str(), parent->fd.get(), name.c_str(),
                       from.is_link ? AT_SYMLINK_FOLLOW : 0));
}

SysResult<void> DirectBackend::unlink(Id directory, const std::string& name, bool is_directory) {
  HeldPtr parent = TRY(find(directory));
  return done(::unlinkat(parent->fd.get(), name.c_str(), is_directory ? AT_REMOVEDIR : 0));
}

SysResult<void> DirectBackend::rename(Id directory, const std::string& name, Id new_directory,
                                      const std::string& new_name, unsigned flags) {
  HeldPtr from = TRY(find(directory))
  , to = TRY(find(new_directory));
  TRY(done(::renameat2(from->fd.get(), name.c_str(), to->fd.get(), new_name.c_str(), flags)));
  if (descriptors_ >= 0) return {};
  // The same directory may be there as several nodes; the node that a name was found through is the one that counts.
  for (auto& [id, held] : nodes_) {
    if (held->parent == from && held->name == name) {
      held->parent = to;
      held->name = new_name;
    } else if ((flags & RENAME_EXCHANGE) != 0 && held->parent == to && held->name == new_name) {
      held->parent = from;
      held->name = name;
    }
  }
  return {};
}

SysResult<std::string> DirectBackend::read_link(Id node) {
  HeldPtr held = TRY(find(node));
  char text[PATH_MAX];
  ssize_t n = ::readlinkat(held->fd.get(), "", text, sizeof text);
  if (n < 0) return last_error();
  return std::string(text, static_cast<size_t>(n));
}

SysResult<std::vector<DirectBackend::Entry>> DirectBackend::list(Id directory) {
  HeldPtr held = TRY(find(directory));
  sys::FileDescriptor fd = TRY(reopen(*held, O_RDONLY | O_DIRECTORY));
  std::vector<Entry> entries;
  alignas(dirent64) char buffer[32768];
  for (;;) {
    ssize_t n = ::getdents64(fd.get(), buffer, sizeof buffer);
    if (n < 0) return last_error();
    if (n == 0) return entries;
    for (ssize_t at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      std::string_view name(entry->d_name);
      if (entries.size() == kMaxEntries) return fail(ENOMEM);
      if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_ino, entry->d_type});
      at += entry->d_reclen;
    }
  }
}

SysResult<struct statfs> DirectBackend::statistics(Id node) {
  HeldPtr held = TRY(find(node));
  struct statfs result;
  if (::fstatfs(held->fd.get(), &result) < 0) return last_error();
  return result;
}

SysResult<std::optional<sys::FileDescriptor>> DirectBackend::open_for_xattrs(Id node) const {
  HeldPtr held = TRY(find(node));
  struct stat now;
  if (::fstat(held->fd.get(), &now) < 0) return last_error();
  if (!S_ISREG(now.st_mode) && !S_ISDIR(now.st_mode)) return std::nullopt;
  return TRY(reopen(*held, O_RDONLY));
}

SysResult<std::string> DirectBackend::get_xattr(Id node, const std::string& name) {
  std::optional<sys::FileDescriptor> fd = TRY(open_for_xattrs(node));
  if (!fd) return fail(ENODATA);
  std::string value(XATTR_SIZE_MAX, '\0');
  ssize_t n = ::fgetxattr(fd->get(), name.c_str(), value.data(), value.size());
  if (n < 0) return last_error();
  value.resize(static_cast<size_t>(n));
  return value;
}

SysResult<void> DirectBackend::set_xattr(Id node, const std::string& name, std::string_view value, int flags) {
  std::optional<sys::FileDescriptor> fd = TRY(open_for_xattrs(node));
  if (!fd) return fail(EPERM);
  return done(::fsetxattr(fd->get(), name.c_str(), value.data(), value.size(), flags));
}

SysResult<std::vector<std::string>> DirectBackend::list_xattrs(Id node) {
  std::vector<std::string> names;
  std::optional<sys::FileDescriptor> fd = TRY(open_for_xattrs(node));
  if (!fd) return names;
  std::string text(XATTR_LIST_MAX, '\0');
  ssize_t n = ::flistxattr(fd->get(), text.data(), text.size());
  if (n < 0) return last_error();
  for (size_t at = 0; at < static_cast<size_t>(n); at += names.back().size() + 1) names.emplace_back(text.c_str() + at);
  return names;
}

SysResult<void> DirectBackend::remove_xattr(Id node, const std::string& name) {
  std::optional<sys::FileDescriptor> fd = TRY(open_for_xattrs(node));
  if (!fd) return fail(EPERM);
  return done(::fremovexattr(fd->get(), name.c_str()));
}

}  // namespace cella::sandbox::fs
