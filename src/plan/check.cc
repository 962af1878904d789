// What no plan can be made for. config/ and oci/ check whole configs; here is what would make a plan do harm, or less
// than it is asked for.
#include "base/result.h"
#include "plan/parts.h"
#include "plan/supported.h"

namespace cella::plan {
namespace {

using config::NamespaceType;

Result<void> check_networks(const config::Config& config) {
  for (const config::Network& network : config.networks) {
    if (network.type != "loopback") {
      return base::fail(ErrorCode::kUnsupported, "network type \"{}\" is not supported yet", network.type);
    }
  }
  if (!config.routes.empty()) return base::fail(ErrorCode::kUnsupported, "routes are not supported yet");
  return {};
}

// What would otherwise reach the host, or be passed over in silence, without the namespace that it belongs to.
Result<void> check_namespaces(const config::Config& config) {
  const config::Namespaces& namespaces = config.namespaces;
  auto needs = [](const char* what, const char* type) {
    return base::fail(ErrorCode::kConfigInvalid, "{} needs a {} namespace", what, type);
  };
  if (!namespaces.contains(NamespaceType::kUts) && !config.hostname.empty()) return needs("hostname", "uts");
  if (!namespaces.contains(NamespaceType::kUts) && !config.domainname.empty()) return needs("domainname", "uts");
  if (!namespaces.contains(NamespaceType::kNet) && !config.net_devices.empty()) {
    return needs("moving network devices", "network");
  }
  if (!namespaces.contains(NamespaceType::kMount)) {
    if (!config.mounts.empty()) return needs("mounting", "mount");
    if (config.readonlyfs) return needs("a read-only root filesystem", "mount");
    if (!config.mask_paths.empty()) return needs("masking paths", "mount");
    if (!config.readonly_paths.empty()) return needs("making paths read-only", "mount");
  }
  if (!namespaces.is_new(NamespaceType::kTime) && !config.time_offsets.empty())
    return needs("setting time offsets", "new time");
  return {};
}

}  // namespace

Result<void> check_config(const config::Config& config, const Facts& facts) {
  TRY(check_supported(config));
  TRY(check_networks(config));
  TRY(check_namespaces(config));
  TRY(check_mounts(config, facts));
  if (!config.mount_label.empty() && !facts.selinux) {
    return base::fail(ErrorCode::kUnsupported,
                      "SELinux mount label \"{}\" is asked for, but SELinux is not enabled in this kernel",
                      config.mount_label);
  }
  return {};
}

Result<void> check_options(const StartOptions& options) {
  constexpr uint32_t kMaxFiles = kMaxSlots / 2;
  if (options.extra_files <= kMaxFiles) return {};
  return base::fail(ErrorCode::kInvalidArgument, "{} files are to be passed to the process, {} at most can be",
                    options.extra_files, kMaxFiles);
}

}  // namespace cella::plan
