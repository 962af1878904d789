#include "rdt/filesystem.h"

#include <fcntl.h>

#include "base/result.h"
#include "cgroup/text.h"
#include "sys/file.h"

namespace cella::rdt {
namespace {

using cgroup::take_until;
using cgroup::unescape;

}  // namespace

std::optional<Filesystem> find(std::string_view mountinfo) {
  while (!mountinfo.empty()) {
    std::string_view line = take_until(mountinfo, '\n');
    // "36 25 0:31 / /sys/fs/resctrl rw,relatime shared:1 - resctrl resctrl rw,mba_MBps"
    size_t separator = line.find(" - ");
    if (separator == line.npos) continue;
    std::string_view mount = line.substr(0, separator), rest = line.substr(separator + 3);
    if (take_until(rest, ' ') != "resctrl") continue;
    for (int field = 0; field < 3; ++field) take_until(mount, ' ');
    if (take_until(mount, ' ') != "/") continue;
    Filesystem found{unescape(take_until(mount, ' '))};
    take_until(rest, ' ');
    while (!rest.empty()) found.bandwidth_in_mbps |= take_until(rest, ',') == "mba_MBps";
    return found;
  }
  return std::nullopt;
}

Result<std::optional<Filesystem>> detect() {
  return find(TRY(sys::read_file("/proc/self/mountinfo"), "looking for resctrl"));
}

Support probe(const Filesystem& filesystem) {
  Support support;
  auto list = [&](const char* directory) {
    std::vector<std::string> names;
    SysResult<sys::FileDescriptor> fd = sys::open((filesystem.root + directory).c_str(), O_RDONLY | O_DIRECTORY);
    if (!fd) return names;
    return sys::list_directory(fd->get()).value_or(names);
  };
  for (const std::string& name : list("/info")) {
    support.cache_allocation |= name == "L3" || name == "L3CODE";
    support.bandwidth_allocation |= name == "MB";
    support.any_allocation |= name != "last_cmd_status" && !name.ends_with("_MON");
  }
  for (const std::string& name : list("")) support.monitoring |= name == "mon_groups";
  SysResult<std::string> features = sys::read_file((filesystem.root + "/info/L3_MON/mon_features").c_str());
  for (std::string_view rest = features ? *features : std::string_view(); !rest.empty();) {
    std::string_view feature = take_until(rest, '\n');
    support.llc_occupancy |= feature == "llc_occupancy";
    support.mbm_total_bytes |= feature == "mbm_total_bytes";
    support.mbm_local_bytes |= feature == "mbm_local_bytes";
  }
  return support;
}

}  // namespace cella::rdt
