// Device rules in a cgroup: the v1 devices controller's lines, or a v2 program.
//
// Rules are the OCI's: in order, the last that matches decides. The v1 controller (Documentation/admin-guide/cgroup-v1/
// devices.rst) keeps a default and exceptions to it and matches exceptions in any order, so that not every list can be
// had: what cannot (a hole in a wildcard) is refused, never weakened.
//
// Cost, v1: a new group takes one open and write for "deny all", one open and a write a rule; nothing at all when the
// rules allow everything. An existing group costs a read of devices.list, and only the differences are written.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <vector>

#include <cella/error.h>

#include "cgroup/group.h"
#include "config/config.h"

namespace cella::cgroup {

// What the v1 controller holds: a default, and exceptions to it.
struct DeviceState {
  struct Key {
    char type = 'c';
    int64_t major = 0;
    int64_t minor = 0;
    auto operator<=>(const Key&) const = default;
  };
  bool allow_by_default = false;
  std::map<Key, unsigned> exceptions;  // permission bits: 1 r, 2 w, 4 m

  friend bool operator==(const DeviceState&, const DeviceState&) = default;
};

// Folds rules into a state. kConfigInvalid for a bad rule, kUnsupported for one that v1 cannot express.
Result<DeviceState> device_state(const std::vector<config::Device>& rules);
// Reads devices.list back.
Result<DeviceState> parse_device_list(const std::string& list);

struct DeviceLine {
  bool allow = false;  // devices.allow, or devices.deny
  std::string line;    // "c 1:3 rwm"
  friend bool operator==(const DeviceLine&, const DeviceLine&) = default;
};
// The shortest list of writes that makes `to` out of `from`.
std::vector<DeviceLine> device_transition(const DeviceState& from, const DeviceState& to);

Result<void> apply_devices_v1(Group& group, const std::vector<config::Device>& rules);
// Attaches a BPF_CGROUP_DEVICE program in the place of those that are there.
Result<void> apply_devices_v2(int cgroup_fd, const std::vector<config::Device>& rules);

}  // namespace cella::cgroup
