// Manager::apply and set: the values that were asked for.
#include <algorithm>

#include "base/result.h"
#include "cgroup/devices.h"
#include "cgroup/manager.h"
#include "cgroup/settings.h"
#include "cgroup/text.h"
#include "cgroup/writer.h"
#include "config/resources.h"

namespace cella::cgroup {
namespace {

// Before a limit is cut below what is in use, on request: the v2 kernel would kill, the v1 kernel says EBUSY by itself.
Result<void> check_memory_usage(Group& group, const config::Resources& resources) {
  if (!resources.memory_check_before_update.value_or(false)) return {};
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
  Writer writer(Writer::Mode::kBlind);
  TRY(write_settings(resources, writer));
  for (Group& group : groups_) group.set_used();
  if (resources.freezer != config::FreezerState::kUndefined) {
    TRY(freeze(resources.freezer == config::FreezerState::kFrozen));
  }
  return {};
}

Result<void> Manager::set(const config::Resources& resources, const config::Resources& before) {
  Writer writer(Writer::Mode::kReversible);
  Result<void> done = write_settings(resources, writer);
  // The last step: its own undoing is then all that there is to undo of it.
  if (done && !resources.skip_devices && !config::same_rules(resources.devices, before.devices)) {
    done = apply_devices(resources);
    if (!done) (void)apply_devices(before);
  }
  if (done) return {};
  std::vector<std::string> failures = writer.roll_back();
  if (failures.empty()) return done;
  return std::unexpected(
      std::move(done).error().with(fmt::format("not put back as it was ({})", fmt::join(failures, "; "))));
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
Result<void> Manager::write_settings(const config::Resources& resources, Writer& writer) {
  Group* v2 = unified();
  bool any_v1 = groups_.size() > (v2 != nullptr ? 1 : 0);

  std::vector<Setting> settings = any_v1 || v2 == nullptr ? v1_settings(resources) : std::vector<Setting>{};
  for (const Setting& setting : settings) {
    Group* group = find(setting.controller);
    if (group != nullptr) {
      TRY(writer.write(*group, setting), "cgroup {}", group->path());
    } else if (v2 == nullptr) {
      return std::unexpected(no_group(setting.controller).with(fmt::format("linux.resources.{}", setting.field)));
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
