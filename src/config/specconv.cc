#include "config/specconv.h"

#include <sys/mount.h>

#include <algorithm>
#include <iterator>

#include "config/capabilities.h"
#include "config/specconv_parts.h"
#include "oci/parse.h"
#include "oci/spec_schema.h"

namespace cella::config {
namespace {

constexpr NamespaceType kNamespaceTypes[] = {
    // by oci::NamespaceType
    NamespaceType::kPid, NamespaceType::kNet,  NamespaceType::kMount,  NamespaceType::kIpc,
    NamespaceType::kUts, NamespaceType::kUser, NamespaceType::kCgroup, NamespaceType::kTime,
};
constexpr uint64_t kPropagations[] = {
    // by oci::Propagation
    MS_PRIVATE, MS_PRIVATE | MS_REC, MS_SHARED,     MS_SHARED | MS_REC,
    MS_SLAVE,   MS_SLAVE | MS_REC,   MS_UNBINDABLE, MS_UNBINDABLE | MS_REC,
};
constexpr uint32_t kFileTypeBits = 0170000;  // S_IFMT

Capabilities convert_capabilities(const oci::Capabilities& from, json::Report& report) {
  json::At at(report, "capabilities");
  auto convert = [&](std::string_view key, const std::vector<std::string>& names) {
    std::vector<size_t> unknown;
    const uint64_t set = capability_set(names, &unknown);
    json::At list(report, key);
    for (size_t i : unknown) {
      json::At item(report, i);
      report.warn("is ignored: {} is not a known capability", json::quoted(names[i]));
    }
    return set;
  };
  Capabilities to;
  to.bounding = convert("bounding", from.bounding);
  to.effective = convert("effective", from.effective);
  to.inheritable = convert("inheritable", from.inheritable);
  to.permitted = convert("permitted", from.permitted);
  to.ambient = convert("ambient", from.ambient);
  return to;
}

std::vector<Rlimit> convert_rlimits(const std::vector<oci::Rlimit>& rlimits) {
  std::vector<Rlimit> to;
  for (const oci::Rlimit& r : rlimits) to.push_back({.type = static_cast<int>(r.type), .hard = r.hard, .soft = r.soft});
  return to;
}

template <typename Flag>
uint64_t bits(const std::vector<Flag>& flags) {
  uint64_t set = 0;
  for (Flag flag : flags) set |= static_cast<uint64_t>(flag);
  return set;
}

Scheduler convert_scheduler(const oci::Scheduler& s) {
  return {.policy = static_cast<uint32_t>(s.policy),
          .nice = s.nice,
          .priority = static_cast<uint32_t>(s.priority),
          .flags = bits(s.flags),
          .runtime = s.runtime,
          .deadline = s.deadline,
          .period = s.period};
}

std::vector<Device> convert_devices(const std::vector<oci::Device>& nodes) {
  std::vector<Device> devices;
  for (const Device& device : default_simple_devices()) {
    bool overridden = false;
    for (const oci::Device& node : nodes) overridden |= node.path == device.path;
    if (!overridden) devices.push_back(device);
  }
  for (const oci::Device& node : nodes) {
    Device device;
    device.type = node.type == "u" ? 'c' : node.type[0];
    device.path = node.path;
    device.major = node.major.value_or(0);
    device.minor = node.minor.value_or(0);
    device.file_mode = node.file_mode.value_or(0666) & ~kFileTypeBits;
    device.uid = node.uid.value_or(0);
    device.gid = node.gid.value_or(0);
    devices.push_back(std::move(device));
  }
  return devices;
}

std::vector<Hook> convert_hooks(const std::vector<oci::Hook>& hooks) {
  std::vector<Hook> to;
  for (const oci::Hook& hook : hooks)
    to.push_back({.path = hook.path, .args = hook.args, .env = hook.env, .timeout = hook.timeout});
  return to;
}

void convert_linux(const oci::Linux& from, Config& config) {
  if (from.rootfs_propagation) config.root_propagation = kPropagations[static_cast<int>(*from.rootfs_propagation)];
  for (const oci::Namespace& ns : from.namespaces)
    config.namespaces.add(kNamespaceTypes[static_cast<int>(ns.type)], ns.path);
  if (config.namespaces.is_new(NamespaceType::kNet)) config.networks.emplace_back().type = std::string("loopback");
  config.uid_mappings = convert_id_maps(from.uid_mappings);
  config.gid_mappings = convert_id_maps(from.gid_mappings);
  config.mask_paths = from.masked_paths;
  config.readonly_paths = from.readonly_paths;
  config.mount_label = from.mount_label;
  config.sysctl = from.sysctl;
  for (const auto& [clock, offset] : from.time_offsets) config.time_offsets[clock] = {offset.secs, offset.nanosecs};
  if (config.namespaces.contains(NamespaceType::kNet)) {  // otherwise oci/ has said that they have no effect
    for (const auto& [name, device] : from.net_devices) config.net_devices[name].name = device.name;
  }
  if (from.seccomp) config.seccomp = convert_seccomp(*from.seccomp);
  if (from.intel_rdt) {
    const oci::IntelRdt& rdt = *from.intel_rdt;
    config.intel_rdt =
        IntelRdt{rdt.clos_id, rdt.l3_cache_schema, rdt.mem_bw_schema, rdt.schemata, rdt.enable_monitoring};
  }
  if (from.memory_policy) {
    config.memory_policy = MemoryPolicy{static_cast<int>(from.memory_policy->mode), from.memory_policy->nodes,
                                        static_cast<uint32_t>(bits(from.memory_policy->flags))};
  }
  if (from.personality) config.personality = Personality{static_cast<uint64_t>(from.personality->domain)};
}

// What `exec` takes over when its own process says nothing.
void set_process_defaults(const ProcessConfig& process, Config& config) {
  config.umask = process.umask;
  config.capabilities = process.capabilities;
  config.rlimits = process.rlimits.value_or(std::vector<Rlimit>());
  config.no_new_privileges = process.no_new_privileges.value_or(false);
  config.apparmor_profile = process.apparmor_profile.value_or(std::string());
  config.process_label = process.process_label.value_or(std::string());
  config.oom_score_adj = process.oom_score_adj;
  config.scheduler = process.scheduler;
  config.io_priority = process.io_priority;
  config.exec_cpu_affinity = process.exec_cpu_affinity;
}

std::optional<int64_t> host_uid(const Config& config, uint32_t uid) {
  if (!config.namespaces.contains(NamespaceType::kUser)) return uid;
  for (const IDMap& map : config.uid_mappings)
    if (uid >= map.container_id && uid - map.container_id < map.size) return map.host_id + uid - map.container_id;
  return std::nullopt;
}

// The user of the process may manage a cgroup that the container sees as its own and can write to.
std::optional<int64_t> cgroup_owner(const oci::Spec& spec, const Config& config) {
  if (!config.namespaces.is_new(NamespaceType::kCgroup)) return std::nullopt;
  for (const Mount& mount : config.mounts) {
    if (mount.source == "cgroup" && clean_path(mount.destination) == "/sys/fs/cgroup" &&
        (mount.flags & MS_RDONLY) == 0) {
      return host_uid(config, spec.process ? spec.process->user.uid : 0);
    }
  }
  return std::nullopt;
}

void check_rootless(const Config& config, json::Report& report) {
  json::At at(report, "linux");
  if (!config.net_devices.empty() && (config.rootless_euid || config.rootless_cgroups)) {
    report.fail_in("netDevices", "cannot be moved into a rootless container");
  }
  if (config.no_pivot_root && (config.root_propagation & MS_PRIVATE) != 0) {
    report.fail_in("rootfsPropagation", "must not be private without pivot_root");
  }
}

}  // namespace

std::string clean_path(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!absolute) {
      parts.push_back(part);
    }
  }
  std::string out;
  for (std::string_view part : parts) {
    if (absolute || !out.empty()) out += '/';
    out += part;
  }
  if (out.empty()) out += absolute ? '/' : '.';
  return out;
}

std::vector<IDMap> convert_id_maps(const std::vector<oci::IDMapping>& mappings) {
  std::vector<IDMap> maps;
  for (const oci::IDMapping& m : mappings)
    maps.push_back({.container_id = m.container_id, .host_id = m.host_id, .size = m.size});
  return maps;
}

Seccomp convert_seccomp(const oci::Seccomp& from) {
  // The enums are the same two lists.
  static_assert(static_cast<int>(SeccompAction::kNotify) == static_cast<int>(oci::SeccompAction::kNotify) &&
                static_cast<int>(SeccompAction::kErrno) == static_cast<int>(oci::SeccompAction::kErrno));
  static_assert(static_cast<int>(SeccompOperator::kMaskedEqual) ==
                    static_cast<int>(oci::SeccompOperator::kMaskedEqual) &&
                static_cast<int>(SeccompOperator::kEqual) == static_cast<int>(oci::SeccompOperator::kEqual));
  Seccomp to;
  to.default_action = static_cast<SeccompAction>(from.default_action);
  to.default_errno_ret = from.default_errno_ret;
  for (oci::SeccompArch arch : from.architectures) to.architectures.emplace_back(json::name_of(arch));
  if (!from.flags) {
    to.flags.emplace_back(json::name_of(oci::SeccompFlag::kSpecAllow));  // runc's default
  } else {
    for (oci::SeccompFlag flag : *from.flags) to.flags.emplace_back(json::name_of(flag));
  }
  to.listener_path = from.listener_path;
  to.listener_metadata = from.listener_metadata;
  for (const oci::Syscall& syscall : from.syscalls) {
    std::vector<SeccompArg> args;
    for (const oci::SeccompArg& arg : syscall.args)
      args.push_back({arg.index, arg.value, arg.value_two, static_cast<SeccompOperator>(arg.op)});
    for (const std::string& name : syscall.names) {
      to.syscalls.push_back({name, static_cast<SeccompAction>(syscall.action), syscall.errno_ret, args,
                             static_cast<int>(&syscall - from.syscalls.data()),
                             static_cast<int>(&name - syscall.names.data())});
    }
  }
  return to;
}

namespace {

ProcessConfig convert_process(const oci::Process& from, json::Report& report) {
  ProcessConfig to;
  to.args = from.args;
  to.env = from.env;
  to.cwd = from.cwd;
  to.uid = from.user.uid;
  to.gid = from.user.gid;
  to.additional_gids = from.user.additional_gids;
  to.umask = from.user.umask;
  to.terminal = from.terminal;
  if (from.terminal && from.console_size) {
    to.console_width = static_cast<uint16_t>(from.console_size->width);
    to.console_height = static_cast<uint16_t>(from.console_size->height);
  }
  if (from.capabilities) to.capabilities = convert_capabilities(*from.capabilities, report);
  if (!from.rlimits.empty()) to.rlimits = convert_rlimits(from.rlimits);
  to.no_new_privileges = from.no_new_privileges;
  if (!from.apparmor_profile.empty()) to.apparmor_profile = from.apparmor_profile;
  if (!from.selinux_label.empty()) to.process_label = from.selinux_label;
  to.oom_score_adj = from.oom_score_adj;
  if (from.scheduler) to.scheduler = convert_scheduler(*from.scheduler);
  if (from.io_priority)
    to.io_priority = IOPriority{static_cast<int>(from.io_priority->io_class), from.io_priority->priority};
  if (const auto& affinity = from.exec_cpu_affinity;
      affinity && !(affinity->initial.empty() && affinity->final.empty())) {
    to.exec_cpu_affinity = CPUAffinity{affinity->initial, affinity->final};
  }
  return to;
}

void move_warnings(json::Report& report, std::vector<Finding>* to) {
  if (to != nullptr) std::ranges::move(report.warnings, std::back_inserter(*to));
}

}  // namespace

ProcessConfig process_from_spec(const oci::Process& from, std::vector<Finding>* ignored) {
  json::Report report;
  ProcessConfig process = convert_process(from, report);
  move_warnings(report, ignored);
  return process;
}

Result<Converted> from_spec(const oci::Spec& spec, const SpecconvOptions& options, std::vector<Finding>* ignored) {
  Converted result;
  json::Report report;
  Config& config = result.config;
  config.version = oci::kSpecVersion;
  config.no_pivot_root = options.no_pivot_root;
  config.no_new_keyring = options.no_new_keyring;
  config.rootless_euid = options.rootless_euid;
  config.rootless_cgroups = options.rootless_cgroups;
  config.hostname = spec.hostname;
  config.domainname = spec.domainname;
  if (spec.root) {
    config.rootfs =
        clean_path(spec.root->path.starts_with('/') ? spec.root->path : options.bundle + "/" + spec.root->path);
    config.readonlyfs = spec.root->readonly;
  } else {
    report.fail_in("root", "is required on Linux");
  }
  for (const auto& [key, value] : spec.annotations) config.labels.push_back(key + "=" + value);
  config.labels.push_back("bundle=" + options.bundle);
  if (spec.linux_config) convert_linux(*spec.linux_config, config);
  config.devices = convert_devices(spec.linux_config ? spec.linux_config->devices : std::vector<oci::Device>());
  convert_mounts(spec, options, config, report);
  config.cgroups = convert_cgroup(spec, options, report);
  config.cgroups.owner_uid = cgroup_owner(spec, config);
  if (spec.hooks) {
    config.hooks = {convert_hooks(spec.hooks->prestart),         convert_hooks(spec.hooks->create_runtime),
                    convert_hooks(spec.hooks->create_container), convert_hooks(spec.hooks->start_container),
                    convert_hooks(spec.hooks->poststart),        convert_hooks(spec.hooks->poststop)};
  }
  convert_annotations(spec, config, report);
  if (spec.process) {
    json::At at(report, "process");
    ProcessConfig process = convert_process(*spec.process, report);
    set_process_defaults(process, config);
    process.exec_cpu_affinity.reset();  // not for the init process, says the specification
    result.process = std::move(process);
  }
  check_rootless(config, report);
  move_warnings(report, ignored);
  if (!report.findings.empty()) return std::unexpected(oci::invalid("config.json", std::move(report.findings)));
  return result;
}

}  // namespace cella::config
