// Manager: the cgroups of one container, whatever the host's layout: v1, v2 or hybrid (v1 controllers and a v2 tree
// without them; the container gets a group in that too, for cgroup.kill and the reliable freezer).
//
// The order of a start: paths() (journal them), create(), apply(), open_join(); the first process joins by itself.
// Later, from the state file: load(paths) and everything but create(). Nothing here logs, and nothing is done to a
// process but what freeze(), kill_all() and add_process() say. Follows the kernel's Documentation/admin-guide/cgroup-v1
// and cgroup-v2.rst, and runc's behaviour where other tools see it.
//
// Cost: load() does no system call. create(): one mkdir(2) a hierarchy, and 12 calls for a v1 cpuset, which starts
// empty. open_join(): one open a hierarchy. apply(): three calls a value asked for, none for what is not. destroy():
// one rmdir(2) a hierarchy. Moving a process by its pid (add_process()) waits on v1 and v2 for an RCU grace period,
// 4 to 16 ms, unless another has just been, and so does writing "0" to v2's cgroup.procs. A process that writes "0" to
// v1's `tasks` itself takes 5 to 10 us, and one born with CLONE_INTO_CGROUP nothing that could be measured: that is
// what open_join() is for.
#pragma once

#include <sys/types.h>

#include <cella/error.h>
#include <cella/notification.h>
#include <cella/stats.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cgroup/group.h"
#include "cgroup/layout.h"
#include "cgroup/paths.h"
#include "config/config.h"

namespace cella::cgroup {

class Writer;

// What a new process needs to be in the container's cgroups.
struct Join {
  // v1: the `tasks` files, write-only: a fresh, still single-threaded process writes "0" to each. The right to move is
  // that of the opener: a child in a new user namespace may use them.
  std::vector<sys::FileDescriptor> tasks;
  // v2 and the v2 tree of a hybrid host: for clone3(2) with CLONE_INTO_CGROUP. Empty when there is none.
  sys::FileDescriptor into_cgroup;
};

// exec --cgroup [CONTROLLER:]PATH: controller → path below the container's; "" for all hierarchies.
using SubPaths = std::map<std::string, std::string>;

// Which of a container's groups: those of the v2 hierarchy are entered by being born in them, those of v1 by a process
// that is there already. So the v1 ones may be made while that process is busy with something else.
enum class Part { kAll, kV1, kV2 };

class Manager {
 public:
  // No I/O. Errors: a bad path (kConfigInvalid), the systemd driver (kUnsupported).
  static Result<Manager> make(const Layout& layout, const config::Cgroup& cgroup, const std::string& id);
  // From the cgroup_paths of a state file, libcontainer's or our own. No I/O.
  static Manager load(const Paths& paths, bool rootless = false);

  // Absolute, by controller; known before anything is created.
  Paths paths() const;

  // Makes the groups. An existing one is taken when it has no process and is not frozen (kSystemError otherwise).
  // After an error nothing that was made is left. Where permission is missing, the caller is rootless and the path was
  // not asked for, the hierarchy is left out.
  Result<void> create(Part part = Part::kAll);
  Result<Join> open_join(const SubPaths& sub_paths = {}, Part part = Part::kAll);
  // Only what is asked for is written; a value for a controller that is not there is an error naming the OCI field.
  Result<void> apply(const config::Resources& resources);
  // v2 alone. Makes the cgroup `path` below the container's, gives it to the user `uid` and group `gid` of the host
  // (what the kernel says may be given, /sys/kernel/cgroup/delegate), and moves the process there. The container's own
  // keeps the limits; destroy() removes both.
  Result<void> delegate(pid_t pid, const std::string& path, uid_t uid, gid_t gid);
  // The same for groups in use that hold `before`: what a file says already is not written again, device rules only
  // when they are not the same, and the freezer is left alone. After an error everything is as it was, or the error
  // says what is not.
  Result<void> set(const config::Resources& resources, const config::Resources& before);
  // Writes the pid to every cgroup.procs: the slow way, for restore.
  Result<void> add_process(pid_t pid);

  // Frozen by freeze() or as somebody else asked; not by an ancestor. False when there is no group.
  Result<bool> frozen();
  // Returns when all processes are frozen, at most after 10 s (ETIMEDOUT, thawed again).
  Result<void> freeze(bool on);
  Result<std::vector<pid_t>> processes(bool recursive);
  // Signals all processes, those of groups below too. SIGKILL reaches also those being forked, and frozen ones.
  Result<void> kill_all(int signal);
  // What create() and apply() did without, for a rootless caller who may not have it; and forgets it.
  std::vector<Finding> take_ignored() { return std::exchange(ignored_, {}); }

  // Removes the groups and those that the container made in them. Parents stay, as with runc: the next container of
  // the same pod needs them. Missing ones are success; groups still busy after about 2 s are EBUSY.
  Result<void> destroy();
  bool exists();

  Result<CgroupStats> stats();
  // Readable when the kernel has killed or is about to kill for lack of memory. v1: an eventfd, readable also when the
  // group is removed. v2: an inotify fd on memory.events and cgroup.events. Ask oom_kill_count() what it was.
  Result<sys::FileDescriptor> notify_oom();
  Result<uint64_t> oom_kill_count();
  // v1 only (memory.pressure_level); kUnsupported on v2, where memory.pressure takes triggers.
  Result<sys::FileDescriptor> notify_memory_pressure(PressureLevel level);

 private:
  Manager() = default;
  Group* find(std::string_view controller);
  Group* unified() { return find(""); }
  Group* process_group();  // the one whose process list counts
  // Why there is nothing to do it with; `controller` may be empty.
  Error no_group(std::string_view controller) const;
  Result<void> check_unused(Group& group);
  Result<void> write_settings(const config::Resources& resources, Writer& writer);
  Result<void> apply_devices(const config::Resources& resources);
  bool v1_frozen();
  Result<void> freeze_within(bool on, int64_t limit_milliseconds);
  Result<void> kill_once(int signal, bool& any);

  std::vector<Group> groups_;  // v1 first, the v2 one last
  bool rootless_ = false;
  bool tolerant_ = false;  // rootless and no path asked for
  std::vector<Finding> ignored_;
  bool borrowed_ = false;  // config.paths: others own these groups; joined only
};

}  // namespace cella::cgroup
