#include <algorithm>

#include "oci/checks.h"
#include "oci/validate.h"

namespace cella::oci {
namespace {

using json::At;
using json::Report;

void check_devices(const std::vector<DeviceCgroup>& rules, Report& report) {
  At at(report, "devices");
  for (size_t i = 0; i < rules.size(); ++i) {
    At rule(report, i);
    const DeviceCgroup& device = rules[i];
    if (!device.type.empty() && device.type != "a" && device.type != "b" && device.type != "c") {
      report.fail_in("type", "must be \"a\", \"b\" or \"c\", not {}", json::quoted(device.type));
    }
    if (device.access.empty()) {
      report.fail_in("access", "must not be empty");
    } else if (device.access.find_first_not_of("rwm") != std::string::npos) {
      report.fail_in("access", "must consist of the letters r, w and m, not {}", json::quoted(device.access));
    }
  }
}

void check_memory(const Memory& memory, Report& report, bool complete) {
  At at(report, "memory");
  for (auto [key, value] : {std::pair{"limit", memory.limit},
                            {"reservation", memory.reservation},
                            {"swap", memory.swap},
                            {"kernel", memory.kernel},
                            {"kernelTCP", memory.kernel_tcp}}) {
    if (value && *value < -1) report.fail_in(key, "must be -1 (unlimited) or more, not {}", *value);
  }
  const int64_t limit = memory.limit.value_or(0), swap = memory.swap.value_or(0);
  if (swap > 0 && limit > 0 && swap < limit) {
    report.fail_in("swap", "is the sum of memory and swap and must not be less than the limit of {}", limit);
  } else if (swap > 0 && limit <= 0 && complete) {
    report.fail_in("swap", "needs a memory limit");
  }
  if (memory.kernel) report.warn_in("kernel", "is ignored: Linux limits kernel memory no more");
}

void check_cpu(const CPU& cpu, Report& report) {
  At at(report, "cpu");
  if (cpu.quota && *cpu.quota < -1) report.fail_in("quota", "must be -1 (unlimited) or more, not {}", *cpu.quota);
  if (cpu.burst && cpu.quota && *cpu.quota > 0 && *cpu.burst > static_cast<uint64_t>(*cpu.quota)) {
    report.fail_in("burst", "must not exceed the quota of {}", *cpu.quota);
  }
  if (cpu.realtime_runtime && *cpu.realtime_runtime < -1) {
    report.fail_in("realtimeRuntime", "must be -1 (unlimited) or more, not {}", *cpu.realtime_runtime);
  } else if (cpu.realtime_runtime && cpu.realtime_period && *cpu.realtime_runtime > 0 && *cpu.realtime_period > 0 &&
             static_cast<uint64_t>(*cpu.realtime_runtime) > *cpu.realtime_period) {
    report.fail_in("realtimeRuntime", "must not exceed the period of {}", *cpu.realtime_period);
  }
  check_list(report, "cpus", cpu.cpus);
  check_list(report, "mems", cpu.mems);
}

void check_weight(Report& report, std::string_view key, std::optional<uint16_t> weight) {
  if (weight && *weight != 0 && (*weight < 10 || *weight > 1000)) {
    report.fail_in(key, "must be 0 (unset) or between 10 and 1000, not {}", *weight);
  }
}

template <typename T>
void check_numbers(Report& report, const T& device) {
  if (device.major < 0) report.fail_in("major", "must not be negative");
  if (device.minor < 0) report.fail_in("minor", "must not be negative");
}

void check_block_io(const BlockIO& io, Report& report) {
  At at(report, "blockIO");
  check_weight(report, "weight", io.weight);
  check_weight(report, "leafWeight", io.leaf_weight);
  {
    At list(report, "weightDevice");
    for (size_t i = 0; i < io.weight_device.size(); ++i) {
      At device(report, i);
      check_numbers(report, io.weight_device[i]);
      check_weight(report, "weight", io.weight_device[i].weight);
      check_weight(report, "leafWeight", io.weight_device[i].leaf_weight);
    }
  }
  for (auto [key, devices] : {std::pair{"throttleReadBpsDevice", &io.throttle_read_bps_device},
                              {"throttleWriteBpsDevice", &io.throttle_write_bps_device},
                              {"throttleReadIOPSDevice", &io.throttle_read_iops_device},
                              {"throttleWriteIOPSDevice", &io.throttle_write_iops_device}}) {
    At list(report, std::string_view(key));
    for (size_t i = 0; i < devices->size(); ++i) {
      At device(report, i);
      check_numbers(report, (*devices)[i]);
    }
  }
}

// ^[1-9][0-9]*[KMG]B$
bool is_page_size(std::string_view size) {
  if (size.size() < 3 || !size.ends_with('B')) return false;
  char unit = size[size.size() - 2];
  std::string_view digits = size.substr(0, size.size() - 2);
  return (unit == 'K' || unit == 'M' || unit == 'G') && digits[0] != '0' &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void check_hugepages(const std::vector<HugepageLimit>& limits, Report& report) {
  At at(report, "hugepageLimits");
  for (size_t i = 0; i < limits.size(); ++i) {
    At limit(report, i);
    if (!is_page_size(limits[i].page_size)) {
      report.fail_in("pageSize", "must be a number and KB, MB or GB, such as \"2MB\", not {}",
                     json::quoted(limits[i].page_size));
    }
  }
}

void check_network(const NetworkResources& network, Report& report) {
  At at(report, "network");
  At list(report, "priorities");
  for (size_t i = 0; i < network.priorities.size(); ++i) {
    At priority(report, i);
    if (!is_interface_name(network.priorities[i].name)) {
      report.fail_in("name", "must be the name of a network interface, not {}",
                     json::quoted(network.priorities[i].name));
    }
  }
}

void check_rdma(const std::map<std::string, Rdma>& rdma, Report& report) {
  At at(report, "rdma");
  for (const auto& [name, limits] : rdma) {
    At device(report, std::string_view(name));
    if (name.empty() || name.find_first_of(" \n\t/") != std::string::npos) report.fail("must be named after a device");
    if (!limits.hca_handles && !limits.hca_objects) report.fail("must have hcaHandles or hcaObjects");
  }
}

// A file of the container's own cgroup directory: "controller.parameter".
bool is_cgroup_file(std::string_view name) {
  size_t dot = name.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot + 1 == name.size() ||
      name.find("..") != std::string_view::npos) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F && c != '/'; });
}

void check_unified(const std::map<std::string, std::string>& unified, Report& report) {
  At at(report, "unified");
  for (const auto& [name, value] : unified) {
    At file(report, std::string_view(name));
    if (!is_cgroup_file(name)) {
      report.fail("must be named after a cgroup file, such as \"memory.high\", not {}", json::quoted(name));
    }
    check_no_nul(report, value);
  }
}

}  // namespace

void validate(const Resources& resources, Report& report, bool complete) {
  check_devices(resources.devices, report);
  if (resources.memory) check_memory(*resources.memory, report, complete);
  if (resources.cpu) check_cpu(*resources.cpu, report);
  if (complete && resources.pids && !resources.pids->limit) {
    At at(report, "pids");
    report.fail_in("limit", "is required");
  }
  if (resources.block_io) check_block_io(*resources.block_io, report);
  check_hugepages(resources.hugepage_limits, report);
  if (resources.network) check_network(*resources.network, report);
  check_rdma(resources.rdma, report);
  check_unified(resources.unified, report);
}

}  // namespace cella::oci
