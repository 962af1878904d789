// Where a container's cgroups are: pure path logic, before anything exists.
//
// The rules are runc's for the fs driver. An absolute path ("/kubepods/x") is below the mount point of each hierarchy;
// a relative one is below the caller's own cgroup, on pure v2 below that one's parent (the caller's own has processes,
// so that no controller could be enabled for its children). Without path, `parent`/`name`, and without those the id.
// Unlike runc, ".." is refused and not resolved: a path with it is a mistake or an attack.
//
// Cost: no I/O; a few string allocations per hierarchy.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <cella/error.h>

#include "cgroup/layout.h"
#include "config/config.h"

namespace cella::cgroup {

// As in libcontainer's state.json: controller → absolute path. v1: "cpu", …, "name=systemd"; v2: "".
using Paths = std::map<std::string, std::string>;

// Refuses "..", NUL, newlines and over-long names; takes out "." and doubled slashes. "" stays "".
Result<std::string> clean_path(const std::string& path);

// cgroup.paths as they are when there are any. kUnsupported for the systemd driver, which is not built yet; on a host
// without cgroups the map is empty.
Result<Paths> container_paths(const Layout& layout, const config::Cgroup& cgroup, const std::string& id);

// What a mount of type "cgroup" inside a container consists of.
struct MountEntry {
  std::string name;                  // the directory below the mount: "cpu,cpuacct", "systemd"; "" for v2, the mount
  std::string path;                  // the container's own cgroup on the host: bound there without a cgroup namespace
  std::string options;               // mount(2) data of a new mount inside a cgroup namespace: "cpu,cpuacct"; "" for v2
  std::vector<std::string> aliases;  // symbolic links beside it to `name`: "cpu", "cpuacct" when mounted together
  bool v2 = false;
};

// v1: an entry a hierarchy in which the container has a cgroup (the unified one of a hybrid host, "unified", last);
// v2: one entry.
std::vector<MountEntry> mount_entries(const Layout& layout, const Paths& paths);

}  // namespace cella::cgroup
