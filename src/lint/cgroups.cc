// /linux/resources: whether the host's cgroups have what is asked for. The choice of hierarchy is cgroup/apply.cc's.
#include <set>

#include "base/result.h"
#include "cgroup/paths.h"
#include "cgroup/settings.h"
#include "lint/host.h"
#include "lint/lint.h"
#include "oci/spec_schema.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

using cgroup::Hierarchy;
using cgroup::Setting;

class Settings {
 public:
  Settings(const cgroup::Layout& layout, json::Report& report)
      : layout_(layout), v2_(layout.find("")), report_(report) {}

  void check(const config::Resources& resources) {
    const bool any_v1 = layout_.hierarchies.size() > (v2_ != nullptr ? 1 : 0);
    if (any_v1 || v2_ == nullptr) {
      for (const Setting& setting : cgroup::v1_settings(resources)) check_v1(setting);
    }
    if (v2_ != nullptr) {
      for (const Setting& setting : cgroup::v2_settings(resources)) {
        if (layout_.find(setting.controller == "io" ? "blkio" : setting.controller) == nullptr) check_v2(setting);
      }
    }
    for (const Setting& setting : cgroup::unified_settings(resources)) {
      if (v2_ == nullptr) {
        fail(setting, "cannot be had: this host has no cgroup v2");
      } else {
        check_v2(setting);
      }
    }
  }

 private:
  void check_v1(const Setting& setting) {
    const Hierarchy* hierarchy = layout_.find(setting.controller);
    if (hierarchy == nullptr) {
      if (v2_ == nullptr) fail(setting, "cannot be had: the cgroup controller {} is not available", setting.controller);
      return;
    }
    if (!setting.refusal.empty()) return fail(setting, "cannot be had: {}", setting.refusal);
    // Of what the root group has, too, these depend on how the kernel was built and started.
    const bool may_lack = setting.file.starts_with("memory.memsw.") || setting.file.starts_with("cpu.rt_");
    if (may_lack && (setting.flags & Setting::kOptional) == 0 && !exists(hierarchy->mount_point + "/" + setting.file)) {
      fail(setting, "cannot be had: this kernel has no {}", setting.file);
    }
  }

  void check_v2(const Setting& setting) {
    if (!setting.refusal.empty()) return fail(setting, "cannot be had: {}", setting.refusal);
    constexpr unsigned kMayLack = Setting::kOptional | Setting::kDefault;
    if (setting.controller.empty() || (setting.flags & kMayLack) != 0) return;
    if (!has_word(v2_->mount_point + "/cgroup.controllers", setting.controller)) {
      fail(setting, "cannot be had: the cgroup controller {} is not available", setting.controller);
    }
  }

  // At the field "memory.limit", or "unified.memory.high", whose key has a dot. Once, however many files it is about.
  template <typename... Args>
  void fail(const Setting& setting, fmt::format_string<Args...> format, Args&&... args) {
    if (!reported_.insert(setting.field).second) return;
    const size_t dot = setting.field.find('.');
    json::At outer(report_, std::string_view(setting.field).substr(0, dot));
    if (dot == std::string::npos) return report_.fail(format, std::forward<Args>(args)...);
    report_.fail_in(std::string_view(setting.field).substr(dot + 1), format, std::forward<Args>(args)...);
  }

  const cgroup::Layout& layout_;
  const Hierarchy* v2_;
  json::Report& report_;
  std::set<std::string> reported_;
};

void check_list(json::Report& report, const char* key, const std::string& list, const char* file) {
  const std::string online = first_line(file);
  const std::string missing = online.empty() ? std::string() : outside(list, online);
  if (!missing.empty()) report.fail_in(key, "has what is not online: {} ({} has {})", missing, file, online);
}

void check_hugepages(const std::vector<oci::HugepageLimit>& limits, json::Report& report) {
  json::At at(report, "hugepageLimits");
  for (size_t i = 0; i < limits.size(); ++i) {
    json::At item(report, i);
    const std::string& size = limits[i].page_size;  // "2MB"
    uint64_t kilobytes = std::strtoull(size.c_str(), nullptr, 10);
    if (size.ends_with("MB")) kilobytes <<= 10;
    if (size.ends_with("GB")) kilobytes <<= 20;
    if (!exists(fmt::format("/sys/kernel/mm/hugepages/hugepages-{}kB", kilobytes))) {
      report.fail_in("pageSize", "is not a size of huge pages here: {}", size);
    }
  }
}

template <typename Device>
void check_block_devices(const char* key, const std::vector<Device>& devices, json::Report& report) {
  json::At at(report, key);
  for (size_t i = 0; i < devices.size(); ++i) {
    json::At item(report, i);
    if (!exists(fmt::format("/sys/dev/block/{}:{}", devices[i].major, devices[i].minor))) {
      report.fail("is not a block device of this host: {}:{}", devices[i].major, devices[i].minor);
    }
  }
}

void check_block_io(const oci::BlockIO& io, json::Report& report) {
  json::At at(report, "blockIO");
  check_block_devices("weightDevice", io.weight_device, report);
  check_block_devices("throttleReadBpsDevice", io.throttle_read_bps_device, report);
  check_block_devices("throttleWriteBpsDevice", io.throttle_write_bps_device, report);
  check_block_devices("throttleReadIOPSDevice", io.throttle_read_iops_device, report);
  check_block_devices("throttleWriteIOPSDevice", io.throttle_write_iops_device, report);
}

void check_named(const oci::Resources& resources, json::Report& report) {
  if (resources.network) {
    json::At at(report, "network");
    json::At list(report, "priorities");
    for (size_t i = 0; i < resources.network->priorities.size(); ++i) {
      json::At item(report, i);
      const std::string& name = resources.network->priorities[i].name;
      if (!exists("/sys/class/net/" + name))
        report.fail_in("name", "is not a network interface of this host: {}", name);
    }
  }
  json::At at(report, "rdma");
  for (const auto& [name, limits] : resources.rdma) {
    if (!exists("/sys/class/infiniband/" + name)) report.fail_in(name, "is not an RDMA device of this host");
  }
}

// Somebody else's cgroup would be refused.
void check_path(const Subject& subject, json::Report& report) {
  if (subject.config.cgroups.path.empty() || subject.spec.linux_config->cgroups_path.empty()) return;
  Result<cgroup::Paths> paths = cgroup::container_paths(subject.layout, subject.config.cgroups, "lint");
  if (!paths) return report.fail_in("cgroupsPath", "{}", paths.error().text());
  for (const auto& [controller, path] : *paths) {
    SysResult<std::string> processes = sys::read_file((path + "/cgroup.procs").c_str());
    if (processes && !processes->empty()) {
      return report.fail_in("cgroupsPath", "is a cgroup that has processes already: {}", path);
    }
  }
}

}  // namespace

void check_cgroups(const Subject& subject, json::Report& report) {
  if (!subject.spec.linux_config) return;
  json::At linux_at(report, "linux");
  check_path(subject, report);
  if (!subject.spec.linux_config->resources) return;
  const oci::Resources& resources = *subject.spec.linux_config->resources;
  json::At at(report, "resources");
  Settings(subject.layout, report).check(subject.config.cgroups.resources);
  if (!resources.devices.empty() && subject.layout.find("devices") == nullptr && subject.layout.find("") == nullptr) {
    report.fail_in("devices", "cannot be had: the cgroup controller devices is not available");
  }
  if (resources.cpu) {
    json::At cpu(report, "cpu");
    check_list(report, "cpus", resources.cpu->cpus, "/sys/devices/system/cpu/online");
    check_list(report, "mems", resources.cpu->mems, "/sys/devices/system/node/online");
  }
  check_hugepages(resources.hugepage_limits, report);
  if (resources.block_io) check_block_io(*resources.block_io, report);
  check_named(resources, report);
}

}  // namespace cella::lint
