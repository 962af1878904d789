#include <linux/limits.h>

#include <algorithm>
#include <map>
#include <set>

#include "oci/annotations.h"
#include "oci/checks.h"
#include "oci/id_mapping.h"
#include "oci/spec_schema.h"
#include "oci/sysctl.h"
#include "oci/validate.h"

namespace cella::oci {

void validate_linux(const Spec& spec, json::Report& report);

namespace {

using json::At;
using json::Report;

// What the namespaces of a container are; all present when their list is malformed, so that nothing follows from that.
class NamespaceSet {
 public:
  NamespaceSet(const Linux& config, const Report& report)
      : linux_(config), unknown_(report.touched("/linux/namespaces")) {}
  bool has(NamespaceType type) const { return unknown_ || linux_.find(type) != nullptr; }
  bool joins(NamespaceType type) const {
    const Namespace* ns = linux_.find(type);
    return !unknown_ && ns != nullptr && !ns->path.empty();
  }
  bool creates(NamespaceType type) const {
    const Namespace* ns = linux_.find(type);
    return !unknown_ && ns != nullptr && ns->path.empty();
  }

 private:
  const Linux& linux_;
  bool unknown_;
};

void check_namespaces(const Linux& config, Report& report) {
  At at(report, "namespaces");
  std::set<NamespaceType> seen;
  for (size_t i = 0; i < config.namespaces.size(); ++i) {
    At item(report, i);
    const Namespace& ns = config.namespaces[i];
    if (!seen.insert(ns.type).second)
      report.fail_in("type", "must be given once, \"{}\" is a duplicate", json::name_of(ns.type));
    if (!ns.path.empty()) check_path(report, "path", ns.path, PathRule::kAbsolute);
  }
}

void check_user_namespace(const Linux& config, const NamespaceSet& namespaces, Report& report) {
  check_id_mappings(config.uid_mappings, "uidMappings", report);
  check_id_mappings(config.gid_mappings, "gidMappings", report);
  for (auto [key, mappings] : {std::pair{"uidMappings", &config.uid_mappings}, {"gidMappings", &config.gid_mappings}}) {
    if (mappings->empty()) {
      if (namespaces.creates(NamespaceType::kUser)) report.fail_in(key, "is required by the new user namespace");
    } else if (!namespaces.has(NamespaceType::kUser)) {
      report.fail_in(key, "needs a user namespace in /linux/namespaces");
    } else if (namespaces.joins(NamespaceType::kUser)) {
      report.warn_in(key, "is ignored: the user namespace to join has its own");
    }
  }
}

void check_sysctls(const Spec& spec, const NamespaceSet& namespaces, Report& report) {
  At at(report, "sysctl");
  for (const auto& [key, value] : spec.linux_config->sysctl) {
    At item(report, std::string_view(key));
    if (!is_sysctl_name(key)) {
      report.fail("must be named with letters, digits, '.', '_', '-' and '/'");
      continue;
    }
    if (key.size() > NAME_MAX) report.fail("must have a name of at most {} bytes", NAME_MAX);
    check_no_nul(report, value);
    const SysctlScope scope = sysctl_scope(key);
    switch (scope.kind) {
      case SysctlScope::kHostOnly:
        report.fail("belongs to no namespace and would change the host");
        break;
      case SysctlScope::kHostname:
        report.fail("must be set with /hostname");
        break;
      case SysctlScope::kNamespaced:
        if (!namespaces.has(scope.type)) {
          report.fail("needs {} {} namespace in /linux/namespaces", scope.type == NamespaceType::kIpc ? "an" : "a",
                      json::name_of(scope.type));
        } else if (sysctl_with_dots(key) == "kernel.domainname" && !spec.domainname.empty()) {
          report.fail("conflicts with /domainname");
        }
    }
  }
}

// There is one node at a path: config-linux.md, "Devices", refuses one that is not the one asked for. `first` has the
// entries before, by path.
void check_device_again(const std::vector<Device>& devices, size_t i, std::map<std::string_view, size_t>& first,
                        Report& report) {
  auto [entry, is_first] = first.emplace(devices[i].path, i);
  if (is_first) return;
  if (devices[i] == devices[entry->second]) {
    report.warn("is ignored: entry {} is the same", entry->second);
  } else {
    report.fail_in("path", "must be given once: entry {} has another device there", entry->second);
  }
}

void check_devices(const std::vector<Device>& devices, Report& report) {
  constexpr int64_t kMostMajor = (1 << 12) - 1, kMostMinor = (1 << 20) - 1;  // dev_t of the kernel
  constexpr uint32_t kMostMode = 0177777;                                    // mode_t with the file's type
  At at(report, "devices");
  std::map<std::string_view, size_t> first;
  for (size_t i = 0; i < devices.size(); ++i) {
    const Device& device = devices[i];
    At item(report, i);
    check_path(report, "path", device.path, PathRule::kAbsolute);
    const bool known = device.type.size() == 1 && std::string_view("bcup").contains(device.type[0]);
    if (!known) report.fail_in("type", "must be \"b\", \"c\", \"u\" or \"p\", not {}", json::quoted(device.type));
    for (auto [key, number, most] :
         {std::tuple{"major", device.major, kMostMajor}, {"minor", device.minor, kMostMinor}}) {
      if (!number) {
        if (known && device.type != "p") report.fail_in(key, "is required for a device of type \"{}\"", device.type);
      } else if (*number < 0 || *number > most) {
        report.fail_in(key, "must be between 0 and {}, not {}", most, *number);
      }
    }
    if (device.file_mode && *device.file_mode > kMostMode) {
      report.fail_in("fileMode", "must be at most {} (0{:o}), not {}", kMostMode, kMostMode, *device.file_mode);
    }
    check_device_again(devices, i, first, report);
  }
}

void check_net_devices(const Linux& config, const NamespaceSet& namespaces, Report& report) {
  if (config.net_devices.empty()) return;
  if (!namespaces.has(NamespaceType::kNetwork)) {
    report.warn_in("netDevices",
                   "has no effect without a network namespace in /linux/namespaces: the container has the "
                   "runtime's, where the devices stay as they are");
  }
  At at(report, "netDevices");
  std::set<std::string_view> names;
  for (const auto& [name, device] : config.net_devices) {
    At item(report, std::string_view(name));
    if (!is_interface_name(name)) {
      report.fail("must be named after a network interface (1 to 15 bytes), not {}", json::quoted(name));
    }
    if (!device.name.empty() && !is_interface_name(device.name)) {
      report.fail_in("name", "must be a legal name of a network interface (1 to 15 bytes), not {}",
                     json::quoted(device.name));
    } else if (!names.insert(device.name.empty() ? name : device.name).second) {
      report.fail_in("name", "must differ from those of the other devices");
    }
  }
}

bool takes_errno(SeccompAction action) {
  return action == SeccompAction::kErrno || action == SeccompAction::kTrace;
}

void check_errno(Report& report, std::string_view key, SeccompAction action, std::optional<uint32_t> value) {
  constexpr uint32_t kMostErrno = 4094, kMostTrace = 65535;  // libseccomp's
  if (!value) return;
  if (!takes_errno(action)) {
    report.fail_in(key, "is only allowed with SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not with {}", json::name_of(action));
  } else if (uint32_t most = action == SeccompAction::kErrno ? kMostErrno : kMostTrace; *value > most) {
    report.fail_in(key, "must be at most {} with {}, not {}", most, json::name_of(action), *value);
  }
}

void check_seccomp(const Seccomp& seccomp, const Annotations& annotations, Report& report) {
  const bool has_receiver = find_annotation(annotations, annotation::kSeccompReceiver) != nullptr;
  At at(report, "seccomp");
  check_errno(report, "defaultErrnoRet", seccomp.default_action, seccomp.default_errno_ret);
  if (seccomp.default_action == SeccompAction::kNotify) report.fail_in("defaultAction", "must not be SCMP_ACT_NOTIFY");
  if (!seccomp.listener_path.empty()) {
    constexpr size_t kMostPath = 107;  // unix(7): sun_path
    if (check_path(report, "listenerPath", seccomp.listener_path, PathRule::kAny) &&
        seccomp.listener_path.size() > kMostPath) {
      report.fail_in("listenerPath", "must be at most {} bytes long, as the path of a socket", kMostPath);
    }
  } else if (!seccomp.listener_metadata.empty() && !has_receiver) {
    report.fail_in("listenerMetadata", "needs a listenerPath");
  }
  bool requires_listener = false;
  {
    At syscalls(report, "syscalls");
    for (size_t i = 0; i < seccomp.syscalls.size(); ++i) {
      const Syscall& syscall = seccomp.syscalls[i];
      At item(report, i);
      check_errno(report, "errnoRet", syscall.action, syscall.errno_ret);
      requires_listener |= syscall.action == SeccompAction::kNotify;
      if (syscall.names.empty()) report.fail_in("names", "must have at least one entry");
      At names(report, "names");
      for (size_t k = 0; k < syscall.names.size(); ++k) {
        At name(report, k);
        if (syscall.names[k].empty()) report.fail("must not be empty");
        check_text(report, syscall.names[k]);
      }
    }
  }
  if (requires_listener && seccomp.listener_path.empty() && !has_receiver) {
    report.fail_in("listenerPath", "is required by SCMP_ACT_NOTIFY");
  }
  At flags(report, "flags");
  if (!seccomp.flags || requires_listener || report.touched("/linux/seccomp/syscalls")) return;
  for (size_t i = 0; i < seccomp.flags->size(); ++i) {
    At flag(report, i);
    if ((*seccomp.flags)[i] == SeccompFlag::kWaitKillableRecv) report.fail("needs a rule with SCMP_ACT_NOTIFY");
  }
}

void check_paths(const std::vector<std::string>& paths, std::string_view key, bool has_mount_namespace,
                 Report& report) {
  if (paths.empty()) return;
  if (!has_mount_namespace) return report.fail_in(key, "needs a mount namespace in /linux/namespaces");
  At at(report, key);
  for (size_t i = 0; i < paths.size(); ++i) {
    At item(report, i);
    check_path(report, paths[i], PathRule::kAbsolute);
  }
}

void check_cgroups_path(const std::string& path, Report& report) {
  if (!check_text(report, "cgroupsPath", path)) return;
  if (path.size() >= PATH_MAX) return report.fail_in("cgroupsPath", "must be at most 4095 bytes long");
  std::string_view rest = path;
  while (!rest.empty()) {
    size_t slash = rest.find('/');
    if (rest.substr(0, slash) == "..") return report.fail_in("cgroupsPath", "must not contain \"..\"");
    if (rest.substr(0, slash).size() > NAME_MAX) {
      return report.fail_in("cgroupsPath", "must not have a name longer than {} bytes", NAME_MAX);
    }
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
}

void check_intel_rdt(const IntelRdt& rdt, Report& report) {
  At at(report, "intelRdt");
  const std::string& id = rdt.clos_id;  // "/" is the default group
  if (check_text(report, "closID", id) && id != "/" && (id == "." || id == ".." || id.find('/') != std::string::npos)) {
    report.fail_in("closID", "must be the name of a directory, not {}", json::quoted(id));
  } else if (id.size() > NAME_MAX) {
    report.fail_in("closID", "must be at most {} bytes long", NAME_MAX);
  }
  check_text(report, "memBwSchema", rdt.mem_bw_schema);
  if (!rdt.mem_bw_schema.empty() && !rdt.mem_bw_schema.starts_with("MB:")) {
    report.fail_in("memBwSchema", "must begin with \"MB:\"");
  }
  if (rdt.l3_cache_schema.find('\0') != std::string::npos) report.fail_in("l3CacheSchema", "must not contain NUL");
  At schemata(report, "schemata");
  for (size_t i = 0; i < rdt.schemata.size(); ++i) {
    At item(report, i);
    check_text(report, rdt.schemata[i]);
  }
}

// set_mempolicy(2).
void check_memory_policy(const MemoryPolicy& policy, Report& report) {
  At at(report, "memoryPolicy");
  uint64_t count = 0;
  if (const char* error = list_error(policy.nodes, count)) return report.fail_in("nodes", "{}", error);
  const char* mode = json::name_of(policy.mode);
  switch (policy.mode) {
    case MemoryPolicyMode::kDefault:
    case MemoryPolicyMode::kLocal:
      if (count != 0) report.fail_in("nodes", "must be empty with {}", mode);
      break;
    case MemoryPolicyMode::kPreferred:
      break;
    default:
      if (count == 0) report.fail_in("nodes", "must not be empty with {}", mode);
  }
  auto has = [&](MemoryPolicyFlag flag) {
    return std::find(policy.flags.begin(), policy.flags.end(), flag) != policy.flags.end();
  };
  if (has(MemoryPolicyFlag::kRelativeNodes) && has(MemoryPolicyFlag::kStaticNodes)) {
    report.fail_in("flags", "must not have both MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES");
  }
}

void check_time_offsets(const Linux& config, const NamespaceSet& namespaces, Report& report) {
  if (config.time_offsets.empty()) return;
  if (!namespaces.has(NamespaceType::kTime)) {
    return report.fail_in("timeOffsets", "needs a time namespace in /linux/namespaces");
  }
  if (namespaces.joins(NamespaceType::kTime)) {
    return report.fail_in("timeOffsets", "must not be given with a time namespace to join");
  }
  At at(report, "timeOffsets");
  for (const auto& [clock, offset] : config.time_offsets) {
    if (clock != "monotonic" && clock != "boottime") {
      report.fail_in(clock, "must be \"monotonic\" or \"boottime\", not {}", json::quoted(clock));
    }
  }
}

}  // namespace

void validate_linux(const Spec& spec, Report& report) {
  const Linux& config = *spec.linux_config;
  const NamespaceSet namespaces(config, report);
  const bool has_mount = namespaces.has(NamespaceType::kMount);
  At at(report, "linux");
  check_namespaces(config, report);
  check_user_namespace(config, namespaces, report);
  check_sysctls(spec, namespaces, report);
  if (config.resources) {
    At resources(report, "resources");
    validate(*config.resources, report, true);
  }
  check_cgroups_path(config.cgroups_path, report);
  check_devices(config.devices, report);
  check_net_devices(config, namespaces, report);
  if (config.seccomp) check_seccomp(*config.seccomp, spec.annotations, report);
  check_paths(config.masked_paths, "maskedPaths", has_mount, report);
  check_paths(config.readonly_paths, "readonlyPaths", has_mount, report);
  check_label(report, "mountLabel", config.mount_label);
  if (config.intel_rdt) check_intel_rdt(*config.intel_rdt, report);
  if (config.memory_policy) check_memory_policy(*config.memory_policy, report);
  if (config.personality && !config.personality->flags.empty()) {
    At personality(report, "personality");
    report.warn_in("flags", "is ignored: the specification defines no flag");
  }
  check_time_offsets(config, namespaces, report);
}

}  // namespace cella::oci
