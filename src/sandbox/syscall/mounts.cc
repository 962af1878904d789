// mount(2), umount2(2): in the mount namespace of the task, of which there is one for all.
#include <linux/capability.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/result.h"
#include "sandbox/fs/types.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::Task;
using vfs::MountPtr;
using vfs::Path;

namespace {

constexpr uint64_t kMagic = 0xc0ed0000, kMagicMask = 0xffff0000;
constexpr uint64_t kPropagation = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
// What a mount keeps.
constexpr uint64_t kKept = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME |
                           MS_STRICTATIME | MS_NOSYMFOLLOW | MS_SYNCHRONOUS;

bool is_mount_root(const Path& path) {
  return path.dentry == path.mount->root;
}

// Of a type or an option string: at most a page, and nothing is nothing.
SysResult<std::string> text_from(Task& task, uint64_t address) {
  if (address == 0) return std::string();
  return task.memory().read_string(address, mm::kPageSize);
}

// All mounts on `top`, and on those, parents first.
std::vector<MountPtr> below(const vfs::MountNamespace& mounts, const MountPtr& top) {
  std::vector<MountPtr> found = {top};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const MountPtr& mount : mounts.mounts())
      if (mount->parent == found[i]) found.push_back(mount);
  }
  found.erase(found.begin());
  return found;
}

bool is_within(const vfs::DentryPtr& what, const vfs::DentryPtr& directory) {
  for (vfs::DentryPtr at = what; at != nullptr; at = at->parent)
    if (at == directory) return true;
  return false;
}

Outcome bind(Task& task, const Path& source, const Path& target, bool recursive) {
  if (source.mount->flags & MS_UNBINDABLE) return fail(EINVAL);
  if (source.inode().has_type(S_IFDIR) != target.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  vfs::MountNamespace& mounts = *task.fs->position.mounts;
  const vfs::Mount& from = *source.mount;
  MountPtr top = mounts.mount(target, source.dentry, from.type, from.source, from.flags, from.options);
  if (!recursive) return 0;
  std::map<MountPtr, MountPtr> copies = {{source.mount, top}};
  for (const MountPtr& mount : below(mounts, source.mount)) {
    auto parent = copies.find(mount->parent);
    if (mount == top || parent == copies.end() || (mount->flags & MS_UNBINDABLE)) continue;
    if (mount->parent == source.mount && !is_within(mount->point, source.dentry)) continue;
    copies[mount] = mounts.mount({parent->second, mount->point}, mount->root, mount->type, mount->source, mount->flags,
                                 mount->options);
  }
  return 0;
}

Outcome move(Task& task, const Path& source, const Path& target) {
  if (!is_mount_root(source) || source.mount->parent == nullptr) return fail(EINVAL);
  if (source.inode().has_type(S_IFDIR) != target.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  for (MountPtr at = target.mount; at != nullptr; at = at->parent)
    if (at == source.mount) return fail(ELOOP);
  task.fs->position.mounts->move(source.mount, target);
  return 0;
}

}  // namespace

Outcome sys_mount(Task& task, const Arguments& a) {
  uint64_t flags = a[3];
  if ((flags & kMagicMask) == kMagic) flags &= ~kMagicMask;
  const std::string type = TRY(text_from(task, a[2]))
  , source = TRY(text_from(task, a[0]));
  const std::string options = TRY(text_from(task, a[4]));
  const Path target = TRY(locate(task, AT_FDCWD, a[1], 0));
  if (!task.creds.has(CAP_SYS_ADMIN)) return fail(EPERM);
  if (flags & MS_REMOUNT) {
    if (!is_mount_root(target)) return fail(EINVAL);
    target.mount->flags = (flags & kKept) | (target.mount->flags & MS_UNBINDABLE);
    return 0;
  }
  if (flags & MS_BIND) {
    if (source.empty()) return fail(ENOENT);
    return bind(task, TRY(locate(task, AT_FDCWD, a[0], 0)), target, flags & MS_REC);
  }
  if (flags & kPropagation) {
    // Nothing is propagated: there is no other namespace that would see it. But what is unbindable is so here too.
    const uint64_t kind = flags & kPropagation;
    const vfs::MountNamespace& mounts = *task.fs->position.mounts;
    if ((kind & (kind - 1)) || (flags & ~(kPropagation | MS_REC | MS_SILENT))) return fail(EINVAL);
    if (!is_mount_root(target)) return fail(EINVAL);
    std::vector<MountPtr> changed = {target.mount};
    if (flags & MS_REC) std::ranges::copy(below(mounts, target.mount), std::back_inserter(changed));
    for (const MountPtr& mount : changed)
      mount->flags = (mount->flags & ~uint64_t{MS_UNBINDABLE}) | (kind & MS_UNBINDABLE);
    return 0;
  }
  if (flags & MS_MOVE) {
    if (source.empty()) return fail(ENOENT);
    return move(task, TRY(locate(task, AT_FDCWD, a[0], 0)), target);
  }
  if (type.empty()) return fail(EINVAL);
  vfs::DentryPtr root = TRY(fs::make_filesystem(task.kernel, type, options));
  if (!target.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  task.fs->position.mounts->mount(target, std::move(root), type, source.empty() ? "none" : source, flags & kKept,
                                  options);
  return 0;
}

Outcome sys_umount2(Task& task, const Arguments& a) {
  const int flags = a.integer(1);
  if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) return fail(EINVAL);
  if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH))) return fail(EINVAL);
  if (!task.creds.has(CAP_SYS_ADMIN)) return fail(EPERM);
  Path path = TRY(locate(task, AT_FDCWD, a[0], flags & UMOUNT_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0));
  if (!is_mount_root(path) || path.mount->parent == nullptr) return fail(EINVAL);
  vfs::MountNamespace& mounts = *task.fs->position.mounts;
  if (flags & MNT_DETACH) {
    std::vector<MountPtr> all = below(mounts, path.mount);
    for (auto mount = all.rbegin(); mount != all.rend(); ++mount) TRY(mounts.unmount({*mount, (*mount)->root}));
  } else if (path.mount.use_count() > 2) {
    return fail(EBUSY);  // besides the namespace and us, somebody works in it
  }
  TRY(mounts.unmount(path));
  return 0;
}

}  // namespace cella::sandbox::syscall
