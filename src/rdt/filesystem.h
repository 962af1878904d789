// The mounted resctrl filesystem, and what of it this kernel and this machine have. The user mounts it; nothing here
// does. Follows the kernel's Documentation/filesystems/resctrl.rst and proc_pid_mountinfo(5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <cella/error.h>

namespace cella::rdt {

struct Filesystem {
  std::string root;                // "/sys/fs/resctrl": the default group, whose subdirectories are the others
  bool bandwidth_in_mbps = false;  // mounted with mba_MBps: MB schemata are in MB/s, not in percent
};

// The first whole resctrl (no bind mount of a part) in a mountinfo file. Pure.
std::optional<Filesystem> find(std::string_view mountinfo);
// In the caller's mount namespace. nullopt: none is mounted there.
Result<std::optional<Filesystem>> detect();

// What `features` calls schemata and monitoring, and what stats are made of.
struct Support {
  bool cache_allocation = false;      // CAT: L3 schemata, or L3CODE and L3DATA of a mount with cdp
  bool bandwidth_allocation = false;  // MBA: MB schemata
  bool any_allocation = false;        // schemata of these or of other resources
  bool monitoring = false;            // groups can be monitored
  bool llc_occupancy = false, mbm_total_bytes = false, mbm_local_bytes = false;  // what is counted for them
};
Support probe(const Filesystem& filesystem);

}  // namespace cella::rdt
