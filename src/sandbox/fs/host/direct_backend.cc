#include "sandbox/fs/host/direct_backend.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
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

}  // namespace

DirectBackend::DirectBackend(sys::FileDescriptor root) {
  nodes_[kRoot].fd = std::move(root);
}

SysResult<DirectBackend::Held*> DirectBackend::find(Id node) {
  auto found = nodes_.find(node);
  if (found == nodes_.end()) return fail(EBADF);
  return &found->second;
}

SysResult<DirectBackend::Node> DirectBackend::adopt(Id directory, const std::string& name) {
  Held* parent = TRY(find(directory));
  sys::FileDescriptor fd(::openat(parent->fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return last_error();
  Node node;
  if (::fstat(fd.get(), &node.attributes) < 0) return last_error();
  node.id = ++last_;
  nodes_[node.id] = {std::move(fd), directory, name};
  return node;
}

SysResult<DirectBackend::Node> DirectBackend::lookup(Id directory, const std::string& name) {
  return adopt(directory, name);
}

void DirectBackend::forget(Id node) {
  if (node != kRoot) nodes_.erase(node);
}

SysResult<struct stat> DirectBackend::attributes(Id node) {
  Held* held = TRY(find(node));
  struct stat result;
  if (::fstat(held->fd.get(), &result) < 0) return last_error();
  return result;
}

SysResult<sys::FileDescriptor> DirectBackend::reopen(const Held& held, int flags) {
  flags |= O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  struct stat wanted, got;
  if (::fstat(held.fd.get(), &wanted) < 0) return last_error();
  if (S_ISDIR(wanted.st_mode)) {
    sys::FileDescriptor fd(::openat(held.fd.get(), ".", flags | O_DIRECTORY));
    if (!fd) return last_error();
    return fd;
  }
  // Devices and the like are this kernel's own; what stands on the host for them is not touched.
  if (!S_ISREG(wanted.st_mode)) return fail(ENXIO);
  if (is_file_root(held)) return share_root(held, flags);
  auto parent = nodes_.find(held.parent);
  if (parent == nodes_.end()) return fail(ESTALE);
  sys::FileDescriptor fd(::openat(parent->second.fd.get(), held.name.c_str(), flags));
  if (!fd) return last_error();
  if (::fstat(fd.get(), &got) < 0) return last_error();
  if (got.st_ino != wanted.st_ino || got.st_dev != wanted.st_dev) return fail(ESTALE);
  return fd;
}

// It has no directory to be opened in again. Nobody uses the position, which is shared.
SysResult<sys::FileDescriptor> DirectBackend::share_root(const Held& held, int flags) {
  const int had = ::fcntl(held.fd.get(), F_GETFL);
  if (had < 0) return last_error();
  if (had & O_PATH) return fail(ENXIO);
  if ((had & O_ACCMODE) == O_RDONLY && (flags & O_ACCMODE) != O_RDONLY) return fail(EROFS);
  if ((flags & O_TRUNC) && ::ftruncate(held.fd.get(), 0) < 0) return last_error();
  sys::FileDescriptor fd(::fcntl(held.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return last_error();
  return fd;
}

SysResult<sys::FileDescriptor> DirectBackend::open(Id node, int flags) {
  Held* held = TRY(find(node));
  return reopen(*held, flags & (O_ACCMODE | O_APPEND | O_TRUNC | O_DIRECTORY));
}

SysResult<void> DirectBackend::set_attributes(Id node, const vfs::AttributeChange& change) {
  Held* held = TRY(find(node));
  struct stat now;
  if (::fstat(held->fd.get(), &now) < 0) return last_error();
  const int fd = held->fd.get();
  if (change.uid || change.gid) {
    constexpr auto kKeep = static_cast<uint32_t>(-1);
    TRY(done(::fchownat(fd, "", change.uid.value_or(kKeep), change.gid.value_or(kKeep), AT_EMPTY_PATH)));
  }
  if (change.size) {
    sys::FileDescriptor file = TRY(reopen(*held, O_WRONLY));
    TRY(done(::ftruncate(file.get(), static_cast<off_t>(*change.size))));
  }
  if (change.mode) {
    if (S_ISDIR(now.st_mode)) {
      sys::FileDescriptor directory = TRY(reopen(*held, O_RDONLY));
      TRY(done(::fchmod(directory.get(), *change.mode)));
    } else if (is_file_root(*held)) {
      TRY(done(::fchmod(fd, *change.mode)));
    } else if (!S_ISLNK(now.st_mode)) {
      auto parent = nodes_.find(held->parent);
      if (parent == nodes_.end()) return fail(ESTALE);
      TRY(done(::fchmodat(parent->second.fd.get(), held->name.c_str(), *change.mode, 0)));
    }
  }
  if (change.atime || change.mtime) {
    constexpr timespec kKeep = {0, UTIME_OMIT};
    const timespec times[2] = {change.atime.value_or(kKeep), change.mtime.value_or(kKeep)};
    if (S_ISDIR(now.st_mode)) {
      TRY(done(::utimensat(fd, ".", times, AT_SYMLINK_NOFOLLOW)));
    } else if (is_file_root(*held)) {
      TRY(done(::futimens(fd, times)));
    } else {
      auto parent = nodes_.find(held->parent);
      if (parent == nodes_.end()) return fail(ESTALE);
      TRY(done(::utimensat(parent->second.fd.get(), held->name.c_str(), times, AT_SYMLINK_NOFOLLOW)));
    }
  }
  return {};
}

SysResult<DirectBackend::Node> DirectBackend::create(Id directory, const vfs::NewFile& file) {
  Held* parent = TRY(find(directory));
  const int fd = parent->fd.get();
  const char* name = file.name.c_str();
  if (S_ISDIR(file.mode)) {
    TRY(done(::mkdirat(fd, name, file.mode & 07777)));
  } else if (S_ISREG(file.mode)) {
    sys::FileDescriptor made(
        ::openat(fd, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, file.mode & 07777));
    if (!made) return last_error();
  } else {
    TRY(done(::mknodat(fd, name, file.mode, file.device)));
  }
  // The host's own rules for owners and set-id bits do not know the guest's users.
  if (::fchownat(fd, name, file.uid, file.gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM && errno != EINVAL) {
    return last_error();
  }
  return adopt(directory, file.name);
}

SysResult<DirectBackend::Node> DirectBackend::symlink(Id directory, const vfs::NewFile& file,
                                                      const std::string& target) {
  Held* parent = TRY(find(directory));
  TRY(done(::symlinkat(target.c_str(), parent->fd.get(), file.name.c_str())));
  (void)::fchownat(parent->fd.get(), file.name.c_str(), file.uid, file.gid, AT_SYMLINK_NOFOLLOW);
  return adopt(directory, file.name);
}

SysResult<void> DirectBackend::link(Id directory, const std::string& name, Id target) {
  Held* parent = TRY(find(directory));
  Held* from = TRY(find(target));
  auto from_parent = nodes_.find(from->parent);
  if (from_parent == nodes_.end()) return fail(ESTALE);
  return done(::linkat(from_parent->second.fd.get(), from->name.c_str(), parent->fd.get(), name.c_str(), 0));
}

SysResult<void> DirectBackend::unlink(Id directory, const std::string& name, bool is_directory) {
  Held* parent = TRY(find(directory));
  return done(::unlinkat(parent->fd.get(), name.c_str(), is_directory ? AT_REMOVEDIR : 0));
}

SysResult<void> DirectBackend::rename(Id directory, const std::string& name, Id new_directory,
                                      const std::string& new_name, unsigned flags) {
  Held* from = TRY(find(directory));
  Held* to = TRY(find(new_directory));
  TRY(done(::renameat2(from->fd.get(), name.c_str(), to->fd.get(), new_name.c_str(), flags)));
  for (auto& [id, held] : nodes_) {
    if (held.parent != directory || held.name != name || id == kRoot) continue;
    held.parent = new_directory;
    held.name = new_name;
  }
  return {};
}

SysResult<std::string> DirectBackend::read_link(Id node) {
  Held* held = TRY(find(node));
  char text[PATH_MAX];
  ssize_t n = ::readlinkat(held->fd.get(), "", text, sizeof text);
  if (n < 0) return last_error();
  return std::string(text, static_cast<size_t>(n));
}

SysResult<std::vector<DirectBackend::Entry>> DirectBackend::list(Id directory) {
  Held* held = TRY(find(directory));
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
      if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_ino, entry->d_type});
      at += entry->d_reclen;
    }
  }
}

SysResult<struct statfs> DirectBackend::statistics(Id node) {
  Held* held = TRY(find(node));
  struct statfs result;
  if (::fstatfs(held->fd.get(), &result) < 0) return last_error();
  return result;
}

SysResult<std::string> DirectBackend::get_xattr(Id node, const std::string& name) {
  Held* held = TRY(find(node));
  sys::FileDescriptor fd = TRY(reopen(*held, O_RDONLY));
  std::string value(65536, '\0');
  ssize_t n = ::fgetxattr(fd.get(), name.c_str(), value.data(), value.size());
  if (n < 0) return last_error();
  value.resize(static_cast<size_t>(n));
  return value;
}

SysResult<void> DirectBackend::set_xattr(Id node, const std::string& name, std::string_view value, int flags) {
  Held* held = TRY(find(node));
  sys::FileDescriptor fd = TRY(reopen(*held, O_RDONLY));
  return done(::fsetxattr(fd.get(), name.c_str(), value.data(), value.size(), flags));
}

SysResult<std::vector<std::string>> DirectBackend::list_xattrs(Id node) {
  Held* held = TRY(find(node));
  std::vector<std::string> names;
  SysResult<sys::FileDescriptor> fd = reopen(*held, O_RDONLY);
  if (!fd) return names;
  std::string text(65536, '\0');
  ssize_t n = ::flistxattr(fd->get(), text.data(), text.size());
  if (n < 0) return last_error();
  for (size_t at = 0; at < static_cast<size_t>(n); at += names.back().size() + 1) names.emplace_back(text.c_str() + at);
  return names;
}

SysResult<void> DirectBackend::remove_xattr(Id node, const std::string& name) {
  Held* held = TRY(find(node));
  sys::FileDescriptor fd = TRY(reopen(*held, O_RDONLY));
  return done(::fremovexattr(fd.get(), name.c_str()));
}

}  // namespace cella::sandbox::fs
