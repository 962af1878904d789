// Group: the resctrl group that linux.intelRdt puts a container in (config-linux.md, "IntelRdt"): a class of service
// with its schemata, and the monitoring group in it that is the container's alone.
//
// The order of a start: plan(), which makes nothing and finds what is wrong; to_make(), to be journalled; make(),
// set(), monitor(), add() of a process that has not executed the program yet, because its children inherit the groups.
// Later, from the state file: load() and everything but make() and monitor(). Nothing here logs.
//
// Errors of the kernel carry what it says in info/last_cmd_status.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>
#include <cella/stats.h>

#include "config/config.h"
#include "rdt/filesystem.h"

namespace cella::rdt {

class Group {
 public:
  // The group of `config` for the container `id`. Errors: kConfigInvalid for a closID that is no name, is not there
  // though nothing says how to make it, or has other schemata; kUnsupported for what this resctrl does not have.
  static Result<Group> plan(const Filesystem& filesystem, const config::IntelRdt& config, std::string_view id);
  // What path(), monitor_path() and own() were. No I/O.
  static Group load(const config::IntelRdt& config, std::string path, std::string monitor_path, bool own);

  // Directories, absolute. No monitoring group: "".
  const std::string& path() const { return path_; }
  const std::string& monitor_path() const { return monitor_path_; }
  // The group is this container's: it has no closID, and make() has made it or is going to.
  bool own() const { return own_; }
  // What make() and monitor() make, outermost first.
  std::vector<std::string> to_make() const;

  // Makes the group, unless it was there when plan() looked.
  Result<void> make();
  // Writes what is given of l3CacheSchema, memBwSchema and schemata, in this order. A later one wins, so each is a
  // write(2) of its own: in one, the kernel takes no value twice. When one fails, the group is as it was.
  Result<void> set(const config::IntelRdt& config) const;
  // Makes the monitoring group, if the container is to have one.
  Result<void> monitor();
  // Moves a process, which must have one thread, to the group and to the monitoring group.
  Result<void> add(pid_t pid) const;
  bool exists() const;

  // What a start that has failed has made until then: see remove_unused().
  Result<void> undo();
  // When the container is deleted: the monitoring group, and the group if it is its own. Missing ones are success;
  // tasks that are still in one go to the default group.
  Result<void> remove() const;

  // Counters are those of the monitoring group; without one, of the whole group.
  Result<IntelRdtStats> stats() const;
  // The `schemata` file, and the same put back as it was.
  Result<std::string> schemata() const;
  Result<void> put_back(std::string_view schemata) const;

 private:
  Group() = default;
  std::unexpected<Error> failed(Errno error, std::string what) const;
  Result<void> make_directory(const std::string& path);

  std::string root_;
  std::string path_;
  std::string monitor_path_;
  bool own_ = false;
  bool missing_ = false;           // the group has to be made
  std::vector<std::string> made_;  // by this object
};

// Removes groups that a container which never came to be was going to make, as to_make() had them. One that still has
// tasks after half a second stays: a class of service may be in use by others since. Missing ones are success.
Result<void> remove_unused(const std::vector<std::string>& paths);

}  // namespace cella::rdt
