#include "bpf/device_rules.h"

#include <linux/bpf.h>

#include <iterator>
#include <map>

#include "base/result.h"

namespace cella::bpf {

Result<void> check_device_rule(const DeviceRule& rule) {
  if (rule.type != 'a' && rule.type != 'b' && rule.type != 'c') {
    return base::fail(ErrorCode::kConfigInvalid, "device rule: no device has the type \"{}\"", rule.type);
  }
  for (int64_t number : {rule.major, rule.minor}) {
    if (number < kAnyDevice || number > UINT32_MAX) {
      return base::fail(ErrorCode::kConfigInvalid, "device rule: no device has the number {}", number);
    }
  }
  if (rule.permissions.find_first_not_of("rwm") != std::string::npos) {
    return base::fail(ErrorCode::kConfigInvalid, "device rule: permissions \"{}\" are not of \"rwm\"",
                      rule.permissions);
  }
  return {};
}

uint32_t device_access(const DeviceRule& rule) {
  if (rule.type == 'a' && rule.permissions.empty()) return kAllDeviceAccess;
  uint32_t access = 0;
  for (char permission : rule.permissions) {
    access |= permission == 'r' ? BPF_DEVCG_ACC_READ : permission == 'w' ? BPF_DEVCG_ACC_WRITE : BPF_DEVCG_ACC_MKNOD;
  }
  return access;
}

bool is_device_default(const DeviceRule& rule) {
  return rule.type == 'a' && rule.major == kAnyDevice && rule.minor == kAnyDevice &&
         device_access(rule) == kAllDeviceAccess;
}

}  // namespace cella::bpf
