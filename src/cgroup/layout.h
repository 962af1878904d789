// Which cgroup hierarchies this host has, where they are mounted and where in them the caller is.
//
// Not a manager: nothing is created here, and nothing is looked up twice. Follows cgroups(7), proc_pid_mountinfo(5) and
// the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
//
// Cost: on pure cgroup v2, a statfs(2) and /proc/self/cgroup; else /proc/self/mountinfo and /proc/self/cgroup, each
// read once. A mountinfo of thousands of lines is parsed in one pass without copying lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

namespace cella::cgroup {

struct Hierarchy {
  std::string name;                      // "cpu", "cpu,cpuacct", "name=systemd"; "" for the v2 hierarchy
  std::vector<std::string> controllers;  // the keys of cgroup_paths: {"cpu", "cpuacct"}, {"name=systemd"}, {""}
  std::string mount_point;               // "/sys/fs/cgroup/cpu,cpuacct"
  std::string mount_root;                // what of the hierarchy is mounted there; "/" but in nested containers
  std::string own_path;                  // the caller's cgroup, as in /proc/self/cgroup

  bool v2() const { return name.empty(); }
  bool has(std::string_view controller) const;
  // The caller's own cgroup as a path on the host: below mount_point, with mount_root taken off. No trailing slash.
  std::string own_directory() const;
};

struct Layout {
  enum Kind { kNone, kV1, kV2, kHybrid };
  Kind kind = kNone;
  std::vector<Hierarchy> hierarchies;  // v1 in the order of mountinfo; the v2 one last

  // nullptr when no hierarchy has it. "" finds the v2 hierarchy.
  const Hierarchy* find(std::string_view controller) const;
};

// Of the calling process. Errors: those of reading /proc; a host without cgroups is kNone, not an error.
Result<Layout> detect();

// The pure parts of detect(), for tests. Mounts hidden below other mounts are left out; of two mounts of one hierarchy
// the one below /sys/fs/cgroup counts, else the first.
Layout parse_layout(std::string_view mountinfo, std::string_view proc_self_cgroup);
Layout v2_layout(std::string_view proc_self_cgroup);

}  // namespace cella::cgroup
