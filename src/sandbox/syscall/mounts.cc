// mount(2), umount2(2): in the mount namespace of the task, of which there is one for all.
#include <linux/capability.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/result.h"
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

Outcome bind(Task& task, const Path& source, const Path& target, bool recursive) {
  if (source.mount->flags & MS_UNBINDABLE) return fail(EINVAL);
  if (source.inode().has_type(S_IFDIR) != target.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  vfs::MountNamespace& mounts = *task.fs->position.mounts;
  // What is there now, before anything is added to it.
  const std::vector<MountPtr> others = mounts.below(source.mount);
  MountPtr top = mounts.bind(target, *source.mount, source.dentry);
  if (!recursive) return 0;
  std::map<MountPtr, MountPtr> copies = {{source.mount, top}};
  for (const MountPtr& mount : others) {
    auto parent = copies.find(mount->parent);
    if (parent == copies.end() || (mount->flags & MS_UNBINDABLE)) continue;
    if (mount->parent == source.mount && !vfs::is_within(mount->point, source.dentry)) continue;
    copies[mount] = mounts.bind({parent->second, mount->point}, *mount, mount->root);
  }
  return 0;
}

Outcome move(Task& task, const Path& source, const Path& target) {
  if (!is_mount_root(source) || source.mount->parent == nullptr) return fail(EINVAL);
  if (source.inode().has_type(S_IFDIR) != target.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  for (MountPtr at = target.mount; at != nullptr; at = at->parent)
    if (at == source.mount) return fail(ELOOP);
  TRY(task.fs->position.mounts->move(source.mount, target));
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
  constexpr size_t kMostMounts = 100'000;  // fs.mount-max
  if (task.fs->position.mounts->mounts().size() >= kMostMounts) return fail(ENOSPC);
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
    const uint64_t kind = flags & kPropagation;
    if ((kind & (kind - 1)) || (flags & ~(kPropagation | MS_REC | MS_SILENT))) return fail(EINVAL);
    if (!is_mount_root(target)) return fail(EINVAL);
    vfs::MountNamespace& mounts = *task.fs->position.mounts;
    std::vector<MountPtr> changed = {target.mount};
    if (flags & MS_REC) std::ranges::copy(mounts.below(target.mount), std::back_inserter(changed));
    for (const MountPtr& mount : changed) mounts.set_propagation(*mount, kind);
    return 0;
  }
  if (flags & MS_MOVE) {
    if (source.empty()) return fail(ENOENT);
    return move(task, TRY(locate(task, AT_FDCWD, a[0], 0)), target);
  }
  if (type.empty()) return fail(EINVAL);
  vfs::DentryPtr root = TRY(task.kernel.make_filesystem(type, options));
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
    std::vector<MountPtr> all = mounts.below(path.mount);
    // Some may have gone with others.
    for (auto mount = all.rbegin(); mount != all.rend(); ++mount) (void)mounts.unmount({*mount, (*mount)->root});
  } else if (path.mount.use_count() > 2) {
    return fail(EBUSY);  // besides the namespace and us, somebody works in it
  } else if ((flags & MNT_EXPIRE) && std::exchange(path.mount->expiry, path.mount->uses) + 1 != path.mount->uses) {
    return fail(EAGAIN);  // a path besides ours has led into it since the last time
  }
  TRY(mounts.unmount(path));
  return 0;
}

}  // namespace cella::sandbox::syscall
