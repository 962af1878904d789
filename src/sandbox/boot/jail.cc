#include "sandbox/boot/jail.h"

#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/result.h"
#include "sandbox/boot/options.h"
#include "sandbox/boot/sysctls.h"
#include "sandbox/fs/mount_types.h"

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
    {"/process/execCPUAffinity", "the sandbox's programs all run on the container's CPUs",
     [](const config::Config&, const config::ProcessConfig& p) { return p.exec_cpu_affinity.has_value(); }},
    // Of the first program's the kernel as a whole is made, which other programs share.
    {"/process/scheduler", "the sandbox's programs are scheduled together",
     [](const config::Config& c, const config::ProcessConfig& p) { return p.scheduler && p.scheduler != c.scheduler; }},
    {"/process/ioPriority", "the sandbox's programs have one priority together",
     [](const config::Config& c, const config::ProcessConfig& p) {
       return p.io_priority && p.io_priority != c.io_priority;
     }},
    {"/linux/mountLabel", "labels of the host's mean nothing to the sandbox's files",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.mount_label.empty(); }},
    {"/linux/timeOffsets", "the sandbox has no time namespaces yet",
     [](const config::Config& c, const config::ProcessConfig&) { return !c.time_offsets.empty(); }},
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

// In a user namespace there are the ids that it maps, and no other.
void check_ids(const config::Config& container, const config::ProcessConfig& process, std::vector<Finding>& findings) {
  if (!container.namespaces.is_new(NamespaceType::kUser)) return;
  auto check = [&](uint32_t id, const std::vector<config::IDMap>& maps, const char* pointer) {
    const bool is_mapped = std::ranges::any_of(
        maps, [&](const config::IDMap& map) { return id >= map.container_id && id < map.container_id + map.size; });
    if (!is_mapped) findings.push_back({pointer, fmt::format("{} is not mapped in the user namespace", id)});
  };
  check(process.uid, container.uid_mappings, "/process/user/uid");
  check(process.gid, container.gid_mappings, "/process/user/gid");
  for (uint32_t gid : process.additional_gids) check(gid, container.gid_mappings, "/process/user/additionalGids");
}

void check_sysctls(const config::Config& container, const Config& options, std::vector<Finding>& findings) {
  for (const auto& [name, value] : container.sysctl) {
    if (is_hosts_sysctl(name, options.network)) continue;
    if (is_guests_sysctl(name)) {
      if (!guest_sysctl_value(name, value))
        findings.push_back({"/linux/sysctl/" + name, fmt::format("cannot be \"{}\"", value)});
      continue;
    }
    findings.push_back({"/linux/sysctl/" + name, "the sandbox's kernel does not act upon it"});
  }
  if (!first_unprivileged_port(guest_sysctls(container)))
    findings.push_back({"/linux/sysctl/net.ipv4.ip_unprivileged_port_start", "must be the number of a port"});
}

void check_mounts(const config::Config& container, std::vector<Finding>& findings) {
  for (size_t i = 0; i < container.mounts.size(); ++i) {
    const config::Mount& mount = container.mounts[i];
    auto refuse = [&](const char* why) { findings.push_back({fmt::format("/mounts/{}/options", i), why}); };
    if (!is_tree(mount) && (mount.idmap || !mount.uid_mappings.empty()))
      refuse("the sandbox maps ids of the host's files alone");
    if ((mount.extensions & ~config::kExtensionCopyUp) != 0)
      refuse("links of the host's are not looked at for the sandbox yet");
    const bool is_new = (mount.flags & (MS_BIND | MS_REMOUNT)) == 0;
    if (is_new && !fs::is_mount_type(mount.device)) {
      findings.push_back(
          {fmt::format("/mounts/{}/type", i), fmt::format("the sandbox has no filesystem of type {}", mount.device)});
    }
    if (!mount.relabel.empty()) refuse("labels of the host's mean nothing to the sandbox's files");
    if ((mount.flags & MS_REMOUNT) != 0 && (mount.rec_attr_set | mount.rec_attr_clear) != 0)
      refuse("the sandbox changes no attributes of mounts below one that is there");
    if (std::ranges::any_of(mount.propagation_flags, [](uint64_t flags) { return (flags & MS_SHARED) != 0; }))
      refuse("nothing is shared with the sandbox's mounts");
  }
}

// MS_* of a mount of the guest's. A bind's recursive attributes are its tree's too: sandbox/jail/jail.h.
uint64_t guest_flags(const config::Mount& mount) {
  constexpr std::pair<uint64_t, uint64_t> kRecursive[] = {
      {MOUNT_ATTR_RDONLY, MS_RDONLY},         {MOUNT_ATTR_NOSUID, MS_NOSUID},
      {MOUNT_ATTR_NODEV, MS_NODEV},           {MOUNT_ATTR_NOEXEC, MS_NOEXEC},
      {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME}, {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW},
      {MOUNT_ATTR_NOATIME, MS_NOATIME},
  };
  uint64_t flags = mount.flags;
  for (const auto& [attribute, flag] : kRecursive) {
    if (mount.rec_attr_clear & attribute) flags &= ~flag;
    if (mount.rec_attr_set & attribute) flags |= flag;
  }
  // What else there is in its propagation is the tree's.
  if (!mount.propagation_flags.empty()) flags |= mount.propagation_flags.back() & MS_UNBINDABLE;
  return flags;
}

void check_devices(const config::Config& container, std::vector<Finding>& findings) {
  // A privileged container asks for hundreds: whoever passes the error on has no room for all of them.
  constexpr size_t kMostNamed = 8;
  size_t unknown = 0;
  const std::vector<config::Device>& known = config::default_simple_devices();
  for (const config::Device& device : container.devices) {
    const bool is_known = device.type == 'p' || std::ranges::any_of(known, [&](const config::Device& one) {
                            return one.type == device.type && one.major == device.major && one.minor == device.minor;
                          });
    if (is_known || ++unknown > kMostNamed) continue;
    findings.push_back({"/linux/devices", fmt::format("the sandbox has no device {} {}:{} for {}", device.type,
                                                      device.major, device.minor, device.path)});
  }
  if (unknown > kMostNamed)
    findings.push_back({"/linux/devices", fmt::format("and {} more like these", unknown - kMostNamed)});
}

}  // namespace

std::vector<Finding> ignored_by_sandbox(const config::Config& container, const Config& options) {
  std::vector<Finding> findings;
  // Where none is named, the specification means the runtime's own.
  for (NamespaceType type : {NamespaceType::kPid, NamespaceType::kIpc, NamespaceType::kUts}) {
    if (container.namespaces.contains(type)) continue;
    findings.push_back({"/linux/namespaces", fmt::format("the sandbox has a {} namespace of its own, not the host's",
                                                         config::namespace_oci_name(type))});
  }
  if (!container.namespaces.contains(NamespaceType::kNet) && options.network != NetworkType::kHost) {
    findings.push_back({"/linux/namespaces", fmt::format("with network {} the host's network is not the sandbox's",
                                                         to_string(options.network))});
  }
  return findings;
}

Result<void> check_enforced(const config::Config& container, const config::ProcessConfig& process,
                            const Config& options) {
  std::vector<Finding> findings;
  for (const Refusal& refusal : kRefusals)
    if (refusal.is_asked_for(container, process)) findings.push_back({refusal.pointer, refusal.why});
  check_namespaces(container, findings);
  check_ids(container, process, findings);
  check_sysctls(container, options, findings);
  check_mounts(container, findings);
  check_devices(container, findings);
  if (findings.empty()) return {};
  Error error(ErrorCode::kUnsupported, fmt::format("the sandbox does not enforce {} yet", findings[0].pointer));
  error.findings = std::move(findings);
  return std::unexpected(std::move(error));
}

Jail make_jail(const config::Config& container, const config::ProcessConfig& process, const Config& options,
               const JailFacts& facts, const std::vector<config::Mount>& trees) {
  const uint64_t capabilities = options.file_access == FileAccess::kDirect ? kFileCapabilities : 0;
  Jail jail = sandbox::make_jail(container, facts, trees, 0, capabilities);
  config::Config& config = jail.config;
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
  if (resources.pids_limit && *resources.pids_limit >= 0)
    resources.pids_limit = *resources.pids_limit * kThreadsEach + kOwnThreads;
  return resources;
}

Limits guest_limits(const config::Resources& asked_for) {
  auto positive = [](const std::optional<int64_t>& value) {
    return value && *value > 0 ? static_cast<uint64_t>(*value) : uint64_t{0};
  };
  Limits limits;
  limits.memory = positive(asked_for.memory);
  // With a limit of 0 a program can run that was there before, and make no other.
  if (asked_for.pids_limit && *asked_for.pids_limit >= 0)
    limits.tasks = static_cast<uint64_t>(std::max<int64_t>(*asked_for.pids_limit, 1));
  limits.cpu_quota = positive(asked_for.cpu_quota);
  limits.cpu_period = asked_for.cpu_period.value_or(0);
  return limits;
}

BootRequest make_request(const std::string& id, const config::Config& container, const config::ProcessConfig& process,
                         const Config& options) {
  BootRequest request;
  request.id = id;
  request.hostname = container.hostname;
  request.domainname = container.domainname;
  if (container.readonlyfs) request.root_flags |= MS_RDONLY;
  if (container.root_propagation & MS_UNBINDABLE) request.root_flags |= container.root_propagation;
  request.root_flags |= container.root_propagation & MS_SLAVE;
  int next_tree = 1;  // the root's is the first
  for (const config::Mount& mount : container.mounts) {
    BootMount& made = request.mounts.emplace_back();
    made = {mount.destination, mount.device, mount.source, mount.data, guest_flags(mount)};
    made.copy_up = (mount.extensions & config::kExtensionCopyUp) != 0;
    if (is_tree(mount)) made.tree = next_tree++;
  }
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
  first.oom_score_adj = process.oom_score_adj.value_or(0);
  if (process.scheduler) first.nice = process.scheduler->nice;
  constexpr int kClassShift = 13;  // ioprio_set(2)
  if (process.io_priority)
    first.io_priority = process.io_priority->io_class << kClassShift | process.io_priority->priority;
  if (container.personality) first.personality = static_cast<uint32_t>(container.personality->domain);
  first.no_new_privileges = process.no_new_privileges.value_or(false);
  first.terminal = process.terminal;
  request.limits = guest_limits(container.cgroups.resources);
  request.sysctls = guest_sysctls(container);
  if (container.namespaces.is_new(NamespaceType::kUser)) {
    request.uid_maps = container.uid_mappings;
    request.gid_maps = container.gid_mappings;
  }
  request.options = to_labels(options);
  return request;
}

}  // namespace cella::sandbox::boot
