// /linux/devices: nodes that the caller may not make are those of the host, which must be there.
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lint/host.h"
#include "lint/lint.h"
#include "sys/file.h"

namespace cella::lint {

void check_devices(const Subject& subject, json::Report& report) {
  if (!subject.spec.linux_config) return;
  const bool makes = subject.privileged && !subject.config.namespaces.contains(config::NamespaceType::kUser);
  json::At linux_at(report, "linux");
  const std::vector<oci::Device>& devices = subject.spec.linux_config->devices;
  if (makes && !devices.empty() && !has_capability(CAP_MKNOD)) {
    return report.fail_in("devices", "cannot be made: the caller lacks CAP_MKNOD");
  }
  json::At at(report, "devices");
  for (size_t i = 0; !makes && i < devices.size(); ++i) {
    json::At item(report, i);
    const oci::Device& device = devices[i];
    if (device.type == "p") continue;
    SysResult<struct stat> node = sys::stat_at(sys::kCurrentDirectory, device.path.c_str());
    if (!node) {
      report.fail_in("path", "cannot be bound from the host, who has no such device: {}: {}", device.path,
                     errno_text(node.error().value));
      continue;
    }
    const bool same = (device.type == "b" ? S_ISBLK(node->st_mode) : S_ISCHR(node->st_mode)) &&
                      node->st_rdev == ::makedev(static_cast<unsigned>(device.major.value_or(0)),
                                                 static_cast<unsigned>(device.minor.value_or(0)));
    if (!same) report.fail_in("path", "is another device on the host, from where it would be bound: {}", device.path);
  }
}

}  // namespace cella::lint
