// Names: what makes, finds, removes and renames files.
#include <dirent.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstddef>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/vfs/permission.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::syscall {

using task::Task;
using vfs::Path;

SysResult<std::string> path_from(Task& task, uint64_t address) {
  return task.memory().read_string(address, PATH_MAX);
}

SysResult<Path> start_of(Task& task, int fd, std::string_view path) {
  if (fd == AT_FDCWD || path.starts_with('/')) return task.fs->position.cwd;
  vfs::FilePtr file = TRY(task.files->get(fd));
  return file->path;
}

SysResult<Path> locate(Task& task, int fd, uint64_t address, int flags) {
  return locate(task, fd, TRY(path_from(task, address)), flags);
}
SysResult<Path> locate(Task& task, int fd, const std::string& path, int flags) {
  vfs::WalkOptions options;
  options.follow = !(flags & AT_SYMLINK_NOFOLLOW);
  options.allow_empty = flags & AT_EMPTY_PATH;
  Path start = TRY(start_of(task, fd, path));
  return vfs::resolve(task, task.fs->position, start, path, options);
}

namespace {

// EROFS, and the right to change the directory.
SysResult<void> check_change(Task& task, const Path& directory) {
  return vfs::check_access(task.creds, directory, vfs::kMayWrite | vfs::kMayExecute);
}

// Said before anybody looks for what is to be removed.
SysResult<void> check_writable(const Path& path) {
  return path.flags() & MS_RDONLY ? SysResult<void>(fail(EROFS)) : SysResult<void>();
}

bool is_special_name(const std::string& name) {
  return name.empty() || name == "." || name == "..";
}

// The directory for a new entry, which must not be there yet.
SysResult<vfs::Parent> parent_for_new(Task& task, int fd, uint64_t address) {
  const std::string path = TRY(path_from(task, address));
  Path start = TRY(start_of(task, fd, path));
  vfs::Parent parent = TRY(vfs::resolve_parent(task, task.fs->position, start, path));
  if (is_special_name(parent.name)) return fail(EEXIST);
  SysResult<Path> there = vfs::entry_of(task.fs->position, parent);
  if (there) return fail(EEXIST);
  if (there.error().value != ENOENT) return std::unexpected(there.error());
  TRY(check_change(task, parent.directory));
  return parent;
}

SysResult<Path> create(Task& task, const vfs::Parent& parent, uint32_t mode, uint64_t device = 0) {
  vfs::NewFile file = TRY(vfs::new_file_in(task, parent.directory, parent.name, mode));
  file.device = device;
  vfs::InodePtr inode = TRY(parent.directory.inode().create(file));
  return Path{parent.directory.mount, vfs::add_child(parent.directory.dentry, parent.name, std::move(inode))};
}

// The same, and it is told.
SysResult<Path> create_and_tell(Task& task, const vfs::Parent& parent, uint32_t mode, uint64_t device = 0) {
  Path made = TRY(create(task, parent, mode, device));
  vfs::tell_entry(parent.directory.inode(), IN_CREATE, parent.name, S_ISDIR(mode));
  return made;
}

constexpr int kKnownOpenFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |
                                O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC |
                                O_PATH | O_TMPFILE | 0100000 /* O_LARGEFILE of the kernel */;

SysResult<void> check_open(Task& task, const Path& path, int flags, bool created) {
  vfs::Attributes attributes = TRY(path.inode().attributes());
  if (S_ISLNK(attributes.st_mode) && !(flags & O_PATH)) return fail(ELOOP);
  if ((flags & O_DIRECTORY) && !S_ISDIR(attributes.st_mode)) return fail(ENOTDIR);
  if (flags & O_PATH) return {};
  const int access = flags & O_ACCMODE;
  const bool writes = access != O_RDONLY || (flags & O_TRUNC);
  if (S_ISDIR(attributes.st_mode) && writes) return fail(EISDIR);
  if ((S_ISCHR(attributes.st_mode) || S_ISBLK(attributes.st_mode)) && (path.flags() & MS_NODEV)) {
    return fail(EACCES);
  }
  if (writes && !path.inode().execution.expired()) return fail(ETXTBSY);
  if (created) return {};
  int wanted = access == O_WRONLY ? 0 : vfs::kMayRead;
  if (writes) wanted |= vfs::kMayWrite;
  if (writes || !path.inode().always_readable(task)) TRY(vfs::check_access(task.creds, path, wanted));
  if ((flags & O_NOATIME) && !vfs::owns(task.creds, attributes)) return fail(EPERM);
  return {};
}

SysResult<Path> find_or_create(Task& task, int fd, const std::string& path, int flags, uint32_t mode, bool& created) {
  const vfs::Position& position = task.fs->position;
  Path start = TRY(start_of(task, fd, path));
  if (!(flags & O_CREAT) || (flags & O_PATH)) {
    vfs::WalkOptions options;
    options.follow = !(flags & O_NOFOLLOW);
    return vfs::resolve(task, position, start, path, options);
  }
  vfs::Parent parent = TRY(vfs::resolve_parent(task, position, start, path));
  for (int links = 0;;) {
    if (is_special_name(parent.name)) return fail(flags & O_EXCL ? EEXIST : EISDIR);
    SysResult<Path> there = vfs::entry_of(position, parent);
    if (!there) {
      if (there.error().value != ENOENT) return there;
      if (parent.wants_directory) return fail(EISDIR);
      TRY(check_change(task, parent.directory));
      created = true;
      return create_and_tell(task, parent, S_IFREG | (mode & 07777));
    }
    if (flags & O_EXCL) return fail(EEXIST);
    if (there->inode().has_type(S_IFDIR)) return fail(EISDIR);
    if (!there->inode().has_type(S_IFLNK) || (flags & O_NOFOLLOW)) return there;
    if (std::optional<Path> place = TRY(there->inode().follow(task))) return *place;
    parent = TRY(vfs::follow_parent(task, position, parent, *there, links));
  }
}

SysResult<Path> temporary(Task& task, int fd, const std::string& path, int flags, uint32_t mode) {
  Path start = TRY(start_of(task, fd, path));
  Path directory = TRY(vfs::resolve(task, task.fs->position, start, path));
  if (!directory.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  TRY(check_change(task, directory));
  // A file that has lost its name at once.
  static uint64_t number = 0;
  vfs::Parent parent;
  parent.directory = directory;
  parent.name = fmt::format("#{}", ++number);
  Path made = TRY(create(task, parent, S_IFREG | (mode & 07777)));
  TRY(directory.inode().unlink(parent.name, false));
  vfs::forget_child(directory.dentry, parent.name);
  made.inode().is_temporary = !(flags & O_EXCL);
  return made;
}

// Stands for the file without being one, open(2) O_PATH.
class PathFile final : public vfs::File {
 public:
  using File::File;
};

Outcome open_path(Task& task, int fd, uint64_t address, int flags, uint32_t mode) {
  const std::string path = TRY(path_from(task, address));
  flags &= kKnownOpenFlags;
  bool created = false;
  Path found;
  if ((flags & O_TMPFILE) != O_TMPFILE && (flags & O_CREAT) && (flags & O_DIRECTORY) && !(flags & O_PATH))
    return fail(EINVAL);
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    if ((flags & O_ACCMODE) == O_RDONLY) return fail(EINVAL);
    found = TRY(temporary(task, fd, path, flags, mode));
    created = true;
    flags &= ~O_TMPFILE;
  } else {
    found = TRY(find_or_create(task, fd, path, flags, mode, created));
  }
  TRY(check_open(task, found, flags, created));
  const uint64_t limit = task.group->limit(RLIMIT_NOFILE);
  vfs::FilePtr file;
  if (flags & O_PATH) {
    file = std::make_shared<PathFile>(found, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
  } else {
    const int status = flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
    file = TRY(found.inode().open(task, found, status));
    file->flags &= ~O_NOCTTY;
    if ((flags & O_TRUNC) && !created && found.inode().has_type(S_IFREG)) {
      vfs::AttributeChange change;
      change.size = 0;
      TRY(found.inode().set_attributes(change));
      vfs::tell(found, IN_MODIFY);
    }
    // What it is opened through may be another file's name: /dev/tty, /proc/self/fd.
    if (file->path.dentry == found.dentry) file->announce();
  }
  return static_cast<uint64_t>(TRY(task.files->add(std::move(file), flags & O_CLOEXEC, limit)));
}

// --- stat

SysResult<vfs::Attributes> attributes_at(Task& task, int fd, uint64_t address, int flags) {
  if (flags & AT_EMPTY_PATH) {
    const std::string path = address != 0 ? TRY(path_from(task, address)) : std::string();
    if (path.empty()) {
      if (fd == AT_FDCWD) return task.fs->position.cwd.inode().attributes();
      return TRY(task.files->get(fd))
      ->attributes();
    }
  }
  Path path = TRY(locate(task, fd, address, flags));
  return path.inode().attributes();
}

Outcome write_attributes(Task& task, SysResult<vfs::Attributes> attributes, uint64_t address) {
  if (!attributes) return std::unexpected(attributes.error());
  TRY(task.memory().write(address, *attributes));
  return 0;
}

SysResult<void> check_access_of(Task& task, const Path& path, int mode, bool effective) {
  if (mode & ~7) return fail(EINVAL);
  if (mode == F_OK) return {};
  vfs::Credentials who = task.creds;
  if (!effective) {
    // access(2) asks for the real user, who has root's rights when it is root.
    who.fsuid = who.uid;
    who.fsgid = who.gid;
    who.effective = who.uid == 0 ? who.permitted : 0;
  }
  if ((mode & X_OK) && (path.flags() & MS_NOEXEC) && path.inode().has_type(S_IFREG)) return fail(EACCES);
  return vfs::check_access(who, path, mode);
}

Outcome access_at(Task& task, int fd, uint64_t address, int mode, int flags) {
  if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return fail(EINVAL);
  Path path = TRY(locate(task, fd, address, flags));
  TRY(check_access_of(task, path, mode, flags & AT_EACCESS));
  return 0;
}

// --- removing and renaming

Outcome remove_at(Task& task, int fd, uint64_t address, bool directory) {
  const std::string path = TRY(path_from(task, address));
  Path start = TRY(start_of(task, fd, path));
  vfs::Parent parent = TRY(vfs::resolve_parent(task, task.fs->position, start, path));
  if (parent.name.empty()) return fail(directory ? EBUSY : EISDIR);
  if (parent.name == ".") return fail(directory ? EINVAL : EISDIR);
  if (parent.name == "..") return fail(directory ? ENOTEMPTY : EISDIR);
  TRY(check_writable(parent.directory));
  Path victim = TRY(vfs::entry_of(task.fs->position, parent));
  vfs::Attributes attributes = TRY(victim.inode().attributes());
  TRY(vfs::check_delete(task.creds, parent.directory, attributes));
  if (directory && !S_ISDIR(attributes.st_mode)) return fail(ENOTDIR);
  if (!directory && S_ISDIR(attributes.st_mode)) return fail(EISDIR);
  if (!directory && parent.wants_directory) return fail(ENOTDIR);
  if (victim.dentry == victim.mount->root) return fail(EBUSY);
  TRY(parent.directory.inode().unlink(parent.name, directory));
  vfs::forget_child(parent.directory.dentry, parent.name);
  if (!directory) vfs::tell_inode(victim.inode(), IN_ATTRIB);  // its number of links
  vfs::tell_unlinked(victim.inode());
  vfs::tell_entry(parent.directory.inode(), IN_DELETE, parent.name, directory);
  return 0;
}

bool is_inside(const vfs::DentryPtr& what, const vfs::DentryPtr& directory) {
  for (vfs::DentryPtr at = what; at != nullptr; at = at->parent)
    if (at == directory) return true;
  return false;
}

void tell_moved(const vfs::Parent& from, const vfs::Parent& to, const Path& moved) {
  static uint32_t last_cookie = 0;
  const uint32_t cookie = ++last_cookie;
  const bool is_directory = moved.inode().has_type(S_IFDIR);
  vfs::tell_entry(from.directory.inode(), IN_MOVED_FROM, from.name, is_directory, cookie);
  vfs::tell_entry(to.directory.inode(), IN_MOVED_TO, to.name, is_directory, cookie);
  vfs::tell_inode(moved.inode(), IN_MOVE_SELF);
}

Outcome rename_at(Task& task, int fd, uint64_t address, int new_fd, uint64_t new_address, unsigned flags) {
  constexpr unsigned kNoReplace = 1, kExchange = 2;
  if (flags & ~(kNoReplace | kExchange) || flags == (kNoReplace | kExchange)) return fail(EINVAL);
  const vfs::Position& position = task.fs->position;
  const std::string path = TRY(path_from(task, address))
  , new_path = TRY(path_from(task, new_address));
  Path start = TRY(start_of(task, fd, path))
  , new_start = TRY(start_of(task, new_fd, new_path));
  vfs::Parent from = TRY(vfs::resolve_parent(task, position, start, path));
  vfs::Parent to = TRY(vfs::resolve_parent(task, position, new_start, new_path));
  if (is_special_name(from.name) || is_special_name(to.name)) return fail(EBUSY);
  if (from.directory.mount != to.directory.mount) return fail(EXDEV);
  TRY(check_writable(from.directory));
  Path moved = TRY(vfs::entry_of(position, from));
  vfs::Attributes attributes = TRY(moved.inode().attributes());
  TRY(vfs::check_delete(task.creds, from.directory, attributes));
  if ((from.wants_directory || to.wants_directory) && !S_ISDIR(attributes.st_mode)) return fail(ENOTDIR);
  if (moved.dentry == moved.mount->root) return fail(EBUSY);
  if (is_inside(to.directory.dentry, moved.dentry)) return fail(EINVAL);
  SysResult<Path> other = vfs::entry_of(position, to);
  if (other) {
    if (flags & kNoReplace) return fail(EEXIST);
    if (other->dentry == moved.dentry) return 0;
    if (other->dentry == other->mount->root) return fail(EBUSY);
    vfs::Attributes victim = TRY(other->inode().attributes());
    TRY(vfs::check_delete(task.creds, to.directory, victim));
    if (is_inside(from.directory.dentry, other->dentry)) return fail(ENOTEMPTY);
  } else {
    if (other.error().value != ENOENT) return std::unexpected(other.error());
    if (flags & kExchange) return fail(ENOENT);
    TRY(check_change(task, to.directory));
  }
  TRY(from.directory.inode().rename(from.name, to.directory.inode(), to.name, flags));
  vfs::move_child(from.directory.dentry, from.name, to.directory.dentry, to.name, flags & kExchange);
  tell_moved(from, to, moved);
  if (other && (flags & kExchange)) {
    tell_moved(to, from, *other);
  } else if (other) {
    vfs::tell_inode(other->inode(), IN_ATTRIB);
    vfs::tell_unlinked(other->inode());
  }
  return 0;
}

Outcome link_at(Task& task, int fd, uint64_t address, int new_fd, uint64_t new_address, int flags) {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return fail(EINVAL);
  const int walk = (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) | (flags & AT_EMPTY_PATH);
  Path target = TRY(locate(task, fd, address, walk));
  vfs::Parent parent = TRY(parent_for_new(task, new_fd, new_address));
  if (target.mount != parent.directory.mount) return fail(EXDEV);
  if (target.inode().has_type(S_IFDIR)) return fail(EPERM);
  const vfs::Attributes now = TRY(target.inode().attributes());
  if (now.st_nlink == 0 && !target.inode().is_temporary) return fail(ENOENT);
  TRY(parent.directory.inode().link(parent.name, target.inode()));
  vfs::tell_inode(target.inode(), IN_ATTRIB);
  vfs::tell_entry(parent.directory.inode(), IN_CREATE, parent.name, false);
  return 0;
}

Outcome symlink_at(Task& task, uint64_t target_address, int fd, uint64_t address) {
  const std::string target = TRY(path_from(task, target_address));
  if (target.empty()) return fail(ENOENT);
  vfs::Parent parent = TRY(parent_for_new(task, fd, address));
  if (parent.wants_directory) return fail(ENOENT);
  vfs::NewFile file = TRY(vfs::new_file_in(task, parent.directory, parent.name, S_IFLNK | 0777));
  vfs::InodePtr inode = TRY(parent.directory.inode().symlink(file, target));
  vfs::add_child(parent.directory.dentry, parent.name, std::move(inode));
  vfs::tell_entry(parent.directory.inode(), IN_CREATE, parent.name, false);
  return 0;
}

Outcome read_link_at(Task& task, int fd, uint64_t address, uint64_t buffer, int size) {
  if (size <= 0) return fail(EINVAL);
  const std::string name = TRY(path_from(task, address));
  Path path = TRY(locate(task, fd, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
  if (name.empty() && !path.inode().has_type(S_IFLNK)) return fail(ENOENT);
  const std::string text = TRY(path.inode().read_link(task));
  const size_t length = std::min<size_t>(text.size(), static_cast<size_t>(size));
  TRY(task.memory().copy_out(buffer, text.data(), length));
  return length;
}

Outcome make_directory_at(Task& task, int fd, uint64_t address, uint32_t mode) {
  vfs::Parent parent = TRY(parent_for_new(task, fd, address));
  TRY(create_and_tell(task, parent, S_IFDIR | (mode & 01777)));
  return 0;
}

Outcome make_node_at(Task& task, int fd, uint64_t address, uint32_t mode, uint64_t device) {
  switch (mode & S_IFMT) {
    case 0:
      mode |= S_IFREG;
      break;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
      break;
    case S_IFCHR:
    case S_IFBLK: {
      constexpr int kMknod = 27;  // CAP_MKNOD
      if (!task.creds.has(kMknod)) return fail(EPERM);
      break;
    }
    case S_IFDIR:
      return fail(EPERM);
    default:
      return fail(EINVAL);
  }
  vfs::Parent parent = TRY(parent_for_new(task, fd, address));
  if (parent.wants_directory) return fail(ENOENT);
  // A device's number comes as the kernel has it: 12 bits of major, 20 of minor.
  const uint64_t number = makedev(device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00));
  TRY(create_and_tell(task, parent, mode, S_ISCHR(mode) || S_ISBLK(mode) ? number : 0));
  return 0;
}

}  // namespace

Outcome sys_open(Task& task, const Arguments& a) {
  return open_path(task, AT_FDCWD, a[0], a.integer(1), a.word(2));
}
Outcome sys_openat(Task& task, const Arguments& a) {
  return open_path(task, a.fd(0), a[1], a.integer(2), a.word(3));
}
Outcome sys_creat(Task& task, const Arguments& a) {
  return open_path(task, AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, a.word(1));
}

Outcome sys_stat(Task& task, const Arguments& a) {
  return write_attributes(task, attributes_at(task, AT_FDCWD, a[0], 0), a[1]);
}
Outcome sys_lstat(Task& task, const Arguments& a) {
  return write_attributes(task, attributes_at(task, AT_FDCWD, a[0], AT_SYMLINK_NOFOLLOW), a[1]);
}
Outcome sys_fstat(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get(a.fd(0)));
  return write_attributes(task, file->attributes(), a[1]);
}
Outcome sys_newfstatat(Task& task, const Arguments& a) {
  const int flags = a.integer(3);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)) return fail(EINVAL);
  return write_attributes(task, attributes_at(task, a.fd(0), a[1], flags), a[2]);
}
Outcome sys_statx(Task& task, const Arguments& a) {
  constexpr int kSync = 0x6000;  // AT_STATX_SYNC_TYPE: both bits together mean nothing
  const int flags = a.integer(2);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | kSync)) return fail(EINVAL);
  if ((flags & kSync) == kSync || (a.word(3) & STATX__RESERVED)) return fail(EINVAL);
  vfs::Attributes s = TRY(attributes_at(task, a.fd(0), a[1], flags));
  struct statx result = {};
  result.stx_mask = STATX_BASIC_STATS;
  result.stx_blksize = static_cast<uint32_t>(s.st_blksize);
  result.stx_nlink = static_cast<uint32_t>(s.st_nlink);
  result.stx_uid = s.st_uid;
  result.stx_gid = s.st_gid;
  result.stx_mode = static_cast<uint16_t>(s.st_mode);
  result.stx_ino = s.st_ino;
  result.stx_size = static_cast<uint64_t>(s.st_size);
  result.stx_blocks = static_cast<uint64_t>(s.st_blocks);
  auto time = [](const timespec& t) {
    struct statx_timestamp stamp = {};
    stamp.tv_sec = t.tv_sec;
    stamp.tv_nsec = static_cast<uint32_t>(t.tv_nsec);
    return stamp;
  };
  result.stx_atime = time(s.st_atim);
  result.stx_mtime = time(s.st_mtim);
  result.stx_ctime = time(s.st_ctim);
  result.stx_rdev_major = major(s.st_rdev);
  result.stx_rdev_minor = minor(s.st_rdev);
  result.stx_dev_major = major(s.st_dev);
  result.stx_dev_minor = minor(s.st_dev);
  TRY(task.memory().write(a[4], result));
  return 0;
}

Outcome sys_access(Task& task, const Arguments& a) {
  return access_at(task, AT_FDCWD, a[0], a.integer(1), 0);
}
Outcome sys_faccessat(Task& task, const Arguments& a) {
  return access_at(task, a.fd(0), a[1], a.integer(2), 0);
}
Outcome sys_faccessat2(Task& task, const Arguments& a) {
  return access_at(task, a.fd(0), a[1], a.integer(2), a.integer(3));
}

namespace {

// How getdents64(2) and getdents(2) lay an entry out: `size` bytes of it, header and all, in multiples of 8.
size_t dirent64_size(size_t name) {
  return (offsetof(dirent64, d_name) + name + 1 + 7) & ~size_t{7};
}
void put_dirent64(char* at, size_t size, const vfs::File::Entry& entry) {
  dirent64 head = {};
  head.d_ino = entry.inode;
  head.d_off = static_cast<off_t>(entry.cookie);
  head.d_reclen = static_cast<unsigned short>(size);
  head.d_type = entry.type;
  std::memcpy(at, &head, offsetof(dirent64, d_name));
  std::memcpy(at + offsetof(dirent64, d_name), entry.name.data(), entry.name.size());
}
// The old one has the type behind the name, in its last byte.
struct OldDirent {
  uint64_t inode, offset;
  uint16_t size;
  char name[6];
};
size_t old_dirent_size(size_t name) {
  return (offsetof(OldDirent, name) + name + 2 + 7) & ~size_t{7};
}
void put_old_dirent(char* at, size_t size, const vfs::File::Entry& entry) {
  OldDirent head = {entry.inode, entry.cookie, static_cast<uint16_t>(size), {}};
  std::memcpy(at, &head, offsetof(OldDirent, name));
  std::memcpy(at + offsetof(OldDirent, name), entry.name.data(), entry.name.size());
  at[size - 1] = static_cast<char>(entry.type);
}

Outcome list_directory(Task& task, const Arguments& a, size_t (*size_of)(size_t),
                       void (*put)(char*, size_t, const vfs::File::Entry&)) {
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  if (!file->path.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  auto& directory = static_cast<vfs::DirectoryFile&>(*file);
  if (directory.path.dentry->unlinked) return fail(ENOENT);
  std::vector<char> buffer;
  bool too_small = false;
  uint64_t position = directory.position_;
  TRY(file->read_directory(task, position, [&](const vfs::File::Entry& entry) {
    const size_t size = size_of(entry.name.size()), at = buffer.size();
    if (at + size > a.word(2)) {
      too_small = buffer.empty();
      return false;
    }
    buffer.resize(at + size);
    put(&buffer[at], size, entry);
    position = entry.cookie;
    return true;
  }));
  if (too_small) return fail(EINVAL);
  TRY(task.memory().copy_out(a[1], buffer.data(), buffer.size()));
  directory.position_ = position;
  vfs::tell(directory.path, IN_ACCESS);
  return buffer.size();
}

}  // namespace

Outcome sys_getdents64(Task& task, const Arguments& a) {
  return list_directory(task, a, dirent64_size, put_dirent64);
}
Outcome sys_getdents(Task& task, const Arguments& a) {
  return list_directory(task, a, old_dirent_size, put_old_dirent);
}

Outcome sys_chdir(Task& task, const Arguments& a) {
  Path path = TRY(locate(task, AT_FDCWD, a[0], 0));
  if (!path.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  TRY(vfs::check_access(task.creds, path, vfs::kMayExecute));
  task.fs->position.cwd = path;
  return 0;
}
Outcome sys_fchdir(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get(a.fd(0)));
  if (!file->path.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  TRY(vfs::check_access(task.creds, file->path, vfs::kMayExecute));
  task.fs->position.cwd = file->path;
  return 0;
}
Outcome sys_chroot(Task& task, const Arguments& a) {
  constexpr int kSysChroot = 18;  // CAP_SYS_CHROOT
  Path path = TRY(locate(task, AT_FDCWD, a[0], 0));
  if (!path.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  if (!task.creds.has(kSysChroot)) return fail(EPERM);
  task.fs->position.root = path;
  return 0;
}
Outcome sys_getcwd(Task& task, const Arguments& a) {
  const vfs::Position& position = task.fs->position;
  if (position.cwd.dentry->unlinked) return fail(ENOENT);
  const std::string text = vfs::path_text(position.cwd, position.mounts->covering(position.root));
  if (text.size() + 1 > a[1]) return fail(ERANGE);
  TRY(task.memory().copy_out(a[0], text.c_str(), text.size() + 1));
  return text.size() + 1;
}

Outcome sys_mkdir(Task& task, const Arguments& a) {
  return make_directory_at(task, AT_FDCWD, a[0], a.word(1));
}
Outcome sys_mkdirat(Task& task, const Arguments& a) {
  return make_directory_at(task, a.fd(0), a[1], a.word(2));
}
Outcome sys_rmdir(Task& task, const Arguments& a) {
  return remove_at(task, AT_FDCWD, a[0], true);
}
Outcome sys_unlink(Task& task, const Arguments& a) {
  return remove_at(task, AT_FDCWD, a[0], false);
}
Outcome sys_unlinkat(Task& task, const Arguments& a) {
  if (a.integer(2) & ~AT_REMOVEDIR) return fail(EINVAL);
  return remove_at(task, a.fd(0), a[1], a.integer(2) & AT_REMOVEDIR);
}
Outcome sys_rename(Task& task, const Arguments& a) {
  return rename_at(task, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}
Outcome sys_renameat(Task& task, const Arguments& a) {
  return rename_at(task, a.fd(0), a[1], a.fd(2), a[3], 0);
}
Outcome sys_renameat2(Task& task, const Arguments& a) {
  return rename_at(task, a.fd(0), a[1], a.fd(2), a[3], a.word(4));
}
Outcome sys_link(Task& task, const Arguments& a) {
  return link_at(task, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}
Outcome sys_linkat(Task& task, const Arguments& a) {
  return link_at(task, a.fd(0), a[1], a.fd(2), a[3], a.integer(4));
}
Outcome sys_symlink(Task& task, const Arguments& a) {
  return symlink_at(task, a[0], AT_FDCWD, a[1]);
}
Outcome sys_symlinkat(Task& task, const Arguments& a) {
  return symlink_at(task, a[0], a.fd(1), a[2]);
}
Outcome sys_readlink(Task& task, const Arguments& a) {
  return read_link_at(task, AT_FDCWD, a[0], a[1], a.integer(2));
}
Outcome sys_readlinkat(Task& task, const Arguments& a) {
  return read_link_at(task, a.fd(0), a[1], a[2], a.integer(3));
}
Outcome sys_mknod(Task& task, const Arguments& a) {
  return make_node_at(task, AT_FDCWD, a[0], a.word(1), a[2]);
}
Outcome sys_mknodat(Task& task, const Arguments& a) {
  return make_node_at(task, a.fd(0), a[1], a.word(2), a[3]);
}
Outcome sys_umask(Task& task, const Arguments& a) {
  return std::exchange(task.fs->umask, a.word(0) & 0777);
}
Outcome sys_truncate(Task& task, const Arguments& a) {
  if (a.offset(1) < 0) return fail(EINVAL);
  Path path = TRY(locate(task, AT_FDCWD, a[0], 0));
  if (path.inode().has_type(S_IFDIR)) return fail(EISDIR);
  if (!path.inode().has_type(S_IFREG)) return fail(EINVAL);
  TRY(vfs::check_access(task.creds, path, vfs::kMayWrite));
  if (!path.inode().execution.expired()) return fail(ETXTBSY);
  if (a[1] > task.file_size_limit()) {
    task.send_signal_to_self(SIGXFSZ);
    return fail(EFBIG);
  }
  vfs::AttributeChange change;
  change.size = a[1];
  TRY(path.inode().set_attributes(change));
  vfs::tell(path, IN_MODIFY);
  return 0;
}

}  // namespace cella::sandbox::syscall
