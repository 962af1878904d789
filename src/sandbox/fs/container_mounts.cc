#include "sandbox/fs/container_mounts.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "base/result.h"
#include "sandbox/fs/host/host_filesystem.h"
#include "sandbox/fs/overlay/overlay.h"
#include "sandbox/fs/tmpfs.h"
#include "sandbox/fs/tty/devpts.h"

namespace cella::sandbox::fs {
namespace {

using task::Kernel;
using vfs::DentryPtr;
using vfs::Path;

// What a mount keeps; and what is asked for and needs nothing done.
constexpr uint64_t kKept =
    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_NOSYMFOLLOW;
constexpr uint64_t kHarmless = MS_SYNCHRONOUS | MS_DIRSYNC | MS_STRICTATIME | MS_LAZYTIME | MS_SILENT | MS_REC |
                               MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

SysResult<DentryPtr> mount_tmpfs(Kernel& kernel, const std::string& data) {
  TmpfsOptions options = TRY(parse_tmpfs_options(data, kernel.memory_limit));
  return make_tmpfs(*kernel.memory, options);
}

using Maker = SysResult<DentryPtr> (*)(Kernel& kernel, const ContainerFiles& files, const ContainerMount& mount);
struct Type {
  const char* name;
  Maker make;
};
constexpr Type kTypes[] = {
    {"proc",
     [](Kernel& kernel, const ContainerFiles& files, const ContainerMount&) -> SysResult<DentryPtr> {
       return make_procfs(kernel, files.proc);
     }},
    {"sysfs",
     [](Kernel& kernel, const ContainerFiles& files, const ContainerMount&) -> SysResult<DentryPtr> {
       return make_sysfs(kernel, files.sys);
     }},
    {"tmpfs", [](Kernel& kernel, const ContainerFiles&,
                 const ContainerMount& mount) { return mount_tmpfs(kernel, mount.data); }},
    {"ramfs", [](Kernel& kernel, const ContainerFiles&,
                 const ContainerMount& mount) { return mount_tmpfs(kernel, mount.data); }},
    {"devpts",
     [](Kernel& kernel, const ContainerFiles&, const ContainerMount& mount) -> SysResult<DentryPtr> {
       return make_devpts(kernel, TRY(parse_devpts_options(mount.data)));
     }},
    // Message queues are in no directory here: it stays empty.
    {"mqueue", [](Kernel& kernel, const ContainerFiles&, const ContainerMount&) { return mount_tmpfs(kernel, ""); }},
    {"cgroup",
     [](Kernel& kernel, const ContainerFiles&, const ContainerMount&) -> SysResult<DentryPtr> {
       return make_cgroup_filesystem(kernel);
     }},
    {"cgroup2",
     [](Kernel& kernel, const ContainerFiles&, const ContainerMount&) -> SysResult<DentryPtr> {
       return make_cgroup_filesystem(kernel);
     }},
};

Result<DentryPtr> make_root_of(Kernel& kernel, const ContainerFiles& files, const ContainerMount& mount) {
  if (mount.flags & MS_BIND) {
    if (mount.backend == nullptr) return base::fail(ErrorCode::kInvalidArgument, "a bind mount without its source");
    return TRY(make_host_filesystem(mount.backend));
  }
  if (auto factory = files.factories.find(mount.type); factory != files.factories.end())
    return TRY(factory->second(mount));
  for (const Type& type : kTypes)
    if (mount.type == type.name) return TRY(type.make(kernel, files, mount));
  return base::fail(ErrorCode::kUnsupported, "the sandbox has no filesystem of type {}", mount.type);
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
    path.mount->flags = mount.flags & kKept;
    return {};
  }
  DentryPtr root = TRY(make_root_of(kernel, files, mount));
  Path at = TRY(builder.find_or_make(mount.destination, root->inode->has_type(S_IFDIR)));
  builder.mounts().mount(at, std::move(root), shown_type(mount), mount.source, mount.flags & kKept,
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
  auto mounts = std::make_shared<vfs::MountNamespace>(root, files.overlay ? "overlay" : "hostfs",
                                                      files.overlay ? "overlay" : "root", MS_RELATIME);
  MountBuilder builder(mounts);
  for (const ContainerMount& mount : files.mounts) {
    TRY(add_mount(kernel, files, builder, mount), "mounting {} on {}",
        mount.flags & MS_BIND ? mount.source : mount.type, mount.destination);
  }
  TRY(make_devices(builder, files.devices));
  for (const std::string& path : files.read_only_paths) TRY(protect(builder, path), "making {} read-only", path);
  for (const std::string& path : files.masked_paths) TRY(mask(kernel, builder, path), "masking {}", path);
  if (files.read_only_root) mounts->root().mount->flags |= MS_RDONLY;
  return mounts;
}

}  // namespace cella::sandbox::fs
