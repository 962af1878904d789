// What a plan depends on besides the Config: facts about the host and about how the container is started. Plain data,
// gathered by container/, so that plans can be made, printed and tested anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cella::plan {

// One entry below /sys/fs/cgroup inside a container with cgroup v1 (or the single one of v2).
struct CgroupMount {
  std::string name;                  // directory inside: "cpu,cpuacct"; "" for v2
  std::string host_path;             // the container's own cgroup on the host
  std::string options;               // of a fresh mount in a cgroup namespace: "cpu,cpuacct", "none,name=systemd"
  std::vector<std::string> aliases;  // links to it: "cpu", "cpuacct"
};

struct SeccompBlob {
  std::string program;    // struct sock_filter[]
  uint64_t flags = 0;     // SECCOMP_FILTER_FLAG_*
  bool listener = false;  // wants a notify listener
};

struct Facts {
  bool privileged = true;  // root in the initial user namespace
  bool cgroup_v2 = false;  // what a "cgroup" mount shows
  std::vector<CgroupMount> cgroup_mounts;
  bool join_v1_tasks = true;  // there are tasks files to join (else CLONE_INTO_CGROUP or nothing does it)
  bool apparmor = false;      // LSMs that the kernel runs
  bool selinux = false;
  std::optional<SeccompBlob> seccomp;
};

struct StartOptions {
  std::string id;
  bool init = true;             // the container's first process; false: a further one (exec)
  bool wait_for_start = true;   // create: wait on the fifo; run: go on at once
  bool console_socket = false;  // there is one to send the master to
  uint32_t extra_files = 0;
  // The program is an open file that goes into the slot Built::program, not a path inside the root: nothing is looked
  // for in $PATH or /etc/passwd, and no devices are made. It inherits the way to report errors, see plan/layout.h,
  // "Reports".
  bool open_program = false;
  // What errors call the destinations of mounts that are not the user's own words.
  std::map<std::string, std::string> destination_names;
};

}  // namespace cella::plan
