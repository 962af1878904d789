#include "cgroup/paths.h"

#include <linux/limits.h>

#include "base/result.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

std::string join(std::string_view directory, std::string_view inner) {
  std::string result(directory);
  if (inner.empty() || inner == "/") return result;
  if (!inner.starts_with('/')) result += '/';
  result += inner;
  return result;
}

std::string parent_of(const std::string& path) {
  return path.substr(0, path.find_last_of('/'));
}

// The one place where the systemd driver is turned away; its unit's path (slice, prefix, name) will come from here.
Result<Paths> systemd_paths(const Layout&, const config::Cgroup&, const std::string&) {
  return base::fail(ErrorCode::kUnsupported, "the systemd cgroup driver is not built yet");
}

Result<std::string> inner_path(const config::Cgroup& cgroup, const std::string& id) {
  if (!cgroup.path.empty() && (!cgroup.name.empty() || !cgroup.parent.empty())) {
    return base::fail(ErrorCode::kConfigInvalid, "cgroup: either path, or name and parent, not both");
  }
  if (!cgroup.path.empty()) return clean_path(cgroup.path);
  std::string name = cgroup.name.empty() ? id : cgroup.name;
  return clean_path(cgroup.parent.empty() ? name : join(cgroup.parent, name));
}

}  // namespace

Result<std::string> clean_path(const std::string& path) {
  if (path.size() >= PATH_MAX) return base::fail_errno(ENAMETOOLONG, "cgroup path");
  if (path.find('\0') != std::string::npos || path.find('\n') != std::string::npos) {
    return base::fail(ErrorCode::kConfigInvalid, "a cgroup path has no NUL and no newline in it");
  }
  std::string result;
  std::string_view rest = path;
  if (rest.starts_with('/')) result = "/";
  while (!rest.empty()) {
    std::string_view part = take_until(rest, '/');
    if (part.empty() || part == ".") continue;
    if (part == "..") return base::fail(ErrorCode::kConfigInvalid, "cgroup path {}: \"..\" is not allowed", path);
    if (part.size() > NAME_MAX) return base::fail_errno(ENAMETOOLONG, "cgroup path {}", path);
    if (!result.empty() && result.back() != '/') result += '/';
    result += part;
  }
  return result;
}

Result<Paths> container_paths(const Layout& layout, const config::Cgroup& cgroup, const std::string& id) {
  Paths paths;
  if (!cgroup.paths.empty()) {
    for (const auto& [key, path] : cgroup.paths) {
      if (!path.starts_with('/')) return base::fail(ErrorCode::kConfigInvalid, "cgroup path {} is not absolute", path);
      paths[key] = TRY(clean_path(path));
    }
    return paths;
  }
  if (cgroup.systemd) return systemd_paths(layout, cgroup, id);

  std::string inner = TRY(inner_path(cgroup, id));
  if (inner.empty() || inner == "/") {
    return base::fail(ErrorCode::kConfigInvalid, "a container cannot have the root cgroup for its own");
  }
  for (const Hierarchy& hierarchy : layout.hierarchies) {
    std::string base = hierarchy.mount_point;
    if (!inner.starts_with('/')) {
      if (hierarchy.own_path.starts_with("/..")) {
        return base::fail(ErrorCode::kConfigInvalid,
                          "cgroup path {} is relative, and the caller's own cgroup is outside of its cgroup namespace",
                          inner);
      }
      base = hierarchy.own_directory();
      if (layout.kind == Layout::kV2 && base.size() > hierarchy.mount_point.size()) base = parent_of(base);
    }
    for (const std::string& controller : hierarchy.controllers) paths[controller] = join(base, inner);
  }
  return paths;
}

std::vector<MountEntry> mount_entries(const Layout& layout, const Paths& paths) {
  std::vector<MountEntry> entries;
  for (const Hierarchy& hierarchy : layout.hierarchies) {
    auto path = paths.find(hierarchy.controllers[0]);
    if (path == paths.end()) continue;
    MountEntry entry;
    entry.path = path->second;
    entry.v2 = hierarchy.v2();
    if (entry.v2) {
      if (layout.kind == Layout::kHybrid) entry.name = "unified";
    } else {
      entry.options = hierarchy.name;
      // As the host names it: "cpu,cpuacct" may be mounted as "cpuacct,cpu", and programs look for the host's names.
      entry.name = hierarchy.mount_point.substr(hierarchy.mount_point.find_last_of('/') + 1);
      if (hierarchy.name.starts_with("name=")) {
        entry.name = hierarchy.name.substr(5);
        entry.options = "none," + hierarchy.name;
      }
      for (const std::string& controller : hierarchy.controllers) {
        if (!controller.starts_with("name=") && controller != entry.name) entry.aliases.push_back(controller);
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace cella::cgroup
