// Intel RDT, network devices, memory nodes.
#include <linux/magic.h>
#include <net/if.h>

#include "lint/host.h"
#include "lint/lint.h"
#include "sys/file.h"

namespace cella::lint {

void check_rdt(const Subject& subject, json::Report& report) {
  if (!subject.spec.linux_config || !subject.spec.linux_config->intel_rdt) return;
  json::At at(report, "linux");
  if (!has_word("/proc/filesystems", "resctrl")) {
    return report.fail_in("intelRdt", "cannot be had: this kernel or CPU has no resctrl");
  }
  if (!has_word("/proc/self/mounts", "resctrl")) {
    report.fail_in("intelRdt", "cannot be had: resctrl is not mounted (mount -t resctrl resctrl /sys/fs/resctrl)");
  }
}

void check_net_devices(const Subject& subject, json::Report& report) {
  json::At linux_at(report, "linux");
  json::At at(report, "netDevices");
  for (const auto& [name, device] : subject.config.net_devices) {
    if (::if_nametoindex(name.c_str()) == 0) report.fail_in(name, "is not a network interface of this host");
  }
}

void check_memory_policy(const Subject& subject, json::Report& report) {
  if (!subject.spec.linux_config || !subject.spec.linux_config->memory_policy) return;
  const oci::MemoryPolicy& policy = *subject.spec.linux_config->memory_policy;
  json::At linux_at(report, "linux");
  json::At at(report, "memoryPolicy");
  const std::string online = first_line("/sys/devices/system/node/online");
  if (online.empty()) return report.fail("cannot be had: this kernel has no memory nodes (NUMA)");
  // With relative nodes the numbers count among those that the process may use.
  for (oci::MemoryPolicyFlag flag : policy.flags)
    if (flag == oci::MemoryPolicyFlag::kRelativeNodes) return;
  const std::string missing = outside(policy.nodes, online);
  if (!missing.empty()) report.fail_in("nodes", "has memory nodes that are not online: {}", missing);
  if (policy.mode == oci::MemoryPolicyMode::kWeightedInterleave && !kernel_is_at_least(6, 9)) {
    report.fail_in("mode", "is MPOL_WEIGHTED_INTERLEAVE, which needs Linux 6.9");
  }
}

}  // namespace cella::lint
