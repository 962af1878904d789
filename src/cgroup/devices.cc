#include "cgroup/devices.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"
#include "bpf/device_program.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

using Key = DeviceState::Key;

Result<unsigned> permission_bits(std::string_view text) {
  unsigned bits = 0;
  for (char c : text) {
    switch (c) {
      case 'r':
        bits |= 1;
        break;
      case 'w':
        bits |= 2;
        break;
      case 'm':
        bits |= 4;
        break;
      default:
        return base::fail(ErrorCode::kConfigInvalid, "device rule: bad access \"{}\"", text);
    }
  }
  if (bits == 0) return base::fail(ErrorCode::kConfigInvalid, "device rule: no access given");
  return bits;
}

std::string number(int64_t value) {
  return value == config::kWildcard ? "*" : fmt::format("{}", value);
}

std::string rule_text(const Key& key, unsigned bits) {
  return fmt::format("{} {}:{} {}{}{}", key.type, number(key.major), number(key.minor), bits & 1 ? "r" : "",
                     bits & 2 ? "w" : "", bits & 4 ? "m" : "");
}

bool overlaps(int64_t a, int64_t b) {
  return a == b || a == config::kWildcard || b == config::kWildcard;
}
bool overlaps(const Key& a, const Key& b) {
  return a.type == b.type && overlaps(a.major, b.major) && overlaps(a.minor, b.minor);
}
bool covers(const Key& outer, const Key& inner) {
  return outer.type == inner.type && (outer.major == config::kWildcard || outer.major == inner.major) &&
         (outer.minor == config::kWildcard || outer.minor == inner.minor);
}

// Takes the permissions away from every exception that the rule covers. A wider exception that overlaps cannot be cut.
Result<void> remove_exception(DeviceState& state, const Key& key, unsigned bits) {
  for (auto entry = state.exceptions.begin(); entry != state.exceptions.end();) {
    auto current = entry++;
    if ((current->second & bits) == 0 || !overlaps(current->first, key)) continue;
    if (!covers(key, current->first)) {
      return base::fail(ErrorCode::kUnsupported,
                        "device rule {}: the devices controller of cgroup v1 cannot make a hole in the rule {}",
                        rule_text(key, bits), rule_text(current->first, current->second));
    }
    current->second &= ~bits;
    if (current->second == 0) state.exceptions.erase(current);
  }
  return {};
}

Result<void> apply_rule(DeviceState& state, const config::Device& rule) {
  if (rule.type == 'a') {
    constexpr unsigned kEverything = 7;
    unsigned access = rule.permissions.empty() ? kEverything : TRY(permission_bits(rule.permissions));
    if (rule.major == config::kWildcard && rule.minor == config::kWildcard && access == kEverything) {
      state.allow_by_default = rule.allow;
      state.exceptions.clear();
      return {};
    }
    // Less than everything is no default: the same rule for both types.
    for (char type : {'b', 'c'}) {
      config::Device one = rule;
      one.type = type;
      if (one.permissions.empty()) one.permissions = "rwm";
      TRY(apply_rule(state, one));
    }
    return {};
  }
  char type = rule.type == 'u' ? 'c' : rule.type;
  if (type != 'c' && type != 'b') {
    return base::fail(ErrorCode::kConfigInvalid, "device rule: bad type '{}'", rule.type);
  }
  if (rule.major < config::kWildcard || rule.minor < config::kWildcard) {
    return base::fail(ErrorCode::kConfigInvalid, "device rule: bad number {}:{}", rule.major, rule.minor);
  }
  Key key{type, rule.major, rule.minor};
  unsigned bits = TRY(permission_bits(rule.permissions));
  if (rule.allow == state.allow_by_default) return remove_exception(state, key, bits);
  state.exceptions[key] |= bits;
  return {};
}

Result<int64_t> parse_device_number(std::string_view text) {
  if (text == "*") return config::kWildcard;
  auto value = parse_number<int64_t>(text);
  if (!value) return base::fail(ErrorCode::kSystemError, "devices.list: bad device number \"{}\"", text);
  return *value;
}

}  // namespace

Result<DeviceState> device_state(const std::vector<config::Device>& rules) {
  DeviceState state;
  for (const config::Device& rule : rules) TRY(apply_rule(state, rule));
  return state;
}

Result<DeviceState> parse_device_list(const std::string& list) {
  DeviceState state;
  for (std::string_view rest = list; !rest.empty();) {
    std::string_view line = take_until(rest, '\n');
    std::string_view type = take_until(line, ' ');
    if (type == "a") {
      state.allow_by_default = true;
      continue;
    }
    if (type != "c" && type != "b") return base::fail(ErrorCode::kSystemError, "devices.list: bad type \"{}\"", type);
    int64_t major = TRY(parse_device_number(take_until(line, ':')));
    int64_t minor = TRY(parse_device_number(take_until(line, ' ')));
    state.exceptions[{type[0], major, minor}] |= TRY(permission_bits(line));
  }
  return state;
}

std::vector<DeviceLine> device_transition(const DeviceState& from, const DeviceState& to) {
  std::vector<DeviceLine> lines;
  DeviceState current = from;
  // The list of a group that allows by default does not show its exceptions, so they cannot be told apart.
  if (current.allow_by_default != to.allow_by_default || (to.allow_by_default && from != to)) {
    lines.push_back({to.allow_by_default, "a"});
    current = {to.allow_by_default, {}};
  }
  // An exception is taken back by the opposite file. Allow first, deny then: no device that is in both is ever away.
  std::vector<DeviceLine> take_back;
  for (const auto& [key, bits] : to.exceptions) {
    auto had = current.exceptions.find(key);
    unsigned missing = had == current.exceptions.end() ? bits : bits & ~had->second;
    if (missing != 0) lines.push_back({!to.allow_by_default, rule_text(key, missing)});
  }
  for (const auto& [key, bits] : current.exceptions) {
    auto wanted = to.exceptions.find(key);
    unsigned extra = wanted == to.exceptions.end() ? bits : bits & ~wanted->second;
    if (extra != 0) take_back.push_back({to.allow_by_default, rule_text(key, extra)});
  }
  lines.insert(lines.end(), take_back.begin(), take_back.end());
  return lines;
}

Result<void> apply_devices_v1(Group& group, const std::vector<config::Device>& rules) {
  DeviceState target = TRY(device_state(rules));
  DeviceState current;
  if (group.fresh()) {
    // A new group has its parent's rules. When all is allowed nothing need be said (and a parent that does not allow
    // all would refuse it); else the first line clears whatever was inherited.
    if (target.allow_by_default && target.exceptions.empty()) return {};
    current.allow_by_default = !target.allow_by_default;
  } else {
    std::string list = TRY(group.read("devices.list"), "reading devices.list");
    current = TRY(parse_device_list(list));
  }
  sys::FileDescriptor files[2];
  for (const DeviceLine& line : device_transition(current, target)) {
    const char* name = line.allow ? "devices.allow" : "devices.deny";
    sys::FileDescriptor& file = files[line.allow];
    if (!file) file = TRY(group.open(name, O_WRONLY), "opening {}", name);
    if (::write(file.get(), line.line.data(), line.line.size()) < 0) {
      return base::fail_errno(errno, "writing {} to {}", line.line, name);
    }
  }
  return {};
}

Result<void> apply_devices_v2(int cgroup_fd, const std::vector<config::Device>& rules) {
  std::vector<bpf::DeviceRule> list;
  list.reserve(rules.size());
  for (const config::Device& rule : rules) {
    list.push_back({rule.type, rule.major, rule.minor, rule.permissions, rule.allow});
  }
  std::vector<bpf_insn> program = TRY(bpf::build_device_program(list));
  sys::FileDescriptor fd = TRY(bpf::load_device_program(program), "loading the device program");
  TRY(bpf::replace_device_programs(cgroup_fd, fd.get()), "attaching the device program");
  return {};
}

}  // namespace cella::cgroup
