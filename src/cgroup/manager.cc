#include "cgroup/manager.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "base/scope_exit.h"
#include "cgroup/stats.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

bool is_permission(int error) {
  return error == EACCES || error == EPERM || error == EROFS;
}

bool is_in(const Group& group, Part part) {
  return part == Part::kAll || group.v2() == (part == Part::kV2);
}

}  // namespace

Result<Manager> Manager::make(const Layout& layout, const config::Cgroup& cgroup, const std::string& id) {
  Paths paths = TRY(container_paths(layout, cgroup, id));
  Manager manager;
  manager.rootless_ = cgroup.rootless;
  manager.tolerant_ = cgroup.rootless && cgroup.path.empty();
  manager.borrowed_ = !cgroup.paths.empty();
  for (const Hierarchy& hierarchy : layout.hierarchies) {
    auto path = paths.find(hierarchy.controllers[0]);
    if (path == paths.end()) continue;
    manager.groups_.emplace_back(hierarchy.controllers, path->second, hierarchy.mount_point);
  }
  return manager;
}

Manager Manager::load(const Paths& paths, bool rootless) {
  Manager manager;
  manager.rootless_ = rootless;
  // Controllers mounted together have one path, and one group.
  std::vector<std::pair<std::string, std::vector<std::string>>> by_path;
  for (const auto& [controller, path] : paths) {
    if (path.empty()) continue;
    auto same = std::find_if(by_path.begin(), by_path.end(), [&](auto& entry) { return entry.first == path; });
    if (same == by_path.end()) same = by_path.insert(by_path.end(), {path, {}});
    same->second.push_back(controller);
  }
  // The map starts with the v2 one's "", which goes last.
  bool v2_first = !by_path.empty() && by_path[0].second[0].empty();
  if (v2_first) std::rotate(by_path.begin(), by_path.begin() + 1, by_path.end());
  for (auto& [path, controllers] : by_path) manager.groups_.emplace_back(std::move(controllers), path, "");
  return manager;
}

Paths Manager::paths() const {
  Paths paths;
  for (const Group& group : groups_) {
    for (const std::string& controller : group.controllers()) paths[controller] = group.path();
  }
  return paths;
}

Group* Manager::find(std::string_view controller) {
  for (Group& group : groups_) {
    if (group.has(controller)) return &group;
  }
  return nullptr;
}

// runc looks at devices, which root can never be without; a group without processes may still have them elsewhere.
Group* Manager::process_group() {
  for (const char* controller : {"devices", "pids", ""}) {
    if (Group* group = find(controller)) return group;
  }
  return groups_.empty() ? nullptr : &groups_.front();
}

Error Manager::no_group(std::string_view controller) const {
  Error error(ErrorCode::kUnsupported, fmt::format("the cgroup controller {} is not available", controller));
  if (controller.empty()) error.message = "the container has no cgroup";
  if (!rootless_) return error;
  error.message = "the container has no cgroup of its own";
  if (!controller.empty()) error.message += fmt::format(" with the controller {}", controller);
  error.hint =
      "an ordinary user makes cgroups only in one that is delegated, see Delegate= in systemd.resource-control(5)";
  return error;
}

Result<void> Manager::check_unused(Group& group) {
  std::vector<pid_t> pids = TRY(group.processes(true));
  if (!pids.empty()) {
    return base::fail(ErrorCode::kSystemError, "container's cgroup is not empty: {} process(es) found in {}",
                      pids.size(), group.path());
  }
  if ((group.has("freezer") || group.v2()) && TRY(frozen())) {
    return base::fail(ErrorCode::kSystemError, "container's cgroup {} is unexpectedly frozen", group.path());
  }
  return {};
}

Result<void> Manager::create(Part part) {
  if (borrowed_) return {};
  base::ScopeExit undo([&] {
    for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) group->unmake();
  });
  for (size_t i = 0; i < groups_.size();) {
    Group& group = groups_[i];
    if (!is_in(group, part)) {
      ++i;
      continue;
    }
    SysResult<bool> made = group.make();
    if (!made) {
      if (tolerant_ && is_permission(made.error().value)) {
        ignored_.push_back({"/linux/cgroupsPath", fmt::format("is not to be had: creating {}: {}", group.path(),
                                                              errno_text(made.error().value))});
        groups_.erase(groups_.begin() + static_cast<ptrdiff_t>(i));
        continue;
      }
      return base::fail_errno(made.error().value, "creating cgroup {}", group.path());
    }
    if (!*made) TRY(check_unused(group));
    if (group.has("cpuset")) TRY(group.inherit_cpuset());
    // On a hybrid host controllers of the v2 tree are enabled when a value asks for one.
    if (group.v2() && groups_.size() == 1) group.enable_controllers();
    ++i;
  }
  undo.dismiss();
  return {};
}

Result<Join> Manager::open_join(const SubPaths& sub_paths, Part part) {
  for (const auto& [controller, sub] : sub_paths) {
    if (find(controller) == nullptr && !controller.empty()) {
      return base::fail(ErrorCode::kInvalidArgument, "unknown controller {} in sub-cgroup {}", controller, sub);
    }
  }
  Join join;
  for (Group& group : groups_) {
    if (!is_in(group, part)) continue;
    std::string path = group.path();
    for (const std::string& key : group.controllers()) {
      auto sub = sub_paths.find(key);
      if (sub == sub_paths.end()) sub = sub_paths.find("");
      if (sub == sub_paths.end()) continue;
      path += '/';
      path += TRY(clean_path(sub->second), "sub-cgroup");
      break;
    }
    if (group.v2()) {
      join.into_cgroup = TRY(sys::open(path.c_str(), O_PATH | O_DIRECTORY), "opening cgroup {}", path);
    } else {
      path += "/tasks";
      join.tasks.push_back(TRY(sys::open(path.c_str(), O_WRONLY), "opening {}", path));
    }
  }
  return join;
}

Result<void> Manager::add_process(pid_t pid) {
  std::string text = fmt::format("{}", pid);
  for (Group& group : groups_) {
    SysResult<void> written;
    // EINVAL: the process is not yet fully there.
    for (int attempt = 0; attempt < 5; ++attempt) {
      written = group.write("cgroup.procs", text);
      if (written || written.error().value != EINVAL) break;
      ::usleep(10'000);
    }
    TRY(written, "adding process {} to cgroup {}", pid, group.path());
  }
  return {};
}

Result<std::vector<pid_t>> Manager::processes(bool recursive) {
  Group* group = process_group();
  if (group == nullptr) return std::vector<pid_t>{};
  return group->processes(recursive);
}

Result<void> Manager::destroy() {
  if (borrowed_) return {};
  Result<void> result;
  for (Group& group : groups_) {
    SysResult<void> removed = remove_group(group.path());
    if (!removed && result) result = base::fail_errno(removed.error().value, "removing cgroup {}", group.path());
  }
  return result;
}

bool Manager::exists() {
  Group* group = process_group();
  return group != nullptr && ::access(group->path().c_str(), F_OK) == 0;
}

Result<CgroupStats> Manager::stats() {
  if (groups_.empty()) return std::unexpected(no_group(""));
  CgroupStats stats;
  bool hybrid = groups_.size() > 1;
  for (Group& group : groups_) {
    TRY(group.v2() ? add_v2_stats(group, stats, hybrid) : add_v1_stats(group, stats), "reading statistics of cgroup {}",
        group.path());
  }
  return stats;
}

}  // namespace cella::cgroup
