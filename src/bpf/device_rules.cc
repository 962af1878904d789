#include "bpf/device_rules.h"

#include <linux/bpf.h>

#include <iterator>
#include <map>

#include "base/result.h"

namespace cella::bpf {
namespace {

// In the order in which the lines are written.
struct Match {
  int64_t major, minor;
  char type;
  friend auto operator<=>(const Match&, const Match&) = default;
};

std::string number_text(int64_t number) {
  return number == kAnyDevice ? "*" : fmt::format("{}", number);
}

std::string line_text(const Match& match, uint32_t access) {
  return fmt::format("{} {}:{} {}{}{}", match.type, number_text(match.major), number_text(match.minor),
                     (access & BPF_DEVCG_ACC_READ) != 0 ? "r" : "", (access & BPF_DEVCG_ACC_WRITE) != 0 ? "w" : "",
                     (access & BPF_DEVCG_ACC_MKNOD) != 0 ? "m" : "");
}

bool covers(int64_t wide, int64_t narrow) {
  return wide == kAnyDevice || wide == narrow;
}
bool meet(int64_t a, int64_t b) {
  return covers(a, b) || covers(b, a);
}

// The controller's state.
class Exceptions {
 public:
  bool default_allow = false;
  std::map<Match, uint32_t> list;

  void reset(bool allow) {
    default_allow = allow;
    list.clear();
  }

  Result<void> apply(const Match& match, uint32_t access, bool allow) {
    if (allow != default_allow) {
      list[match] |= access;
      return {};
    }
    for (auto entry = list.begin(); entry != list.end();) {
      auto& [other, granted] = *entry;
      const bool overlap = other.type == match.type && (granted & access) != 0 && meet(other.major, match.major) &&
                           meet(other.minor, match.minor);
      if (!overlap) {
        ++entry;
        continue;
      }
      if (!covers(match.major, other.major) || !covers(match.minor, other.minor)) {
        return base::fail(ErrorCode::kConfigInvalid,
                          "device rule {} {}: cgroup v1 cannot take it out of the wider rule {}",
                          allow ? "allow" : "deny", line_text(match, access), line_text(other, granted));
      }
      granted &= ~access;
      entry = granted == 0 ? list.erase(entry) : std::next(entry);
    }
    return {};
  }
};

}  // namespace

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

Result<std::vector<DeviceLine>> device_lines(const std::vector<DeviceRule>& rules) {
  Exceptions state;
  for (const DeviceRule& rule : rules) {
    TRY(check_device_rule(rule));
    if (is_device_default(rule)) {
      state.reset(rule.allow);
      continue;
    }
    // The controller reads "a" as every device and every access, whatever follows: say "b" and "c".
    for (char type : {'b', 'c'}) {
      if (device_access(rule) == 0 || (rule.type != 'a' && rule.type != type)) continue;
      TRY(state.apply({rule.major, rule.minor, type}, device_access(rule), rule.allow));
    }
  }
  std::vector<DeviceLine> lines = {{state.default_allow, "a"}};
  for (const auto& [match, access] : state.list) lines.push_back({!state.default_allow, line_text(match, access)});
  return lines;
}

}  // namespace cella::bpf
