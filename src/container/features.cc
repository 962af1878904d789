// Each claim is read from the table that the code itself goes by; what it speaks of is the build, not the host.
#include <cella/features.h>

#include <algorithm>

#include <cella/factory.h>

#include "bpf/seccomp.h"
#include "cgroup/layout.h"
#include "config/capabilities.h"
#include "config/mount_options.h"
#include "oci/annotations.h"
#include "oci/features.h"
#include "oci/parse.h"
#include "oci/spec_schema.h"
#include "plan/supported.h"
#include "sys/seccomp.h"

namespace cella {
namespace {

using plan::is_supported;
using plan::Support;
using Names = std::vector<std::string>;

Names sorted(Names names) {
  std::ranges::sort(names);
  return names;
}

template <typename E>
Names names_of() {
  Names names;
  for (const json::Name<E>& name : names_of(json::Type<E>())) names.emplace_back(name.text);
  return sorted(std::move(names));
}

Names hook_names() {
  Names names;
  for (const json::Field<oci::Hooks>& field : fields_of(json::Type<oci::Hooks>())) names.emplace_back(field.key);
  return names;
}

bool takes(const config::MountOption& option) {
  switch (option.kind) {
    case config::MountOptionKind::kIdmap:
      return is_supported(Support::kIdmappedMounts);
    case config::MountOptionKind::kExtension:
      return is_supported(Support::kCopyUp);
    default:
      return true;
  }
}

Names mount_option_names() {
  Names names;
  for (const config::MountOption& option : config::mount_options())
    if (takes(option)) names.emplace_back(option.name);
  return names;
}

Names capability_names() {
  Names names;
  for (int number = 0; number <= config::kLastCapability; ++number) names.emplace_back(config::capability_name(number));
  return names;
}

oci::SeccompFeatures seccomp_features() {
  oci::SeccompFeatures seccomp;
  seccomp.enabled = true;
  seccomp.actions = sorted(bpf::seccomp_action_names());
  seccomp.operators = sorted(bpf::seccomp_operator_names());
  seccomp.archs = sorted(bpf::seccomp_architecture_names());
  seccomp.known_flags = bpf::seccomp_flag_names();
  for (const std::string& name : seccomp.known_flags) {
    // With a listener, which some of them need.
    Result<uint32_t> flags = bpf::seccomp_flags({name}, true);
    if (flags && sys::seccomp_takes(*flags)) seccomp.supported_flags.push_back(name);
  }
  return seccomp;
}

oci::LinuxFeatures linux_features() {
  oci::LinuxFeatures features;
  features.namespaces = names_of<oci::NamespaceType>();
  features.capabilities = capability_names();
  features.cgroup = {.v1 = is_supported(Support::kCgroupV1),
                     .v2 = is_supported(Support::kCgroupV2),
                     .systemd = is_supported(Support::kSystemdCgroups),
                     .systemd_user = is_supported(Support::kSystemdUserCgroups),
                     .rdma = is_supported(Support::kRdma)};
  features.seccomp = seccomp_features();
  features.apparmor = is_supported(Support::kAppArmor);
  features.selinux = is_supported(Support::kSelinux);
  features.intel_rdt = {.enabled = is_supported(Support::kIntelRdt),
                        .schemata = is_supported(Support::kIntelRdtSchemata),
                        .monitoring = is_supported(Support::kIntelRdtMonitoring)};
  if (is_supported(Support::kMemoryPolicy)) {
    features.memory_policy = {names_of<oci::MemoryPolicyMode>(), names_of<oci::MemoryPolicyFlag>()};
  }
  features.idmapped_mounts = is_supported(Support::kIdmappedMounts);
  features.net_devices = is_supported(Support::kNetDevices);
  return features;
}

}  // namespace

std::string features_json() {
  oci::Features features;
  features.version_min = oci::kOldestSpecVersion;
  features.version_max = oci::kSpecVersion;
  features.hooks = hook_names();
  features.mount_options = mount_option_names();
  features.linux_features = linux_features();
  features.annotations = {
      {"dev.cella.commit", commit()},
      {"dev.cella.version", version()},
      {"io.github.seccomp.libseccomp.version", bpf::libseccomp_version()},
      // What callers look at before they checkpoint a container, whatever the runtime is.
      {"org.opencontainers.runc.checkpoint.enabled", is_supported(Support::kCheckpoint) ? "true" : "false"},
  };
  for (const oci::KnownAnnotation& known : oci::known_annotations())
    features.unsafe_annotations.emplace_back(known.key);
  return oci::to_json(features);
}

}  // namespace cella
