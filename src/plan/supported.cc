#include "plan/supported.h"

#include <algorithm>

#include "base/result.h"

namespace cella::plan {
namespace {

using config::Config;
using config::Mount;

// What a refusal begins with: "linux.netDevices is". Empty when it is not asked for.
using Subject = std::string (*)(const Config& config);

struct Row {
  Support what;
  bool supported;
  Subject asked_for;
  const char* hint;
};

std::string mount_where(const Config& config, bool (*wanted)(const Mount&), const char* what) {
  auto mount = std::ranges::find_if(config.mounts, wanted);
  return mount == config.mounts.end() ? std::string() : fmt::format("mounting {}: {}", mount->destination, what);
}
std::string when(bool asked, const char* what) {
  return asked ? what : std::string();
}

constexpr Row kRows[] = {
    {Support::kNetDevices, true, [](const Config& c) { return when(!c.net_devices.empty(), "linux.netDevices is"); },
     ""},
    {Support::kIntelRdt, true, [](const Config& c) { return when(c.intel_rdt.has_value(), "linux.intelRdt is"); }, ""},
    {Support::kIntelRdtSchemata, true,
     [](const Config& c) { return when(c.intel_rdt && !c.intel_rdt->schemata.empty(), "linux.intelRdt.schemata is"); },
     ""},
    {Support::kIntelRdtMonitoring, true,
     [](const Config& c) {
       return when(c.intel_rdt && c.intel_rdt->enable_monitoring, "linux.intelRdt.enableMonitoring is");
     },
     ""},
    {Support::kMemoryPolicy, true,
     [](const Config& c) { return when(c.memory_policy.has_value(), "linux.memoryPolicy is"); }, ""},
    {Support::kIdmappedMounts, true,
     [](const Config& c) {
       return mount_where(
           c, [](const Mount& m) { return m.idmap || !m.uid_mappings.empty() || !m.gid_mappings.empty(); },
           "id-mapped mounts are");
     },
     ""},
    {Support::kCopyUp, true,
     [](const Config& c) {
       return mount_where(
           c, [](const Mount& m) { return (m.extensions & config::kExtensionCopyUp) != 0; }, "tmpcopyup is");
     },
     ""},
    {Support::kSystemdCgroups, false,
     [](const Config& c) { return when(c.cgroups.systemd, "the systemd cgroup driver is"); },
     "leave out --systemd-cgroup: cgroups are made through the filesystem then"},
    {Support::kSystemdUserCgroups, false,
     [](const Config& c) { return when(c.cgroups.systemd && c.cgroups.rootless, "the user's systemd is"); },
     "leave out --systemd-cgroup: cgroups are made through the filesystem then"},
    {Support::kCgroupV1, true, nullptr, ""},
    {Support::kCgroupV2, true, nullptr, ""},
    {Support::kRdma, true, nullptr, ""},
    {Support::kAppArmor, true, nullptr, ""},
    {Support::kSelinux, true, nullptr, ""},
    {Support::kCheckpoint, false, nullptr, ""},
};

}  // namespace

bool is_supported(Support what) {
  return std::ranges::find(kRows, what, &Row::what)->supported;
}

Result<void> check_supported(const Config& config) {
  for (const Row& row : kRows) {
    if (row.supported || row.asked_for == nullptr) continue;
    const std::string subject = row.asked_for(config);
    if (subject.empty()) continue;
    Error error(ErrorCode::kUnsupported, subject + " not supported yet");
    error.hint = row.hint;
    return std::unexpected(std::move(error));
  }
  return {};
}

}  // namespace cella::plan
