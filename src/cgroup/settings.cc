#include "cgroup/settings.h"

#include <cmath>

#include "base/result.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

using config::Resources;
using config::ThrottleDevice;

class List {
 public:
  template <typename T>
  Setting& add(const char* field, const char* controller, std::string file, const T& value, unsigned flags = 0) {
    return settings_.emplace_back(Setting{field, controller, std::move(file), fmt::format("{}", value), flags});
  }
  void refuse(const char* field, const char* controller, std::string why) {
    settings_.emplace_back(Setting{field, controller, {}, {}}).refusal = std::move(why);
  }
  std::vector<Setting> take() { return std::move(settings_); }

 private:
  std::vector<Setting> settings_;
};

// A number that was asked for: 0 stands for "unset" in libcontainer's documents.
template <typename T>
bool is_set(const std::optional<T>& value) {
  return value && *value != 0;
}

std::string device_line(const auto& device, const auto& value) {
  return fmt::format("{}:{} {}", device.major, device.minor, value);
}

// -1 is "max" in v2.
std::string limit_text(int64_t value) {
  return value < 0 ? "max" : fmt::format("{}", value);
}

// pids.max: 0 is a limit that forbids the first process; systemd cannot say it, so it means 1 everywhere.
std::string pids_text(int64_t limit) {
  return limit == 0 ? "1" : limit_text(limit);
}

void add_pids(List& list, const Resources& r) {
  if (r.pids_limit) {
    list.add("pids.limit", "pids", "pids.max", pids_text(*r.pids_limit), *r.pids_limit < 0 ? Setting::kDefault : 0);
  }
}

void add_rdma(List& list, const Resources& r) {
  for (const auto& [device, limit] : r.rdma) {
    std::string line = device;
    if (limit.hca_handles) line += fmt::format(" hca_handle={}", *limit.hca_handles);
    if (limit.hca_objects) line += fmt::format(" hca_object={}", *limit.hca_objects);
    list.add("rdma", "rdma", "rdma.max", line);
  }
}

void add_hugetlb(List& list, const Resources& r, const char* suffix) {
  for (const config::HugepageLimit& page : r.hugetlb_limit) {
    list.add("hugepageLimits", "hugetlb", fmt::format("hugetlb.{}.{}", page.page_size, suffix), page.limit);
    list.add("hugepageLimits", "hugetlb", fmt::format("hugetlb.{}.rsvd.{}", page.page_size, suffix), page.limit,
             Setting::kOptional);
  }
}

void add_idle(List& list, const Resources& r) {
  if (r.cpu_idle) list.add("cpu.idle", "cpu", "cpu.idle", *r.cpu_idle, *r.cpu_idle ? 0 : Setting::kDefault);
}
// The kernel gives an idle group a weight of its own and refuses any other.
bool has_weight(const Resources& r) {
  return is_set(r.cpu_shares) && r.cpu_idle.value_or(0) == 0;
}

void add_v1_cpu(List& list, const Resources& r) {
  // Realtime and bandwidth: the kernel checks period and runtime against each other at each write.
  if (is_set(r.cpu_rt_period)) {
    list.add("cpu.realtimePeriod", "cpu", "cpu.rt_period_us", *r.cpu_rt_period,
             is_set(r.cpu_rt_runtime) ? Setting::kDeferrable : 0);
  }
  if (is_set(r.cpu_rt_runtime)) list.add("cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", *r.cpu_rt_runtime);
  add_idle(list, r);
  if (has_weight(r)) list.add("cpu.shares", "cpu", "cpu.shares", *r.cpu_shares, Setting::kVerify);
  unsigned deferrable = is_set(r.cpu_quota) ? Setting::kDeferrable : 0;
  if (is_set(r.cpu_period)) list.add("cpu.period", "cpu", "cpu.cfs_period_us", *r.cpu_period, deferrable);
  if (r.cpu_burst) {
    list.add("cpu.burst", "cpu", "cpu.cfs_burst_us", *r.cpu_burst, deferrable | (*r.cpu_burst ? 0 : Setting::kDefault));
  }
  if (is_set(r.cpu_quota)) list.add("cpu.quota", "cpu", "cpu.cfs_quota_us", *r.cpu_quota);
}

void add_v1_memory(List& list, const Resources& r) {
  // Each write is checked against the other value of the pair, so a raise needs swap first and a cut memory first.
  // Unlimited memory without a word about swap means both, where swap is accounted for.
  bool unlimited = r.memory == -1 && !is_set(r.memory_swap);
  if (is_set(r.memory)) {
    list.add("memory.limit", "memory", "memory.limit_in_bytes", *r.memory,
             is_set(r.memory_swap) || unlimited ? Setting::kDeferrable : 0);
  }
  if (is_set(r.memory_swap)) list.add("memory.swap", "memory", "memory.memsw.limit_in_bytes", *r.memory_swap);
  if (unlimited) list.add("memory.limit", "memory", "memory.memsw.limit_in_bytes", -1, Setting::kOptional);
  if (is_set(r.memory_reservation)) {
    list.add("memory.reservation", "memory", "memory.soft_limit_in_bytes", *r.memory_reservation);
  }
  if (is_set(r.kernel_memory_tcp)) {
    list.add("memory.kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", *r.kernel_memory_tcp,
             *r.kernel_memory_tcp < 0 ? Setting::kOptional : 0);
  }
  if (r.memory_use_hierarchy) {
    list.add("memory.useHierarchy", "memory", "memory.use_hierarchy", *r.memory_use_hierarchy ? 1 : 0,
             *r.memory_use_hierarchy ? Setting::kDefault : 0);
  }
  if (r.oom_kill_disable) {
    list.add("memory.disableOOMKiller", "memory", "memory.oom_control", *r.oom_kill_disable ? 1 : 0,
             *r.oom_kill_disable ? 0 : Setting::kDefault);
  }
  if (r.memory_swappiness && *r.memory_swappiness != UINT64_MAX) {
    if (*r.memory_swappiness > 100) {
      list.refuse("memory.swappiness", "memory",
                  fmt::format("invalid memory swappiness value: {} (valid range is 0-100)", *r.memory_swappiness));
    } else {
      list.add("memory.swappiness", "memory", "memory.swappiness", *r.memory_swappiness);
    }
  }
}

void add_v1_blkio(List& list, const Resources& r) {
  auto weight = [&](const char* field, const char* file, const char* bfq, const std::string& value) -> Setting& {
    Setting& setting = list.add(field, "blkio", file, value);
    setting.other_file = bfq;
    setting.other_value = value;
    return setting;
  };
  if (is_set(r.blkio_weight)) {
    weight("blockIO.weight", "blkio.weight", "blkio.bfq.weight", fmt::format("{}", *r.blkio_weight));
  }
  if (is_set(r.blkio_leaf_weight)) list.add("blockIO.leafWeight", "blkio", "blkio.leaf_weight", *r.blkio_leaf_weight);
  for (const config::WeightDevice& device : r.blkio_weight_device) {
    if (is_set(device.weight)) {
      weight("blockIO.weightDevice", "blkio.weight_device", "blkio.bfq.weight_device",
             device_line(device, *device.weight))
          .reset = device_line(device, "default");
    }
    if (is_set(device.leaf_weight)) {
      list.add("blockIO.weightDevice", "blkio", "blkio.leaf_weight_device", device_line(device, *device.leaf_weight))
          .reset = device_line(device, 0);
    }
  }
}

// The four throttles: OCI field, v1 file, key in v2's io.max.
struct Throttle {
  const std::vector<ThrottleDevice> Resources::* devices;
  const char* field;
  const char* v1_file;
  const char* v2_key;
};
constexpr Throttle kThrottles[] = {
    {&Resources::blkio_throttle_read_bps_device, "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device",
     "rbps"},
    {&Resources::blkio_throttle_write_bps_device, "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device",
     "wbps"},
    {&Resources::blkio_throttle_read_iops_device, "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device",
     "riops"},
    {&Resources::blkio_throttle_write_iops_device, "blockIO.throttleWriteIOPSDevice",
     "blkio.throttle.write_iops_device", "wiops"},
};

void add_v2_cpu(List& list, const Resources& r) {
  if (is_set(r.cpu_rt_period)) list.refuse("cpu.realtimePeriod", "cpu", "cgroup v2 has no realtime scheduling");
  if (is_set(r.cpu_rt_runtime)) list.refuse("cpu.realtimeRuntime", "cpu", "cgroup v2 has no realtime scheduling");
  add_idle(list, r);
  if (has_weight(r)) list.add("cpu.shares", "cpu", "cpu.weight", weight_from_shares(*r.cpu_shares));
  if (r.cpu_burst) {
    list.add("cpu.burst", "cpu", "cpu.max.burst", *r.cpu_burst,
             (is_set(r.cpu_quota) ? Setting::kDeferrable : 0) | (*r.cpu_burst ? 0 : Setting::kDefault));
  }
  if (is_set(r.cpu_quota) || is_set(r.cpu_period)) {
    constexpr uint64_t kKernelDefaultPeriod = 100000;
    std::string quota = r.cpu_quota.value_or(0) > 0 ? fmt::format("{}", *r.cpu_quota) : "max";
    list.add(is_set(r.cpu_quota) ? "cpu.quota" : "cpu.period", "cpu", "cpu.max",
             fmt::format("{} {}", quota, is_set(r.cpu_period) ? *r.cpu_period : kKernelDefaultPeriod));
  }
}

void add_v2_memory(List& list, const Resources& r) {
  int64_t memory = r.memory.value_or(0);
  int64_t memory_swap = r.memory_swap.value_or(0);
  Result<int64_t> swap = swap_from_memory_swap(memory_swap, memory);
  if (!swap) {
    list.refuse("memory.swap", "memory", swap.error().message);
  } else if (*swap != 0 || memory_swap > 0) {
    // A kernel without swap accounting has no such file, and neither swap nor a need to forbid or free it.
    list.add("memory.swap", "memory", "memory.swap.max", limit_text(*swap), *swap <= 0 ? Setting::kOptional : 0);
  }
  if (memory != 0) list.add("memory.limit", "memory", "memory.max", limit_text(memory));
  if (is_set(r.memory_reservation)) {
    list.add("memory.reservation", "memory", "memory.low", limit_text(*r.memory_reservation));
  }
  if (r.kernel_memory_tcp.value_or(0) > 0) {
    list.refuse("memory.kernelTCP", "memory", "cgroup v2 has no limit of its own for TCP buffers");
  }
  if (r.oom_kill_disable.value_or(false)) {
    list.refuse("memory.disableOOMKiller", "memory", "cgroup v2 cannot disable the OOM killer");
  }
  if (r.memory_swappiness && *r.memory_swappiness != UINT64_MAX) {
    list.refuse("memory.swappiness", "memory", "cgroup v2 has no swappiness of a cgroup");
  }
}

void add_v2_io(List& list, const Resources& r) {
  if (is_set(r.blkio_leaf_weight)) list.refuse("blockIO.leafWeight", "io", "cgroup v2 has no leaf weight");
  // BFQ's own file where that scheduler is there; else io.weight, whose range is another.
  auto weight = [&](const char* field, std::string bfq, std::string io) -> Setting& {
    Setting& setting = list.add(field, "io", "io.bfq.weight", bfq);
    setting.other_file = "io.weight";
    setting.other_value = std::move(io);
    return setting;
  };
  if (is_set(r.blkio_weight)) {
    weight("blockIO.weight", fmt::format("{}", *r.blkio_weight),
           fmt::format("{}", io_weight_from_blkio(*r.blkio_weight)));
  }
  for (const config::WeightDevice& device : r.blkio_weight_device) {
    if (is_set(device.leaf_weight)) list.refuse("blockIO.weightDevice", "io", "cgroup v2 has no leaf weight");
    if (is_set(device.weight)) {
      weight("blockIO.weightDevice", device_line(device, *device.weight),
             device_line(device, io_weight_from_blkio(*device.weight)))
          .reset = device_line(device, "default");
    }
  }
  for (const Throttle& throttle : kThrottles) {
    for (const ThrottleDevice& device : r.*throttle.devices) {
      // 0 takes the limit away in v1; in v2 that is "max".
      std::string rate = device.rate == 0 ? "max" : fmt::format("{}", device.rate);
      list.add(throttle.field, "io", "io.max", device_line(device, fmt::format("{}={}", throttle.v2_key, rate))).reset =
          device_line(device, fmt::format("{}=max", throttle.v2_key));
    }
  }
}

}  // namespace

std::vector<Setting> v1_settings(const Resources& r) {
  List list;
  if (!r.cpuset_cpus.empty()) list.add("cpu.cpus", "cpuset", "cpuset.cpus", r.cpuset_cpus);
  if (!r.cpuset_mems.empty()) list.add("cpu.mems", "cpuset", "cpuset.mems", r.cpuset_mems);
  add_v1_memory(list, r);
  add_v1_cpu(list, r);
  add_pids(list, r);
  add_v1_blkio(list, r);
  for (const Throttle& throttle : kThrottles) {
    for (const ThrottleDevice& device : r.*throttle.devices) {
      list.add(throttle.field, "blkio", throttle.v1_file, device_line(device, device.rate)).reset =
          device_line(device, 0);
    }
  }
  add_hugetlb(list, r, "limit_in_bytes");
  if (is_set(r.net_cls_classid)) list.add("network.classID", "net_cls", "net_cls.classid", *r.net_cls_classid);
  for (const config::IfPrioMap& map : r.net_prio_ifpriomap) {
    list.add("network.priorities", "net_prio", "net_prio.ifpriomap", fmt::format("{} {}", map.interface, map.priority));
  }
  add_rdma(list, r);
  return list.take();
}

std::vector<Setting> v2_settings(const Resources& r) {
  List list;
  add_pids(list, r);
  add_v2_memory(list, r);
  add_v2_io(list, r);
  add_v2_cpu(list, r);
  if (!r.cpuset_cpus.empty()) list.add("cpu.cpus", "cpuset", "cpuset.cpus", r.cpuset_cpus);
  if (!r.cpuset_mems.empty()) list.add("cpu.mems", "cpuset", "cpuset.mems", r.cpuset_mems);
  add_hugetlb(list, r, "max");
  if (is_set(r.net_cls_classid)) list.refuse("network.classID", "net_cls", "cgroup v2 has no network classes");
  if (!r.net_prio_ifpriomap.empty()) {
    list.refuse("network.priorities", "net_prio", "cgroup v2 has no network priorities");
  }
  add_rdma(list, r);
  return list.take();
}

std::vector<Setting> unified_settings(const Resources& r) {
  List list;
  for (const auto& [file, content] : r.unified) {
    std::string field = fmt::format("unified.{}", file);
    size_t dot = file.find('.');
    if (file.find('/') != std::string::npos) {
      list.refuse(field.c_str(), "", "must be a file name (no slashes)");
    } else if (dot == std::string::npos || dot == 0) {
      list.refuse(field.c_str(), "", "must be in the form CONTROLLER.PARAMETER");
    } else {
      std::string controller = file.substr(0, dot);
      if (controller == "cgroup") controller.clear();
      for_each_line(content, [&](std::string_view line) {
        if (!line.empty()) list.add(field.c_str(), controller.c_str(), file, line);
      });
    }
  }
  return list.take();
}

uint64_t weight_from_shares(uint64_t shares) {
  if (shares == 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  double l = std::log2(static_cast<double>(shares));
  double exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
  return static_cast<uint64_t>(std::ceil(std::pow(10, exponent)));
}

uint64_t io_weight_from_blkio(uint16_t weight) {
  if (weight == 0) return 0;
  if (weight < 10) return 1;
  return 1 + (static_cast<uint64_t>(weight) - 10) * 9999 / 990;
}

Result<int64_t> swap_from_memory_swap(int64_t memory_swap, int64_t memory) {
  if (memory == -1 && memory_swap == 0) return -1;  // unlimited memory without a word about swap means both
  if (memory_swap == -1 || memory_swap == 0) return memory_swap;
  if (memory == -1) return memory_swap;
  if (memory == 0) return base::fail(ErrorCode::kConfigInvalid, "unable to set swap limit without memory limit");
  if (memory < 0) return base::fail(ErrorCode::kConfigInvalid, "invalid memory value: {}", memory);
  if (memory_swap < memory) {
    return base::fail(ErrorCode::kConfigInvalid, "memory+swap limit should be >= memory limit");
  }
  return memory_swap - memory;
}

}  // namespace cella::cgroup
