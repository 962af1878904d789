// Device rules and what cgroup v1 is told about them: lines for devices.deny and devices.allow
// (Documentation/admin-guide/cgroup-v1/devices.rst). For cgroup v2 see device_program.h.
//
// Rules are ordered; for each of r, w and m the last rule that names the device and the access decides, and nothing
// decides but "refuse" before the first rule. The v1 controller keeps a default and a set of exceptions to it, cannot
// take a part out of an exception (it ignores that silently), and matches an access against one exception at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <cella/error.h>

namespace cella::bpf {

inline constexpr int64_t kAnyDevice = -1;

struct DeviceRule {
  char type = 'a';  // 'c', 'b', or 'a' for both
  int64_t major = kAnyDevice;
  int64_t minor = kAnyDevice;
  std::string permissions;  // of "rwm"; empty: all of them when the type is 'a', none (no effect) otherwise
  bool allow = false;
};

// BPF_DEVCG_ACC_MKNOD (1, "m"), _READ (2, "r"), _WRITE (4, "w").
inline constexpr uint32_t kAllDeviceAccess = 7;
// kConfigInvalid: a type, number or permission that does not exist.
Result<void> check_device_rule(const DeviceRule& rule);
uint32_t device_access(const DeviceRule& rule);  // bits; of a checked rule
// Is it about every device and every access?
bool is_device_default(const DeviceRule& rule);

struct DeviceLine {
  bool allow = false;  // to devices.allow, or to devices.deny
  std::string line;    // "a", "c 1:3 rwm", "b *:* m"
  friend bool operator==(const DeviceLine&, const DeviceLine&) = default;
};

// The shortest list of writes that brings any v1 cgroup to the state that the rules describe: first the default, then
// the exceptions by major, minor, type. kConfigInvalid also when a rule takes a part out of a wider exception, which v1
// would ignore: a device would stay accessible that the rules refuse.
Result<std::vector<DeviceLine>> device_lines(const std::vector<DeviceRule>& rules);

}  // namespace cella::bpf
