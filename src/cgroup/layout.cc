#include "cgroup/layout.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <optional>

#include "base/result.h"
#include "cgroup/text.h"
#include "sys/file.h"

namespace cella::cgroup {
namespace {

constexpr const char* kDefaultRoot = "/sys/fs/cgroup";

// One line of mountinfo that may matter: a cgroup mount, or one that may hide a cgroup mount.
struct MountLine {
  int id = 0;
  int parent = 0;
  std::string_view root;
  std::string_view point;
  std::string_view type;
  std::string_view super_options;
};

MountLine parse_mount_line(std::string_view line) {
  MountLine mount;
  mount.id = parse_number<int>(take_until(line, ' ')).value_or(0);
  mount.parent = parse_number<int>(take_until(line, ' ')).value_or(0);
  take_until(line, ' ');  // major:minor
  mount.root = take_until(line, ' ');
  mount.point = take_until(line, ' ');
  size_t separator = line.find(" - ");
  if (separator == std::string_view::npos) return {};
  line.remove_prefix(separator + 3);
  mount.type = take_until(line, ' ');
  take_until(line, ' ');  // source
  mount.super_options = line;
  return mount;
}

bool is_cgroup(const MountLine& mount) {
  return mount.type == "cgroup" || mount.type == "cgroup2";
}

bool is_prefix(std::string_view shorter, std::string_view path) {
  return shorter == "/" ||
         (path.starts_with(shorter) && (path.size() == shorter.size() || path[shorter.size()] == '/'));
}

// Is there another mount on top of this one, or on top of a directory on the way to it? Mount ids, not the order of
// lines, tell: a root file system switched to by an initramfs stands after the /sys that was moved into it.
bool is_hidden(const std::vector<MountLine>& mounts, const MountLine& mount) {
  const MountLine* current = &mount;
  for (size_t depth = 0; depth < mounts.size(); ++depth) {
    for (const MountLine& other : mounts) {
      if (other.id == current->id) continue;
      if (other.parent == mount.id && other.point == mount.point) return true;
      if (other.parent == current->parent && other.point != current->point && is_prefix(other.point, current->point)) {
        return true;
      }
    }
    auto parent = std::find_if(mounts.begin(), mounts.end(), [&](auto& m) { return m.id == current->parent; });
    if (parent == mounts.end() || &*parent == current) break;
    current = &*parent;
  }
  return false;
}

// The path of the hierarchy with this list of controllers ("cpu,cpuacct", "name=systemd", "") in /proc/PID/cgroup.
struct OwnCgroup {
  std::string_view controllers;
  std::string_view path;
};

std::vector<OwnCgroup> parse_own(std::string_view text) {
  std::vector<OwnCgroup> result;
  for_each_line(text, [&](std::string_view line) {
    take_until(line, ':');
    std::string_view controllers = take_until(line, ':');
    if (line.starts_with('/')) result.push_back({controllers, line});
  });
  return result;
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> result;
  while (!list.empty()) result.emplace_back(take_until(list, ','));
  return result;
}

bool has_option(std::string_view options, std::string_view name) {
  while (!options.empty()) {
    if (take_until(options, ',') == name) return true;
  }
  return false;
}

bool prefer(const MountLine& candidate, const MountLine& current) {
  return is_prefix(kDefaultRoot, candidate.point) && !is_prefix(kDefaultRoot, current.point);
}

}  // namespace

bool Hierarchy::has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::string Hierarchy::own_directory() const {
  std::string_view relative = own_path;
  if (mount_root != "/" && is_prefix(mount_root, own_path)) relative.remove_prefix(mount_root.size());
  if (relative == "/") relative = {};
  return mount_point + std::string(relative);
}

const Hierarchy* Layout::find(std::string_view controller) const {
  for (const Hierarchy& hierarchy : hierarchies) {
    if (hierarchy.has(controller)) return &hierarchy;
  }
  return nullptr;
}

Layout parse_layout(std::string_view mountinfo, std::string_view proc_self_cgroup) {
  std::vector<MountLine> mounts;
  for_each_line(mountinfo, [&](std::string_view line) {
    // Most lines are neither; look before parsing.
    if (line.find(" - cgroup") == std::string_view::npos && line.find(" /sys") == std::string_view::npos) return;
    MountLine mount = parse_mount_line(line);
    if (is_cgroup(mount) || is_prefix(mount.point, kDefaultRoot) || is_prefix(kDefaultRoot, mount.point)) {
      mounts.push_back(mount);
    }
  });

  Layout layout;
  bool v1 = false;
  std::optional<Hierarchy> v2;  // goes last
  // The hierarchies are those of /proc/self/cgroup: it has each once, with its controllers; mounts are matched to it.
  for (const OwnCgroup& own : parse_own(proc_self_cgroup)) {
    std::vector<std::string> controllers = split(own.controllers);
    const MountLine* best = nullptr;
    for (const MountLine& mount : mounts) {
      bool match = own.controllers.empty() ? mount.type == "cgroup2"
                                           : mount.type == "cgroup" && has_option(mount.super_options, controllers[0]);
      if (!match || (best != nullptr && !prefer(mount, *best)) || is_hidden(mounts, mount)) continue;
      best = &mount;
    }
    if (best == nullptr) continue;
    Hierarchy hierarchy{std::string(own.controllers), std::move(controllers), unescape(best->point),
                        unescape(best->root), std::string(own.path)};
    if (hierarchy.v2()) {
      hierarchy.controllers.emplace_back();
      v2 = std::move(hierarchy);
    } else {
      v1 = true;
      layout.hierarchies.push_back(std::move(hierarchy));
    }
  }
  if (v2) layout.hierarchies.push_back(*v2);
  layout.kind = v1 ? (v2 ? Layout::kHybrid : Layout::kV1) : (v2 ? Layout::kV2 : Layout::kNone);
  return layout;
}

Layout v2_layout(std::string_view proc_self_cgroup) {
  Layout layout;
  layout.kind = Layout::kV2;
  Hierarchy hierarchy{"", {""}, kDefaultRoot, "/", "/"};
  for (const OwnCgroup& own : parse_own(proc_self_cgroup)) {
    if (own.controllers.empty()) hierarchy.own_path = own.path;
  }
  layout.hierarchies.push_back(std::move(hierarchy));
  return layout;
}

Result<Layout> detect() {
  std::string own = TRY(sys::read_file("/proc/self/cgroup"), "reading /proc/self/cgroup");
  struct statfs status;
  if (::statfs(kDefaultRoot, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC) return v2_layout(own);
  std::string mountinfo = TRY(sys::read_file("/proc/self/mountinfo"), "reading /proc/self/mountinfo");
  return parse_layout(mountinfo, own);
}

}  // namespace cella::cgroup
