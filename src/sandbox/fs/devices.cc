#include "sandbox/fs/devices.h"

#include <sys/sysmacros.h>

#include <algorithm>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

struct Device {
  const char* path;
  unsigned major, minor;
};
constexpr Device kDevices[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

struct Link {
  const char *path, *target;
};
constexpr Link kLinks[] = {
    {"/dev/fd", "/proc/self/fd"},       {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"}, {"/dev/core", "/proc/kcore"},      {"/dev/ptmx", "pts/ptmx"},
};

// What an image has there already gives way: a file named null is no device.
SysResult<vfs::Parent> make_room(MountBuilder& builder, const std::string& path) {
  vfs::Parent parent = TRY(builder.parent_for(path));
  if (auto there = vfs::child_of(parent.directory.dentry, parent.name)) {
    if ((*there)->inode->has_type(S_IFDIR)) return std::unexpected(Errno{EISDIR});
    TRY(parent.directory.inode().unlink(parent.name, false));
    vfs::forget_child(parent.directory.dentry, parent.name);
  }
  return parent;
}

SysResult<void> make_node(MountBuilder& builder, const DeviceNode& device) {
  vfs::Parent parent = TRY(make_room(builder, device.path));
  vfs::NewFile file;
  file.name = parent.name;
  file.mode = device.mode;
  file.device = S_ISFIFO(device.mode) ? 0 : makedev(device.major, device.minor);
  file.uid = device.uid;
  file.gid = device.gid;
  TRY(parent.directory.inode().create(file));
  return {};
}

SysResult<void> make_link(MountBuilder& builder, const Link& link) {
  vfs::Parent parent = TRY(make_room(builder, link.path));
  vfs::NewFile file;
  file.name = parent.name;
  file.mode = S_IFLNK | 0777;
  TRY(parent.directory.inode().symlink(file, link.target));
  return {};
}

}  // namespace

Result<void> make_devices(MountBuilder& builder, const std::vector<DeviceNode>& devices) {
  auto is_asked_for = [&](std::string_view path) {
    return std::ranges::any_of(devices, [&](const DeviceNode& device) { return device.path == path; });
  };
  std::vector<DeviceNode> all = devices;
  constexpr uint32_t kMode = S_IFCHR | 0666;
  for (const Device& device : kDevices)
    if (!is_asked_for(device.path)) all.push_back({device.path, kMode, device.major, device.minor, 0, 0});
  for (const DeviceNode& device : all) TRY(make_node(builder, device), "making the device {}", device.path);
  for (const Link& link : kLinks)
    if (!is_asked_for(link.path)) TRY(make_link(builder, link), "linking {} to {}", link.path, link.target);
  return {};
}

}  // namespace cella::sandbox::fs
