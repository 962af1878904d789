// Manager::apply: writing the values that were asked for.
#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "cgroup/devices.h"
#include "cgroup/manager.h"
#include "cgroup/settings.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

std::unexpected<Error> refuse(const Setting& setting, ErrorCode code, std::string why) {
  return std::unexpected(Error(code, std::move(why)).with(fmt::format("linux.resources.{}", setting.field)));
}

std::unexpected<Error> no_controller(const Setting& setting) {
  return refuse(setting, ErrorCode::kUnsupported,
                fmt::format("the cgroup controller {} is not available", setting.controller));
}

SysResult<void> write_either(Group& group, const Setting& setting) {
  SysResult<void> written = group.write(setting.file.c_str(), setting.value);
  if (written || written.error().value != ENOENT || setting.other_file.empty()) return written;
  return group.write(setting.other_file.c_str(), setting.other_value);
}

// The kernel's refusal as a sentence: which value, which file, and what it was for.
std::unexpected<Error> explain(Group& group, const Setting& setting, int error) {
  if (error == EBUSY && setting.file == "memory.limit_in_bytes") {
    auto number = [&](const char* file) {
      SysResult<std::string> text = group.read(file);
      return text ? parse_limit(*text) : 0;
    };
    return refuse(setting, ErrorCode::kSystemError,
                  fmt::format("unable to set memory limit to {} (current usage: {}, peak usage: {})", setting.value,
                              number("memory.usage_in_bytes"), number("memory.max_usage_in_bytes")));
  }
  bool missing = error == ENOENT || error == EACCES || error == EPERM;
  if (missing && group.v2() && !setting.controller.empty() && !group.enabled(setting.controller)) {
    return no_controller(setting);
  }
  return std::unexpected(Error(Errno{error})
                             .with(fmt::format("writing {} to {}", setting.value, setting.file))
                             .with(fmt::format("linux.resources.{}", setting.field)));
}

Result<void> verify(Group& group, const Setting& setting) {
  SysResult<std::string> text = group.read(setting.file.c_str());
  if (!text) return base::fail_errno(text.error().value, "reading {}", setting.file);
  uint64_t wanted = parse_limit(setting.value);
  uint64_t got = parse_limit(*text);
  if (got == wanted) return {};
  return refuse(setting, ErrorCode::kSystemError,
                fmt::format("the {} allowed {} is {}", wanted > got ? "maximum" : "minimum", setting.file, got));
}

class Writer {
 public:
  // What had to be deferred is written by finish(), when all else is.
  Result<void> write(Group& group, const Setting& setting) {
    if (!setting.refusal.empty()) return refuse(setting, ErrorCode::kUnsupported, setting.refusal);
    if (group.fresh() && (setting.flags & Setting::kDefault) != 0) return {};
    SysResult<void> written = write_either(group, setting);
    if (!written && written.error().value == ENOENT && group.v2() && !setting.controller.empty() &&
        !group.enabled(setting.controller)) {
      group.enable_controllers(setting.controller);
      written = write_either(group, setting);
    }
    if (!written) {
      int error = written.error().value;
      if (error == EINVAL && (setting.flags & Setting::kDeferrable) != 0) {
        deferred_.push_back({&group, &setting});
        return {};
      }
      if (error == ENOENT && (setting.flags & Setting::kOptional) != 0) return {};
      return explain(group, setting, error);
    }
    if ((setting.flags & Setting::kVerify) != 0) TRY(verify(group, setting));
    return {};
  }
  Result<void> finish() {
    for (auto [group, setting] : deferred_) {
      SysResult<void> written = write_either(*group, *setting);
      if (!written) return explain(*group, *setting, written.error().value);
    }
    deferred_.clear();
    return {};
  }

 private:
  struct Deferred {
    Group* group;
    const Setting* setting;
  };
  std::vector<Deferred> deferred_;
};

// Before a limit is cut below what is in use, on request: the v2 kernel would kill, the v1 kernel says EBUSY by itself.
Result<void> check_memory_usage(Group& group, const config::Resources& resources) {
  if (!resources.memory_check_before_update) return {};
  SysResult<std::string> text = group.read("memory.current");
  if (!text) return {};
  uint64_t usage = parse_limit(*text);
  auto check = [&](const char* what, const std::optional<int64_t>& limit) -> Result<void> {
    if (!limit || *limit <= 0 || static_cast<uint64_t>(*limit) > usage) return {};
    return base::fail(ErrorCode::kInvalidArgument, "rejecting {} limit {} <= usage {}", what, *limit, usage);
  };
  TRY(check("memory+swap", resources.memory_swap));
  return check("memory", resources.memory);
}

}  // namespace

Result<void> Manager::apply(const config::Resources& resources) {
  if (borrowed_) return {};
  if (!resources.skip_devices && !resources.devices.empty()) {
    Result<void> applied = apply_devices(resources);
    // A rootless caller has no say over devices, and its processes no way to make one.
    if (!applied && !rootless_) return applied;
    auto forbids = [](const config::Device& rule) { return !rule.allow; };
    if (!applied && std::ranges::any_of(resources.devices, forbids)) {
      ignored_.push_back({"/linux/resources/devices", "is ignored: " + applied.error().text()});
    }
  }
  TRY(apply_settings(resources));
  for (Group& group : groups_) group.set_used();
  if (resources.freezer != config::FreezerState::kUndefined) {
    TRY(freeze(resources.freezer == config::FreezerState::kFrozen));
  }
  return {};
}

Result<void> Manager::apply_devices(const config::Resources& resources) {
  if (Group* group = find("devices")) {
    TRY(apply_devices_v1(*group, resources.devices), "applying device rules to cgroup {}", group->path());
    return {};
  }
  if (Group* group = unified()) {
    int fd = TRY(group->directory(), "opening {}", group->path());
    TRY(apply_devices_v2(fd, resources.devices), "applying device rules to cgroup {}", group->path());
    return {};
  }
  return base::fail(ErrorCode::kUnsupported, "linux.resources.devices: the cgroup controller devices is not available");
}

// A controller is v1's where a v1 hierarchy has it, else the v2 tree's. A setting in v1's words for a controller that
// only the v2 tree has is left to v2's own list, and the other way round.
Result<void> Manager::apply_settings(const config::Resources& resources) {
  Group* v2 = unified();
  bool any_v1 = groups_.size() > (v2 != nullptr ? 1 : 0);

  Writer writer;
  std::vector<Setting> settings = any_v1 || v2 == nullptr ? v1_settings(resources) : std::vector<Setting>{};
  for (const Setting& setting : settings) {
    Group* group = find(setting.controller);
    if (group != nullptr) {
      TRY(writer.write(*group, setting), "cgroup {}", group->path());
    } else if (v2 == nullptr) {
      return no_controller(setting);
    }
  }
  TRY(writer.finish());

  if (v2 != nullptr) {
    if (!any_v1 || find("memory") == nullptr) TRY(check_memory_usage(*v2, resources));
    std::vector<Setting> v2_list = v2_settings(resources);
    for (const Setting& setting : v2_list) {
      if (find(setting.controller == "io" ? "blkio" : setting.controller) != nullptr) continue;
      TRY(writer.write(*v2, setting), "cgroup {}", v2->path());
    }
    TRY(writer.finish());
  }
  std::vector<Setting> raw = unified_settings(resources);
  for (const Setting& setting : raw) {
    if (v2 == nullptr) return refuse(setting, ErrorCode::kUnsupported, "this host has no cgroup v2");
    TRY(writer.write(*v2, setting), "cgroup {}", v2->path());
  }
  return {};
}

}  // namespace cella::cgroup
