#include "config/resources.h"

#include <algorithm>

namespace cella::config {
namespace {

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

std::vector<ThrottleDevice> convert_throttles(const std::vector<oci::ThrottleDevice>& devices) {
  std::vector<ThrottleDevice> list;
  for (const oci::ThrottleDevice& d : devices) list.push_back({.major = d.major, .minor = d.minor, .rate = d.rate});
  return list;
}

void convert_block_io(const oci::BlockIO& from, Resources& to) {
  set(from.weight, to.blkio_weight);
  set(from.leaf_weight, to.blkio_leaf_weight);
  for (const oci::WeightDevice& d : from.weight_device) {
    to.blkio_weight_device.push_back(
        {.major = d.major, .minor = d.minor, .weight = d.weight, .leaf_weight = d.leaf_weight});
  }
  to.blkio_throttle_read_bps_device = convert_throttles(from.throttle_read_bps_device);
  to.blkio_throttle_write_bps_device = convert_throttles(from.throttle_write_bps_device);
  to.blkio_throttle_read_iops_device = convert_throttles(from.throttle_read_iops_device);
  to.blkio_throttle_write_iops_device = convert_throttles(from.throttle_write_iops_device);
}

// --- merging: one `merge` for each kind of member

template <typename T>
void merge(const std::optional<T>& change, std::optional<T>& value) {
  if (change) value = change;
}
void merge(const std::string& change, std::string& value) {
  if (!change.empty()) value = change;
}
template <typename T>
void merge(const std::map<std::string, T>& changes, std::map<std::string, T>& values) {
  for (const auto& [key, change] : changes) values.insert_or_assign(key, change);
}

bool is_for_same(const WeightDevice& a, const WeightDevice& b) {
  return a.major == b.major && a.minor == b.minor;
}
bool is_for_same(const ThrottleDevice& a, const ThrottleDevice& b) {
  return a.major == b.major && a.minor == b.minor;
}
bool is_for_same(const HugepageLimit& a, const HugepageLimit& b) {
  return a.page_size == b.page_size;
}
bool is_for_same(const IfPrioMap& a, const IfPrioMap& b) {
  return a.interface == b.interface;
}
template <typename T>
void merge_entry(const T& change, T& entry) {
  entry = change;
}
void merge_entry(const WeightDevice& change, WeightDevice& entry) {
  merge(change.weight, entry.weight);
  merge(change.leaf_weight, entry.leaf_weight);
}
template <typename T>
void merge(const std::vector<T>& changes, std::vector<T>& entries) {
  for (const T& change : changes) {
    auto same = std::ranges::find_if(entries, [&](const T& entry) { return is_for_same(entry, change); });
    if (same == entries.end()) {
      entries.push_back(change);
    } else {
      merge_entry(change, *same);
    }
  }
}

template <auto... Members>
void merge_members(const Resources& changes, Resources& resources) {
  (..., merge(changes.*Members, resources.*Members));
}

bool is_same_rule(const Device& a, const Device& b) {
  return a.type == b.type && a.major == b.major && a.minor == b.minor && a.permissions == b.permissions &&
         a.allow == b.allow;
}

std::vector<Device> merged_rules(const std::vector<Device>& changes, const std::vector<Device>& rules) {
  std::vector<Device> merged = changes;
  for (const Device& common : default_allowed_devices()) {
    if (std::ranges::any_of(rules, [&](const Device& rule) { return is_same_rule(rule, common); })) {
      merged.push_back(common);
    }
  }
  return merged;
}

}  // namespace

Resources convert_resources(const oci::Resources& from) {
  Resources to;
  for (const oci::DeviceCgroup& rule : from.devices) to.devices.push_back(convert_rule(rule));
  if (from.memory) {  // memory.kernel is left out: Linux enforces that limit no more, on v1 either
    set(from.memory->limit, to.memory);
    set(from.memory->reservation, to.memory_reservation);
    set(from.memory->swap, to.memory_swap);
    set(from.memory->kernel_tcp, to.kernel_memory_tcp);
    set_even_zero(from.memory->swappiness, to.memory_swappiness);
    set_even_zero(from.memory->disable_oom_killer, to.oom_kill_disable);
    set_even_zero(from.memory->use_hierarchy, to.memory_use_hierarchy);
    set_even_zero(from.memory->check_before_update, to.memory_check_before_update);
  }
  if (from.cpu) {
    set(from.cpu->shares, to.cpu_shares);
    set(from.cpu->quota, to.cpu_quota);
    set_even_zero(from.cpu->burst, to.cpu_burst);
    set(from.cpu->period, to.cpu_period);
    set(from.cpu->realtime_runtime, to.cpu_rt_runtime);
    set(from.cpu->realtime_period, to.cpu_rt_period);
    set_even_zero(from.cpu->idle, to.cpu_idle);
    to.cpuset_cpus = from.cpu->cpus;
    to.cpuset_mems = from.cpu->mems;
  }
  if (from.pids) set_even_zero(from.pids->limit, to.pids_limit);
  if (from.block_io) convert_block_io(*from.block_io, to);
  for (const oci::HugepageLimit& limit : from.hugepage_limits)
    to.hugetlb_limit.push_back({limit.page_size, limit.limit});
  if (from.network) {
    set(from.network->class_id, to.net_cls_classid);
    for (const oci::InterfacePriority& p : from.network->priorities)
      to.net_prio_ifpriomap.push_back({p.name, p.priority});
  }
  for (const auto& [name, limits] : from.rdma) to.rdma[name] = {limits.hca_handles, limits.hca_objects};
  to.unified = from.unified;
  return to;
}

void merge_resources(const Resources& changes, Resources& resources) {
  using R = Resources;
  if (changes.memory == -1 && !changes.memory_swap) resources.memory_swap.reset();
  merge_members<&R::memory, &R::memory_reservation, &R::memory_swap, &R::kernel_memory, &R::kernel_memory_tcp,
                &R::memory_swappiness, &R::oom_kill_disable, &R::memory_use_hierarchy, &R::memory_check_before_update,
                &R::cpu_shares, &R::cpu_quota, &R::cpu_burst, &R::cpu_period, &R::cpu_rt_runtime, &R::cpu_rt_period,
                &R::cpu_idle, &R::cpuset_cpus, &R::cpuset_mems, &R::pids_limit, &R::blkio_weight, &R::blkio_leaf_weight,
                &R::blkio_weight_device, &R::blkio_throttle_read_bps_device, &R::blkio_throttle_write_bps_device,
                &R::blkio_throttle_read_iops_device, &R::blkio_throttle_write_iops_device, &R::hugetlb_limit,
                &R::net_prio_ifpriomap, &R::net_cls_classid, &R::rdma, &R::unified>(changes, resources);
  if (!changes.devices.empty()) resources.devices = merged_rules(changes.devices, resources.devices);
}

bool same_rules(const std::vector<Device>& a, const std::vector<Device>& b) {
  return std::ranges::equal(a, b, is_same_rule);
}

}  // namespace cella::config
