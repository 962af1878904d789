// Modes, owners, times, extended attributes, and what a filesystem says of itself.
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/vfs/permission.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::syscall {
namespace {

using task::Task;
using vfs::Path;

SysResult<Path> path_of(Task& task, int fd) {
  return TRY(task.files->get_for_io(fd))
  ->path;
}

SysResult<void> check_writable(const Path& path) {
  return path.flags() & MS_RDONLY ? SysResult<void>(fail(EROFS)) : SysResult<void>();
}

Outcome change_mode(Task& task, SysResult<Path> path, uint32_t mode) {
  if (!path) return std::unexpected(path.error());
  TRY(check_writable(*path));
  vfs::Attributes now = TRY(path->inode().attributes());
  if (!vfs::owns(task.creds, now)) return fail(EPERM);
  if (S_ISLNK(now.st_mode)) return fail(EOPNOTSUPP);
  vfs::AttributeChange change;
  change.mode = mode & 07777;
  if (!task.creds.in_group(now.st_gid) && !task.creds.has(CAP_FSETID)) *change.mode &= ~uint32_t{S_ISGID};
  TRY(path->inode().set_attributes(change));
  vfs::tell(*path, IN_ATTRIB);
  return 0;
}

Outcome change_owner(Task& task, SysResult<Path> path, uint32_t uid, uint32_t gid) {
  constexpr auto kKeep = static_cast<uint32_t>(-1);
  if (!path) return std::unexpected(path.error());
  TRY(check_writable(*path));
  if (uid != kKeep && !task.kernel.user_ids.contains(uid)) return fail(EINVAL);
  if (gid != kKeep && !task.kernel.group_ids.contains(gid)) return fail(EINVAL);
  vfs::Attributes now = TRY(path->inode().attributes());
  const vfs::Credentials& who = task.creds;
  if (!who.has(CAP_CHOWN)) {
    const bool is_owner = who.fsuid == now.st_uid;
    if (uid != kKeep && (!is_owner || uid != now.st_uid)) return fail(EPERM);
    if (gid != kKeep && (!is_owner || (gid != now.st_gid && !who.in_group(gid)))) return fail(EPERM);
  }
  vfs::AttributeChange change;
  if (uid != kKeep) change.uid = uid;
  if (gid != kKeep) change.gid = gid;
  // The new owner must not get the old one's rights.
  if (!S_ISDIR(now.st_mode) && (now.st_mode & (S_ISUID | S_ISGID)) && (change.uid || change.gid)) {
    change.mode = now.st_mode & 07777 & ~uint32_t{S_ISUID};
    if (now.st_mode & S_IXGRP) *change.mode &= ~uint32_t{S_ISGID};
  }
  TRY(path->inode().set_attributes(change));
  vfs::tell(*path, IN_ATTRIB);
  return 0;
}

Outcome change_times(Task& task, SysResult<Path> path, std::optional<timespec> atime, std::optional<timespec> mtime) {
  if (!path) return std::unexpected(path.error());
  for (auto* time : {&atime, &mtime}) {
    if (!*time || (*time)->tv_nsec == UTIME_NOW) continue;
    if ((*time)->tv_nsec == UTIME_OMIT) {
      time->reset();
    } else if ((*time)->tv_nsec < 0 || (*time)->tv_nsec > 999'999'999) {
      return fail(EINVAL);
    }
  }
  if (!atime && !mtime) return 0;
  TRY(check_writable(*path));
  vfs::Attributes now = TRY(path->inode().attributes());
  if (!vfs::owns(task.creds, now)) {
    const bool both_now = atime && mtime && atime->tv_nsec == UTIME_NOW && mtime->tv_nsec == UTIME_NOW;
    if (!both_now) return fail(EPERM);
    TRY(vfs::check_access(task.creds, *path, vfs::kMayWrite));
  }
  vfs::AttributeChange change;
  change.atime = atime;
  change.mtime = mtime;
  TRY(path->inode().set_attributes(change));
  vfs::tell(*path, atime && mtime ? IN_ATTRIB : atime ? IN_ACCESS : IN_MODIFY);
  return 0;
}

constexpr timespec kNow = {0, UTIME_NOW};

SysResult<std::pair<timespec, timespec>> two_times(Task& task, uint64_t address) {
  if (address == 0) return std::pair(kNow, kNow);
  struct Pair {
    timespec first, second;
  };
  auto pair = TRY(task.memory().read<Pair>(address));
  return std::pair(pair.first, pair.second);
}
SysResult<std::pair<timespec, timespec>> two_timevals(Task& task, uint64_t address) {
  if (address == 0) return std::pair(kNow, kNow);
  struct Pair {
    timeval first, second;
  };
  auto pair = TRY(task.memory().read<Pair>(address));
  for (const timeval& t : {pair.first, pair.second})
    if (t.tv_usec < 0 || t.tv_usec > 999'999) return fail(EINVAL);
  auto convert = [](const timeval& t) { return timespec{t.tv_sec, t.tv_usec * 1000}; };
  return std::pair(convert(pair.first), convert(pair.second));
}

Outcome write_statistics(Task& task, SysResult<Path> path, uint64_t address) {
  if (!path) return std::unexpected(path.error());
  struct statfs result = TRY(path->inode().filesystem_statistics());
  struct Flag {
    uint64_t mount;
    long shown;
  };
  constexpr Flag kFlags[] = {{MS_RDONLY, 1}, {MS_NOSUID, 2}, {MS_NODEV, 4}, {MS_NOEXEC, 8}, {MS_NOATIME, 1024}};
  constexpr long kValid = 0x20;  // ST_VALID
  result.f_flags = kValid;
  for (const Flag& flag : kFlags)
    if (path->flags() & flag.mount) result.f_flags |= flag.shown;
  TRY(task.memory().write(address, result));
  return 0;
}

// --- xattr(7)

constexpr size_t kMostName = 255, kMostValue = 65536;

SysResult<void> check_xattr(Task& task, const Path& path, const std::string& name, bool writes) {
  if (name.empty() || name.size() > kMostName) return fail(ERANGE);
  vfs::Attributes now = TRY(path.inode().attributes());
  if (writes) TRY(check_writable(path));
  if (name.starts_with("trusted.")) {
    if (!task.creds.has(CAP_SYS_ADMIN)) return fail(writes ? EPERM : ENODATA);
    return {};
  }
  if (name.starts_with("security.")) return writes && !task.creds.has(CAP_SYS_ADMIN) ? fail(EPERM) : SysResult<void>();
  if (name.starts_with("user.")) {
    if (!S_ISREG(now.st_mode) && !S_ISDIR(now.st_mode)) return fail(writes ? EPERM : ENODATA);
    return vfs::check_access(task.creds, path, writes ? vfs::kMayWrite : vfs::kMayRead);
  }
  if (name.starts_with("system.")) return {};
  return fail(EOPNOTSUPP);
}

SysResult<std::string> xattr_name(Task& task, uint64_t address) {
  SysResult<std::string> name = task.memory().read_string(address, kMostName + 1);
  if (!name && name.error().value == ENAMETOOLONG) return fail(ERANGE);
  return name;
}

Outcome give(Task& task, std::string_view value, uint64_t address, uint64_t size) {
  if (size == 0) return value.size();
  if (size < value.size()) return fail(ERANGE);
  TRY(task.memory().copy_out(address, value.data(), value.size()));
  return value.size();
}

Outcome get_xattr(Task& task, SysResult<Path> path, const Arguments& a) {
  if (!path) return std::unexpected(path.error());
  const std::string name = TRY(xattr_name(task, a[1]));
  TRY(check_xattr(task, *path, name, false));
  return give(task, TRY(path->inode().get_xattr(name)), a[2], a[3]);
}
Outcome set_xattr(Task& task, SysResult<Path> path, const Arguments& a) {
  if (!path) return std::unexpected(path.error());
  if (a.integer(4) & ~(XATTR_CREATE | XATTR_REPLACE)) return fail(EINVAL);
  const std::string name = TRY(xattr_name(task, a[1]));
  if (a[3] > kMostValue) return fail(E2BIG);
  TRY(check_xattr(task, *path, name, true));
  std::string value(a[3], '\0');
  TRY(task.memory().copy_in(a[2], value.data(), value.size()));
  TRY(path->inode().set_xattr(name, value, a.integer(4)));
  vfs::tell(*path, IN_ATTRIB);
  return 0;
}
Outcome list_xattrs(Task& task, SysResult<Path> path, const Arguments& a) {
  if (!path) return std::unexpected(path.error());
  std::string list;
  for (const std::string& name : TRY(path->inode().list_xattrs())) {
    if (name.starts_with("trusted.") && !task.creds.has(CAP_SYS_ADMIN)) continue;
    list.append(name).push_back('\0');
  }
  return give(task, list, a[1], a[2]);
}
Outcome remove_xattr(Task& task, SysResult<Path> path, const Arguments& a) {
  if (!path) return std::unexpected(path.error());
  const std::string name = TRY(xattr_name(task, a[1]));
  TRY(check_xattr(task, *path, name, true));
  TRY(path->inode().remove_xattr(name));
  vfs::tell(*path, IN_ATTRIB);
  return 0;
}

SysResult<Path> follow(Task& task, uint64_t address) {
  return locate(task, AT_FDCWD, address, 0);
}
SysResult<Path> no_follow(Task& task, uint64_t address) {
  return locate(task, AT_FDCWD, address, AT_SYMLINK_NOFOLLOW);
}

}  // namespace

Outcome sys_chmod(Task& task, const Arguments& a) {
  return change_mode(task, follow(task, a[0]), a.word(1));
}
Outcome sys_fchmod(Task& task, const Arguments& a) {
  return change_mode(task, path_of(task, a.fd(0)), a.word(1));
}
Outcome sys_fchmodat(Task& task, const Arguments& a) {
  return change_mode(task, locate(task, a.fd(0), a[1], 0), a.word(2));
}
Outcome sys_fchmodat2(Task& task, const Arguments& a) {
  if (a.integer(3) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return fail(EINVAL);
  return change_mode(task, locate(task, a.fd(0), a[1], a.integer(3)), a.word(2));
}
Outcome sys_chown(Task& task, const Arguments& a) {
  return change_owner(task, follow(task, a[0]), a.word(1), a.word(2));
}
Outcome sys_lchown(Task& task, const Arguments& a) {
  return change_owner(task, no_follow(task, a[0]), a.word(1), a.word(2));
}
Outcome sys_fchown(Task& task, const Arguments& a) {
  return change_owner(task, path_of(task, a.fd(0)), a.word(1), a.word(2));
}
Outcome sys_fchownat(Task& task, const Arguments& a) {
  if (a.integer(4) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return fail(EINVAL);
  return change_owner(task, locate(task, a.fd(0), a[1], a.integer(4)), a.word(2), a.word(3));
}
Outcome sys_utime(Task& task, const Arguments& a) {
  struct Times {
    int64_t atime, mtime;
  };
  if (a[1] == 0) return change_times(task, follow(task, a[0]), kNow, kNow);
  auto times = TRY(task.memory().read<Times>(a[1]));
  return change_times(task, follow(task, a[0]), timespec{times.atime, 0}, timespec{times.mtime, 0});
}
Outcome sys_utimes(Task& task, const Arguments& a) {
  auto [atime, mtime] = TRY(two_timevals(task, a[1]));
  return change_times(task, follow(task, a[0]), atime, mtime);
}
Outcome sys_futimesat(Task& task, const Arguments& a) {
  auto [atime, mtime] = TRY(two_timevals(task, a[2]));
  return change_times(task, a[1] == 0 ? path_of(task, a.fd(0)) : locate(task, a.fd(0), a[1], 0), atime, mtime);
}
Outcome sys_utimensat(Task& task, const Arguments& a) {
  if (a.integer(3) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return fail(EINVAL);
  auto [atime, mtime] = TRY(two_times(task, a[2]));
  // Then nobody looks whether it is there.
  if (atime.tv_nsec == UTIME_OMIT && mtime.tv_nsec == UTIME_OMIT) return 0;
  if (a[1] == 0 && a.fd(0) == AT_FDCWD) return fail(EFAULT);
  SysResult<Path> path = a[1] == 0 ? path_of(task, a.fd(0)) : locate(task, a.fd(0), a[1], a.integer(3));
  return change_times(task, std::move(path), atime, mtime);
}
Outcome sys_statfs(Task& task, const Arguments& a) {
  return write_statistics(task, follow(task, a[0]), a[1]);
}
Outcome sys_fstatfs(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get(a.fd(0)));
  return write_statistics(task, file->path, a[1]);
}
Outcome sys_getxattr(Task& task, const Arguments& a) {
  return get_xattr(task, follow(task, a[0]), a);
}
Outcome sys_lgetxattr(Task& task, const Arguments& a) {
  return get_xattr(task, no_follow(task, a[0]), a);
}
Outcome sys_fgetxattr(Task& task, const Arguments& a) {
  return get_xattr(task, path_of(task, a.fd(0)), a);
}
Outcome sys_setxattr(Task& task, const Arguments& a) {
  return set_xattr(task, follow(task, a[0]), a);
}
Outcome sys_lsetxattr(Task& task, const Arguments& a) {
  return set_xattr(task, no_follow(task, a[0]), a);
}
Outcome sys_fsetxattr(Task& task, const Arguments& a) {
  return set_xattr(task, path_of(task, a.fd(0)), a);
}
Outcome sys_listxattr(Task& task, const Arguments& a) {
  return list_xattrs(task, follow(task, a[0]), a);
}
Outcome sys_llistxattr(Task& task, const Arguments& a) {
  return list_xattrs(task, no_follow(task, a[0]), a);
}
Outcome sys_flistxattr(Task& task, const Arguments& a) {
  return list_xattrs(task, path_of(task, a.fd(0)), a);
}
Outcome sys_removexattr(Task& task, const Arguments& a) {
  return remove_xattr(task, follow(task, a[0]), a);
}
Outcome sys_lremovexattr(Task& task, const Arguments& a) {
  return remove_xattr(task, no_follow(task, a[0]), a);
}
Outcome sys_fremovexattr(Task& task, const Arguments& a) {
  return remove_xattr(task, path_of(task, a.fd(0)), a);
}

}  // namespace cella::sandbox::syscall
