// The mounts of a container, as its configuration lists them, made in the application kernel.
//
// Places are found inside the root whatever links it has, and made where they are missing. What is mounted is ours, but
// for binds and the root, which are the host's files through a FileBackend. Nothing is shared with other namespaces, so
// of propagation MS_UNBINDABLE alone has a meaning here; what the host's mounts propagate to what is bound is the
// jail's matter, sandbox/jail/jail.h.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <cella/error.h>

#include "sandbox/fs/devices.h"
#include "sandbox/fs/host/backend.h"
#include "sandbox/fs/types.h"

namespace cella::sandbox::fs {

struct ContainerMount {
  std::string destination;
  std::string type;      // not looked at with MS_BIND
  std::string source;    // as /proc/mounts shows it
  uint64_t flags = 0;    // MS_*; MS_BIND: `backend` is mounted, MS_REMOUNT: flags of what is there are changed
  std::string data;      // the filesystem's own options
  bool copy_up = false;  // a tmpfs begins with a copy of what it covers
  std::shared_ptr<FileBackend> backend;
};

// Makes the root of a mount of some type.
using FilesystemFactory = std::function<SysResult<vfs::DentryPtr>(const ContainerMount& mount)>;

struct ContainerFiles {
  std::shared_ptr<FileBackend> root;
  bool overlay = false;     // what is written below the root stays in memory
  uint64_t root_flags = 0;  // put on it last: MS_RDONLY, MS_UNBINDABLE, with MS_REC on all mounts
  std::vector<ContainerMount> mounts;
  std::vector<DeviceNode> devices;
  std::vector<std::string> masked_paths, read_only_paths;
  std::string working_directory;  // of the first program, made where it is missing; empty: there is none
  // Types besides those that are known here, or in place of them.
  std::map<std::string, FilesystemFactory> factories;
  FilesystemHooks hooks;
};

// Programs can mount afterwards, Kernel::make_filesystem. kUnsupported: a type or flag that this kernel does not have.
// Masked and read-only paths that are not there are passed over, as the specification has it. `kernel` must outlive the
// result.
Result<std::shared_ptr<vfs::MountNamespace>> make_container_mounts(task::Kernel& kernel, const ContainerFiles& files);

}  // namespace cella::sandbox::fs
