#include "sandbox/fs/container_mounts.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/copy_tree.h"
#include "sandbox/fs/host/host_filesystem.h"
#include "sandbox/fs/overlay/overlay.h"
#include "sandbox/fs/tmpfs.h"

namespace cella::sandbox::fs {
namespace {

using task::Kernel;
using vfs::DentryPtr;
using vfs::Path;

// What a mount keeps; and what is asked for and needs nothing done.
constexpr uint64_t kKept = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME |
                           MS_NOSYMFOLLOW | MS_UNBINDABLE;
constexpr uint64_t kHarmless = MS_SYNCHRONOUS | MS_DIRSYNC | MS_STRICTATIME | MS_LAZYTIME | MS_SILENT | MS_REC |
                               MS_PRIVATE | MS_SLAVE | MS_MANDLOCK | MS_I_VERSION;

// As Linux has it: relatime, unless something else is asked for.
uint64_t kept_flags(const ContainerMount& mount) {
  const bool has_own = (mount.flags & (MS_NOATIME | MS_STRICTATIME)) != 0;
  return (mount.flags & kKept) | (has_own ? 0 : MS_RELATIME);
}

Result<DentryPtr> make_root_of(Kernel& kernel, const ContainerFiles& files, const ContainerMount& mount) {
  if (mount.flags & MS_BIND) {
    if (mount.backend == nullptr) return base::fail(ErrorCode::kInvalidArgument, "a bind mount without its source");
    return TRY(make_host_filesystem(mount.backend));
  }
  if (auto factory = files.factories.find(mount.type); factory != files.factories.end())
    return TRY(factory->second(mount));
  if (!is_mount_type(mount.type))
    return base::fail(ErrorCode::kUnsupported, "the sandbox has no filesystem of type {}", mount.type);
  return TRY(make_filesystem(kernel, files.hooks, mount.type, mount.data));
}

// What /proc/mounts calls it.
std::string shown_type(const ContainerMount& mount) {
  if (mount.flags & MS_BIND) return "hostfs";
  return mount.type == "cgroup" ? "cgroup2" : mount.type;
}

Result<void> add_mount(Kernel& kernel, const ContainerFiles& files, MountBuilder& builder,
                       const ContainerMount& mount) {
  if (mount.flags & ~(kKept | kHarmless | MS_BIND | MS_REMOUNT))
    return base::fail(ErrorCode::kUnsupported, "mount flags {:#x} mean nothing in the sandbox",
                      mount.flags & ~(kKept | kHarmless | MS_BIND | MS_REMOUNT));
  if (mount.flags & MS_REMOUNT) {
    Path path = TRY(builder.find(mount.destination));
    if (path.dentry != path.mount->root) return std::unexpected(Error(Errno{EINVAL}));
    path.mount->flags = kept_flags(mount);
    return {};
  }
  DentryPtr root = TRY(make_root_of(kernel, files, mount));
  Path at = TRY(builder.find_or_make(mount.destination, root->inode->has_type(S_IFDIR)));
  if ((mount.flags & MS_BIND) == 0 && mount.type == "tmpfs" && !has_option(mount.data, "mode")) {
    // runc's way: what is to be covered says what may be done there, and with a copy of it whose it is.
    const vfs::Attributes covered = TRY(at.inode().attributes());
    vfs::AttributeChange change;
    change.mode = covered.st_mode & 07777;
    if (mount.copy_up && !has_option(mount.data, "uid") && !has_option(mount.data, "gid")) {
      change.uid = covered.st_uid;
      change.gid = covered.st_gid;
    }
    TRY(root->inode->set_attributes(change));
  }
  if (mount.copy_up) TRY(copy_tree(at, *root->inode), "copying what it covers");
  builder.mounts().mount(at, std::move(root), shown_type(mount), mount.source, kept_flags(mount),
                         mount.flags & MS_BIND ? std::string() : mount.data);
  return {};
}

// A file that reads as nothing, or a directory without entries.
Result<void> mask(Kernel& kernel, MountBuilder& builder, const std::string& path) {
  SysResult<Path> found = builder.find(path);
  if (!found) {
    const int error = found.error().value;
    return error == ENOENT || error == ENOTDIR ? Result<void>() : std::unexpected(Error(found.error()));
  }
  TmpfsOptions options;
  options.mode = 0755;
  DentryPtr root = make_tmpfs(*kernel.memory, options);
  if (!found->inode().has_type(S_IFDIR)) {
    vfs::NewFile null;
    null.name = "null";
    null.mode = S_IFCHR | 0666;
    null.device = makedev(1, 3);
    auto inode = TRY(root->inode->create(null));
    root = std::make_shared<vfs::Dentry>();
    root->inode = std::move(inode);
  }
  builder.mounts().mount(*found, std::move(root), "tmpfs", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NOEXEC);
  return {};
}

Result<void> protect(MountBuilder& builder, const std::string& path) {
  SysResult<Path> found = builder.find(path);
  if (!found) {
    const int error = found.error().value;
    return error == ENOENT || error == ENOTDIR ? Result<void>() : std::unexpected(Error(found.error()));
  }
  builder.bind_again(*found, MS_RDONLY);
  return {};
}

}  // namespace

Result<std::shared_ptr<vfs::MountNamespace>> make_container_mounts(Kernel& kernel, const ContainerFiles& files) {
  DentryPtr root = TRY(make_host_filesystem(files.root), "opening the root filesystem");
  if (files.overlay) root = TRY(make_overlay(*kernel.memory, root), "laying memory over the root filesystem");
  kernel.make_filesystem = [&kernel, hooks = files.hooks](const std::string& type, const std::string& options) {
    return make_filesystem(kernel, hooks, type, options);
  };
  auto mounts = std::make_shared<vfs::MountNamespace>(root, files.overlay ? "overlay" : "hostfs",
                                                      files.overlay ? "overlay" : "root", MS_RELATIME);
  MountBuilder builder(mounts);
  for (const ContainerMount& mount : files.mounts) {
    const bool has_options = (mount.flags & MS_BIND) == 0 && !mount.data.empty();
    TRY(add_mount(kernel, files, builder, mount), "mounting {} on {}{}{}",
        mount.flags & MS_BIND ? mount.source : mount.type, mount.destination, has_options ? " with the options " : "",
        has_options ? mount.data : "");
  }
  TRY(make_devices(builder, files.devices));
  if (!files.working_directory.empty())
    TRY(builder.find_or_make(files.working_directory, true), "making the working directory {}",
        files.working_directory);
  for (const std::string& path : files.read_only_paths) TRY(protect(builder, path), "making {} read-only", path);
  for (const std::string& path : files.masked_paths) TRY(mask(kernel, builder, path), "masking {}", path);
  mounts->root().mount->flags |= files.root_flags & MS_RDONLY;
  for (const vfs::MountPtr& mount : mounts->mounts())
    if (mount->parent == nullptr || (files.root_flags & MS_REC) != 0) mount->flags |= files.root_flags & MS_UNBINDABLE;
  return mounts;
}

}  // namespace cella::sandbox::fs
