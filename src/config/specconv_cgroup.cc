#include <algorithm>

#include "config/specconv_parts.h"

namespace cella::config {
namespace {

constexpr std::string_view kPropertyPrefix = "org.systemd.property.";

// libcontainer's convention: 0 is "not set", except where the limit is a pointer there.
template <typename T>
void set(const std::optional<T>& from, std::optional<T>& to) {
  if (from && *from != 0) to = from;
}
template <typename T>
void set_even_zero(const std::optional<T>& from, std::optional<T>& to) {
  if (from) to = from;
}

Device convert_rule(const oci::DeviceCgroup& from) {
  Device rule;
  rule.type = from.type.empty() ? 'a' : from.type[0];
  rule.major = from.major.value_or(kWildcard);
  rule.minor = from.minor.value_or(kWildcard);
  rule.permissions = from.access;
  rule.allow = from.allow;
  return rule;
}

void update_block_io(const oci::BlockIO& from, Resources& to) {
  set(from.weight, to.blkio_weight);
  set(from.leaf_weight, to.blkio_leaf_weight);
  if (!from.weight_device.empty()) to.blkio_weight_device.clear();
  for (const oci::WeightDevice& d : from.weight_device)
    to.blkio_weight_device.push_back(
        {.major = d.major, .minor = d.minor, .weight = d.weight, .leaf_weight = d.leaf_weight});
  auto throttle = [](const std::vector<oci::ThrottleDevice>& devices, std::vector<ThrottleDevice>& list) {
    if (!devices.empty()) list.clear();
    for (const oci::ThrottleDevice& d : devices) list.push_back({.major = d.major, .minor = d.minor, .rate = d.rate});
  };
  throttle(from.throttle_read_bps_device, to.blkio_throttle_read_bps_device);
  throttle(from.throttle_write_bps_device, to.blkio_throttle_write_bps_device);
  throttle(from.throttle_read_iops_device, to.blkio_throttle_read_iops_device);
  throttle(from.throttle_write_iops_device, to.blkio_throttle_write_iops_device);
}

// At least three letters.
bool is_property_name(std::string_view name) {
  return name.size() >= 3 &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

void convert_systemd(const oci::Spec& spec, const SpecconvOptions& options, Cgroup& cgroup, json::Report& report) {
  for (const auto& [key, value] : spec.annotations) {
    if (!key.starts_with(kPropertyPrefix)) continue;
    std::string name = key.substr(kPropertyPrefix.size());
    if (!is_property_name(name)) {
      json::At at(report, "annotations");
      report.fail_in(key, "must be named after a systemd property: letters, at least three");
      continue;
    }
    cgroup.systemd_properties.emplace_back(std::move(name), value);
  }
  const std::string path = spec.linux_config ? spec.linux_config->cgroups_path : std::string();
  if (path.empty()) {
    cgroup.scope_prefix = std::string("cella");
    cgroup.name = options.id;
    return;
  }
  if (std::count(path.begin(), path.end(), ':') != 2) {
    json::At at(report, "linux");
    return report.fail_in("cgroupsPath", "must have the form slice:prefix:name with the systemd cgroup manager, not {}",
                          json::quoted(path));
  }
  size_t first = path.find(':'), second = path.find(':', first + 1);
  cgroup.parent = path.substr(0, first);
  cgroup.scope_prefix = path.substr(first + 1, second - first - 1);
  cgroup.name = path.substr(second + 1);
}

}  // namespace

void update_resources(const oci::Resources& from, Resources& to) {
  if (!from.devices.empty()) to.devices.clear();
  for (const oci::DeviceCgroup& rule : from.devices) to.devices.push_back(convert_rule(rule));
  if (from.memory) {  // memory.kernel is left out: Linux enforces that limit no more, on v1 either
    set(from.memory->limit, to.memory);
    set(from.memory->reservation, to.memory_reservation);
    set(from.memory->swap, to.memory_swap);
    set(from.memory->kernel_tcp, to.kernel_memory_tcp);
    set_even_zero(from.memory->swappiness, to.memory_swappiness);
    set_even_zero(from.memory->disable_oom_killer, to.oom_kill_disable);
    set_even_zero(from.memory->use_hierarchy, to.memory_use_hierarchy);
    if (from.memory->check_before_update) to.memory_check_before_update = *from.memory->check_before_update;
  }
  if (from.cpu) {
    set(from.cpu->shares, to.cpu_shares);
    set(from.cpu->quota, to.cpu_quota);
    set_even_zero(from.cpu->burst, to.cpu_burst);
    set(from.cpu->period, to.cpu_period);
    set(from.cpu->realtime_runtime, to.cpu_rt_runtime);
    set(from.cpu->realtime_period, to.cpu_rt_period);
    set_even_zero(from.cpu->idle, to.cpu_idle);
    if (!from.cpu->cpus.empty()) to.cpuset_cpus = from.cpu->cpus;
    if (!from.cpu->mems.empty()) to.cpuset_mems = from.cpu->mems;
  }
  if (from.pids) set_even_zero(from.pids->limit, to.pids_limit);
  if (from.block_io) update_block_io(*from.block_io, to);
  if (!from.hugepage_limits.empty()) to.hugetlb_limit.clear();
  for (const oci::HugepageLimit& limit : from.hugepage_limits)
    to.hugetlb_limit.push_back({limit.page_size, limit.limit});
  if (from.network) {
    set(from.network->class_id, to.net_cls_classid);
    if (!from.network->priorities.empty()) to.net_prio_ifpriomap.clear();
    for (const oci::InterfacePriority& p : from.network->priorities)
      to.net_prio_ifpriomap.push_back({p.name, p.priority});
  }
  for (const auto& [name, limits] : from.rdma) to.rdma[name] = {limits.hca_handles, limits.hca_objects};
  for (const auto& [file, value] : from.unified) to.unified[file] = value;
}

Cgroup convert_cgroup(const oci::Spec& spec, const SpecconvOptions& options, json::Report& report) {
  Cgroup cgroup;
  cgroup.systemd = options.systemd_cgroup;
  cgroup.rootless = options.rootless_cgroups;
  if (options.systemd_cgroup) {
    convert_systemd(spec, options, cgroup, report);
  } else if (spec.linux_config && !spec.linux_config->cgroups_path.empty()) {
    cgroup.path = clean_path("/" + spec.linux_config->cgroups_path);
  } else if (!options.rootless_cgroups) {
    cgroup.path = "/" + options.id;
  }  // else none was asked for: one below the caller's own, where it may make one
  if (spec.linux_config && spec.linux_config->resources)
    update_resources(*spec.linux_config->resources, cgroup.resources);
  for (const Device& rule : default_allowed_devices()) {
    bool overridden = false;  // by a node of the container's own at the same path
    if (spec.linux_config && !rule.path.empty()) {
      for (const oci::Device& node : spec.linux_config->devices) overridden |= node.path == rule.path;
    }
    if (!overridden) cgroup.resources.devices.push_back(rule);
  }
  return cgroup;
}

}  // namespace cella::config
