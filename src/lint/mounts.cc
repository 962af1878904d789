// /mounts: filesystem types, sources, and the places in the root filesystem.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <cerrno>
#include <map>

#include "config/specconv.h"
#include "lint/host.h"
#include "lint/inside.h"
#include "lint/lint.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

// May the kernel load a module for a filesystem that it has not?
bool can_load_modules() {
  utsname name;
  return !first_line("/proc/sys/kernel/modprobe").empty() && ::uname(&name) == 0 &&
         exists(fmt::format("/lib/modules/{}", name.release));
}

void check_type(const config::Mount& mount, json::Report& report) {
  const std::string& type = mount.device;
  if (type.empty()) return report.fail_in("type", "is needed by a mount that is no bind mount");
  // "cgroup" is what a container calls its cgroups, whichever version they are.
  if (type == "cgroup" || has_word("/proc/filesystems", type)) return;
  if (can_load_modules()) {
    report.warn_in("type", "is a filesystem that this kernel has not loaded: {}", json::quoted(type));
  } else {
    report.fail_in("type", "is a filesystem that this kernel has not: {}", json::quoted(type));
  }
}

// A place that is there must be of the kind of what is mounted on it; one that is not is made.
void check_place(const Subject& subject, const config::Mount& mount, std::optional<bool> directory, size_t index,
                 json::Report& report) {
  const std::string path = config::clean_path(mount.destination);
  if (!subject.root || is_covered(subject, path, index)) return;
  SysResult<struct stat> place = stat_inside(subject, path);
  if (place) {
    if (directory && *directory != S_ISDIR(place->st_mode)) {
      report.fail_in("destination", "is {} in the root filesystem, and what is mounted there is {}",
                     S_ISDIR(place->st_mode) ? "a directory" : "no directory", *directory ? "one" : "none");
    }
    if ((mount.device == "proc" || mount.device == "sysfs") &&
        !sys::resolve_in_root(subject.root->get(), path.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY)) {
      report.fail_in("destination", "is a symbolic link in the root filesystem, which {} must not be mounted on",
                     mount.device);
    }
    return;
  }
  struct statvfs status;
  if (place.error().value == ENOENT && ::fstatvfs(subject.root->get(), &status) == 0 &&
      (status.f_flag & ST_RDONLY) != 0) {
    report.fail_in("destination", "is not there and cannot be made: the root filesystem is mounted read-only");
  }
}

void check_mount(const Subject& subject, const config::Mount& mount, size_t index, json::Report& report) {
  if ((mount.flags & MS_BIND) == 0) {
    check_type(mount, report);
    return check_place(subject, mount, true, index, report);
  }
  SysResult<struct stat> source = sys::stat_at(sys::kCurrentDirectory, mount.source.c_str());
  if (!source) {
    report.fail_in("source", "cannot be bound: {}: {}", mount.source, errno_text(source.error().value));
  }
  check_place(subject, mount, source ? std::optional(S_ISDIR(source->st_mode)) : std::nullopt, index, report);
}

}  // namespace

void check_mounts(const Subject& subject, json::Report& report) {
  json::At at(report, "mounts");
  std::map<std::string, size_t> last;
  for (size_t i = 0; i < subject.config.mounts.size(); ++i) {
    const config::Mount& mount = subject.config.mounts[i];
    json::At item(report, i);
    check_mount(subject, mount, i, report);
    if (!subject.spec.mounts[i].destination.starts_with('/')) {
      report.warn_in("destination", "should be absolute; it is taken as relative to the root");
    }
    auto [entry, is_first] = last.emplace(config::clean_path(mount.destination), i);
    if (!is_first) {
      report.warn_in("destination", "is that of entry {} too, which is covered", entry->second);
      entry->second = i;
    }
  }
}

}  // namespace cella::lint
