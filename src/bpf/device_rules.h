// Device rules: which devices the processes of a cgroup may read, write and make. For the program that enforces them on
// cgroup v2 see device_program.h; what cgroup v1 is told is in cgroup/devices.h.
//
// Rules are ordered; for each of r, w and m the last rule that names the device and the access decides, and nothing
// decides but "refuse" before the first rule.
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

}  // namespace cella::bpf
