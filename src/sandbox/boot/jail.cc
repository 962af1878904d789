#include "sandbox/boot/jail.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/result.h"
#include "sandbox/boot/options.h"
#include "sandbox/boot/sysctls.h"

namespace cella::sandbox::boot {
namespace {

using config::NamespaceType;

// Field by field what is asked for and not enforced: never passed over.
struct Refusal {
  const char* pointer;
  const char* why;
  bool (*is_asked_for)(const config::Config& container, const config::ProcessConfig& process);
};
constexpr Refusal kRefusals[] = {
    {"/process/apparmorProfile", "labels of the host's mean nothing to the sandbox's programs",
     [](const config::Config&, const config::ProcessConfig& p) { return !p.apparmor_profile.value_or("").empty(); }},
    {"/process/selinuxLabel", "labels of the host's mean nothing to the sandbox's programs",
     [](const config::Config&, const config::ProcessConfig& p) { return !p.process_label.value_or("").empty(); }},
    {"/linux/mountLabel", "labels of the host's mean nothing to the sandbox's files",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.mount_label.empty(); }},
    {"/linux/timeOffsets", "the sandbox has no time namespaces yet",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.time_offsets.empty(); }},
    {"/linux/personality", "the sandbox has no execution domains",
     [](const config::Config& c, const config::ProcessConfig&) { return c.personality.has_value(); }},
    {"/linux/netDevices", "the sandbox has no network devices of the host's",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.net_devices.empty(); }},
    {"/linux/rootfsPropagation", "nothing is shared with the sandbox's mounts",
     [](const config::Config& c, const config::ProcessConfig&) { return (c.root_propagation & MS_SHARED) != 0; }},
    {"/hooks/createContainer", "hooks inside the sandbox do not run yet",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.hooks.create_container.empty(); }},
    {"/hooks/startContainer", "hooks inside the sandbox do not run yet",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.hooks.start_container.empty(); }},
    {"/annotations/run.oci.keep_original_groups", "the sandbox's programs have none of the host's groups",
     [](const config::Config& c, const config::ProcessConfig&) { return c.keep_original_groups; }},
    {"/annotations/run.oci.systemd.force_cgroup_v1", "the sandbox shows cgroup v2 alone",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.systemd_cgroup_v1.empty(); }},
    {"/annotations/run.oci.delegate-cgroup", "no cgroup is the sandbox's programs' to manage",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.cgroups.delegate.empty(); }},
};

// Of the other namespaces the program has its own whatever is asked for; none of these can be entered by our kernel.
constexpr NamespaceType kOwnNamespaces[] = {NamespaceType::kPid, NamespaceType::kMount,  NamespaceType::kIpc,
                                            NamespaceType::kUts, NamespaceType::kCgroup, NamespaceType::kTime};

void check_namespaces(const config::Config& container, std::vector<Finding>& findings) {
  for (size_t i = 0; i < container.namespaces.list.size(); ++i) {
    const config::Namespace& ns = container.namespaces.list[i];
    if (ns.path.empty() || std::ranges::find(kOwnNamespaces, ns.type) == std::end(kOwnNamespaces)) continue;
    findings.push_back({fmt::format("/linux/namespaces/{}/path", i),
                        fmt::format("the sandbox cannot join a {} namespace", config::namespace_oci_name(ns.type))});
  }
}

void check_sysctls(const config::Config& container, const Config& options, std::vector<Finding>& findings) {
  for (const auto& [name, value] : container.sysctl) {
    if (is_guests_sysctl(name) || is_hosts_sysctl(name, options.network)) continue;
    findings.push_back({"/linux/sysctl/" + name, "the sandbox's kernel does not act upon it"});
  }
  if (!first_unprivileged_port(guest_sysctls(container)))
    findings.push_back({"/linux/sysctl/net.ipv4.ip_unprivileged_port_start", "must be the number of a port"});
}

void check_mounts(const config::Config& container, std::vector<Finding>& findings) {
  for (size_t i = 0; i < container.mounts.size(); ++i) {
    const config::Mount& mount = container.mounts[i];
    auto refuse = [&](const char* why) { findings.push_back({fmt::format("/mounts/{}/options", i), why}); };
    if (mount.idmap || !mount.uid_mappings.empty()) refuse("the sandbox maps no ids of mounts yet");
    if (mount.extensions != 0) refuse("copying up, links and the like are not the sandbox's yet");
    if (!mount.relabel.empty()) refuse("labels of the host's mean nothing to the sandbox's files");
    if (mount.rec_attr_set != 0 || mount.rec_attr_clear != 0)
      refuse("the sandbox has no recursive attributes of mounts yet");
    if (std::ranges::any_of(mount.propagation_flags, [](uint64_t flags) { return (flags & MS_SHARED) != 0; }))
      refuse("nothing is shared with the sandbox's mounts");
  }
}

void check_devices(const config::Config& container, std::vector<Finding>& findings) {
  const std::vector<config::Device>& known = config::default_simple_devices();
  for (const config::Device& device : container.devices) {
    const bool is_known = device.type == 'p' || std::ranges::any_of(known, [&](const config::Device& one) {
                            return one.type == device.type && one.major == device.major && one.minor == device.minor;
                          });
    if (!is_known)
      findings.push_back({"/linux/devices", fmt::format("the sandbox has no device {} {}:{} for {}", device.type,
                                                        device.major, device.minor, device.path)});
  }
}

}  // namespace

Result<void> check_enforced(const config::Config& container, const config::ProcessConfig& process,
                            const Config& options) {
  std::vector<Finding> findings;
  for (const Refusal& refusal : kRefusals)
    if (refusal.is_asked_for(container, process)) findings.push_back({refusal.pointer, refusal.why});
  check_namespaces(container, findings);
  check_sysctls(container, options, findings);
  check_mounts(container, findings);
  check_devices(container, findings);
  if (findings.empty()) return {};
  Error error(ErrorCode::kUnsupported, fmt::format("the sandbox does not enforce {} yet", findings[0].pointer));
  error.findings = std::move(findings);
  return std::unexpected(std::move(error));
}

Jail make_jail(const config::Config& container, const config::ProcessConfig& process, const Config& options,
               const JailFacts& facts) {
  // Nothing is in its root, and nothing can be made in it.
  const uint64_t capabilities = options.file_access == FileAccess::kDirect ? kFileCapabilities : 0;
  Jail jail = sandbox::make_jail(container, facts, 1, capabilities);
  config::Config& config = jail.config;
  config.mounts[0].flags |= MS_RDONLY;
  if (options.network != NetworkType::kHost) {
    config.namespaces.add(NamespaceType::kNet);
  } else if (container.namespaces.contains(NamespaceType::kNet)) {
    config.namespaces.add(NamespaceType::kNet, container.namespaces.path_of(NamespaceType::kNet));
  }
  config.sysctl = jail_sysctls(container, options.network);
  // What the host does for the container as a whole.
  config.parent_death_signal = container.parent_death_signal;
  config.hooks.prestart = container.hooks.prestart;
  config.hooks.create_runtime = container.hooks.create_runtime;

  jail.process.scheduler = process.scheduler ? process.scheduler : container.scheduler;
  jail.process.io_priority = process.io_priority ? process.io_priority : container.io_priority;
  return jail;
}

config::Resources host_resources(const config::Resources& asked_for) {
  config::Resources resources = asked_for;
  // A task of the guest's is a thread of the kernel's and one that runs guest code; the rest is the kernel itself. The
  // guest's own limit is kept by the kernel.
  constexpr int64_t kThreadsEach = 2, kOwnThreads = 32;
  if (resources.pids_limit && *resources.pids_limit > 0)
    resources.pids_limit = *resources.pids_limit * kThreadsEach + kOwnThreads;
  return resources;
}

Limits guest_limits(const config::Resources& asked_for) {
  auto positive = [](const std::optional<int64_t>& value) {
    return value && *value > 0 ? static_cast<uint64_t>(*value) : uint64_t{0};
  };
  return {.memory = positive(asked_for.memory),
          .tasks = positive(asked_for.pids_limit),
          .cpu_quota = positive(asked_for.cpu_quota),
          .cpu_period = asked_for.cpu_period.value_or(0)};
}

BootRequest make_request(const std::string& id, const config::Config& container, const config::ProcessConfig& process,
                         const Config& options) {
  BootRequest request;
  request.id = id;
  request.hostname = container.hostname;
  request.domainname = container.domainname;
  request.read_only_root = container.readonlyfs;
  for (const config::Mount& mount : container.mounts)
    request.mounts.push_back({mount.destination, mount.device, mount.source, mount.data, mount.flags, -1});
  for (const config::Device& device : container.devices) {
    const uint32_t type = device.type == 'b' ? S_IFBLK : device.type == 'p' ? S_IFIFO : S_IFCHR;
    request.devices.push_back(
        {device.path, type | device.file_mode, device.major, device.minor, device.uid, device.gid});
  }
  request.masked_paths = container.mask_paths;
  request.read_only_paths = container.readonly_paths;
  BootProcess& first = request.process;
  first.args = process.args;
  first.env = process.env;
  first.cwd = process.cwd;
  first.uid = process.uid;
  first.gid = process.gid;
  first.additional_gids = process.additional_gids;
  constexpr uint32_t kUsualUmask = 0022;
  first.umask = process.umask.value_or(kUsualUmask);
  first.capabilities = process.capabilities.value_or(config::Capabilities());
  first.rlimits = process.rlimits.value_or(std::vector<config::Rlimit>());
  first.no_new_privileges = process.no_new_privileges.value_or(false);
  first.terminal = process.terminal;
  request.limits = guest_limits(container.cgroups.resources);
  request.sysctls = guest_sysctls(container);
  request.options = to_labels(options);
  return request;
}

}  // namespace cella::sandbox::boot
