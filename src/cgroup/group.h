// Group: the container's cgroup in one hierarchy, a directory of cgroupfs. Knows files, not what they mean.
//
// The directory is opened (O_PATH) when the first file is needed and held; writes and reads are openat(2) below it.
// Creating, joining and removing work on the path and never open it.
//
// Cost: write and read are three system calls each (openat, write or read, close), the first use one more.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sys/file.h"

namespace cella::cgroup {

class Group {
 public:
  // `mount_point` bounds what may be created and enabled above the group; "" when unknown (a stored path).
  Group(std::vector<std::string> controllers, std::string path, std::string mount_point)
      : controllers_(std::move(controllers)), path_(std::move(path)), mount_point_(std::move(mount_point)) {}

  // The keys of cgroup_paths: {"cpu", "cpuacct"}, {"name=systemd"}, {""} for v2.
  const std::vector<std::string>& controllers() const { return controllers_; }
  bool has(std::string_view controller) const;
  bool v2() const { return controllers_[0].empty(); }
  const std::string& path() const { return path_; }
  // Made by make() of this object, with no value written since: in the state that its parent gave it.
  bool fresh() const { return fresh_; }
  void set_used() { fresh_ = false; }

  // mkdir(2), parents as needed. Gives whether the directory was new. unmake() removes what make() made.
  SysResult<bool> make();
  void unmake();
  // v1 cpuset: gives a new group (and parents made with it) its parent's CPUs and memory nodes.
  Result<void> inherit_cpuset();
  // v2: enables controllers in every cgroup.subtree_control from the mount point down to the parent: `controller`, or
  // all that there are when empty. What the kernel refuses stays off; the missing file tells later.
  void enable_controllers(std::string_view controller = {});
  // v2: is the controller in the group's cgroup.controllers?
  bool enabled(std::string_view controller);

  SysResult<int> directory();
  SysResult<void> write(const char* file, std::string_view value);
  SysResult<std::string> read(const char* file);
  SysResult<sys::FileDescriptor> open(const char* file, int flags);
  // write() whose error reads "writing 10 to pids.max: …"; the path is in the context above it.
  Result<void> set(const char* file, std::string_view value);
  // The lines of cgroup.procs; recursive: of all groups below too. A missing group has none.
  Result<std::vector<pid_t>> processes(bool recursive);

 private:
  std::vector<std::string> controllers_;
  std::string path_;
  std::string mount_point_;
  std::vector<std::string> made_;  // outermost first
  bool fresh_ = false;
  sys::FileDescriptor directory_;
};

// rmdir(2) of a cgroup and, only when that says EBUSY, of the cgroups below it; then again for at most about two
// seconds, because a group is busy until the last of its killed processes is gone. A missing one is success.
SysResult<void> remove_group(const std::string& path);

// open, read once, close: for files below 4 KiB, which is what one read of a cgroupfs file gives at least.
SysResult<std::string> read_small_at(int directory, const char* path);

}  // namespace cella::cgroup
