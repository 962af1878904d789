#include "container/host_facts.h"

#include <unistd.h>

#include <bit>

#include "base/base64.h"
#include "base/result.h"
#include "bpf/seccomp.h"
#include "config/capabilities.h"
#include "oci/sysctl.h"
#include "sandbox/boot/options.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cella::container {
namespace {

bool kernel_has_apparmor() {
  SysResult<std::string> enabled = sys::read_file("/sys/module/apparmor/parameters/enabled");
  return enabled && enabled->starts_with('Y');
}

bool kernel_has_selinux() {
  return sys::stat_at(sys::kCurrentDirectory, "/sys/fs/selinux/enforce").has_value();
}

bpf::SeccompPolicy policy_of(const config::Seccomp& seccomp) {
  bpf::SeccompPolicy policy;
  // The same enumerators in the same order on both sides.
  policy.default_action = static_cast<bpf::SeccompAction>(seccomp.default_action);
  policy.default_errno_ret = seccomp.default_errno_ret;
  policy.architectures = seccomp.architectures;
  policy.flags = seccomp.flags;
  policy.fail_unknown_syscalls = seccomp.fail_unknown_syscalls;
  policy.rules.reserve(seccomp.syscalls.size());
  for (const config::SeccompSyscall& syscall : seccomp.syscalls) {
    bpf::SeccompRule& rule = policy.rules.emplace_back();
    rule.name = syscall.name;
    rule.action = static_cast<bpf::SeccompAction>(syscall.action);
    rule.errno_ret = syscall.errno_ret;
    for (const config::SeccompArg& arg : syscall.args) {
      rule.args.push_back({arg.index, arg.value, arg.value_two, static_cast<bpf::SeccompOperator>(arg.op)});
    }
  }
  return policy;
}
static_assert(static_cast<int>(bpf::SeccompAction::kNotify) == static_cast<int>(config::SeccompAction::kNotify));
static_assert(static_cast<int>(bpf::SeccompOperator::kMaskedEqual) ==
              static_cast<int>(config::SeccompOperator::kMaskedEqual));

// Where config.json has what the program does without.
std::string pointer_of(const config::Seccomp& seccomp, const bpf::SeccompIgnored& ignored) {
  if (ignored.what == bpf::SeccompIgnored::kArchitecture) {
    return fmt::format("/linux/seccomp/architectures/{}", ignored.index);
  }
  const config::SeccompSyscall& syscall = seccomp.syscalls[ignored.index];
  if (syscall.spec_rule < 0) return "/linux/seccomp/syscalls";
  return fmt::format("/linux/seccomp/syscalls/{}/names/{}", syscall.spec_rule, syscall.spec_name);
}

// A program that the config brings along, as it is.
Result<plan::SeccompBlob> given_program(const config::Seccomp& seccomp) {
  plan::SeccompBlob blob;
  std::optional<std::string> program = base::decode_base64(seccomp.program);
  if (!program) return base::fail(ErrorCode::kConfigInvalid, "the program is not base64");
  blob.program = std::move(*program);
  // What it returns is not looked at: a listener is wanted when there is somebody to send it to.
  blob.listener = !seccomp.listener_path.empty();
  blob.flags = TRY(bpf::seccomp_flags(seccomp.flags, blob.listener));
  return blob;
}

Result<plan::SeccompBlob> seccomp_blob(const config::Seccomp& seccomp, std::vector<Finding>* ignored) {
  if (!seccomp.program.empty()) return given_program(seccomp);
  std::vector<bpf::SeccompIgnored> without;
  bpf::SeccompProgram program = TRY(bpf::compile_seccomp(policy_of(seccomp), &without));
  for (bpf::SeccompIgnored& one : without) {
    if (ignored != nullptr) ignored->push_back({pointer_of(seccomp, one), std::move(one.message)});
  }
  plan::SeccompBlob blob;
  blob.program.assign(reinterpret_cast<const char*>(program.instructions.data()),
                      program.instructions.size() * sizeof(sock_filter));
  blob.flags = program.flags;
  blob.listener = program.wants_listener;
  return blob;
}

// Can this cgroup be made? It, or what of its path exists, is writable.
bool can_be_made(std::string path) {
  while (::access(path.c_str(), F_OK) != 0) {
    size_t slash = path.find_last_of('/');
    if (slash == std::string::npos || slash == 0) return false;
    path.resize(slash);
  }
  return ::access(path.c_str(), W_OK) == 0;
}

// An ordinary user's container stays in the caller's cgroups where it cannot have its own; then it sees those.
cgroup::Paths shown_paths(const config::Config& config, const cgroup::Layout& layout, cgroup::Paths paths) {
  if (!config.rootless_cgroups) return paths;
  for (const cgroup::Hierarchy& hierarchy : layout.hierarchies) {
    auto path = paths.find(hierarchy.controllers[0]);
    if (path != paths.end() && !can_be_made(path->second)) path->second = hierarchy.own_directory();
  }
  return paths;
}

// Those of `capabilities` that are in the runtime's bounding set, though it does not have them.
uint64_t bounded(uint64_t capabilities) {
  uint64_t found = 0;
  for (uint64_t rest = capabilities; rest != 0; rest &= rest - 1) {
    const int number = std::countr_zero(rest);
    if (sys::in_bounding_set(number)) found |= uint64_t{1} << number;
  }
  return found;
}

void keep_of(uint64_t& set, uint64_t available, std::string_view key, std::string_view why,
             std::vector<Finding>& ignored) {
  const uint64_t refused = set & ~available;
  if (refused == 0) return;
  set &= available;
  ignored.push_back(
      {fmt::format("/process/capabilities/{}", key),
       fmt::format("is not had in full, for {}: {}", why, fmt::join(config::capability_names(refused), ", "))});
}

}  // namespace

bool is_privileged() {
  if (::geteuid() != 0) return false;
  // A process does not come back from a user namespace: asked once.
  static const bool initial = [] {
    SysResult<std::string> map = sys::read_file("/proc/self/uid_map");
    // "         0          0 4294967295"
    return map && map->find("4294967295") != std::string::npos && map->find('\n') + 1 == map->size();
  }();
  return initial;
}

Result<plan::Facts> host_facts(const config::Config& config, const cgroup::Layout& layout, const cgroup::Paths& paths,
                               std::vector<Finding>* ignored) {
  plan::Facts facts;
  facts.privileged = is_privileged();
  facts.cgroup_v2 = layout.kind == cgroup::Layout::kV2;
  for (cgroup::MountEntry& entry : cgroup::mount_entries(layout, shown_paths(config, layout, paths))) {
    facts.cgroup_mounts.push_back(
        {std::move(entry.name), std::move(entry.path), std::move(entry.options), std::move(entry.aliases)});
  }
  facts.join_v1_tasks = layout.kind == cgroup::Layout::kV1 || layout.kind == cgroup::Layout::kHybrid;
  facts.apparmor = !config.apparmor_profile.empty() && kernel_has_apparmor();
  facts.selinux = (!config.process_label.empty() || !config.mount_label.empty()) && kernel_has_selinux();
  if (config.seccomp) facts.seccomp = TRY(seccomp_blob(*config.seccomp, ignored), "linux.seccomp");
  return facts;
}

Result<void> check_delegation(const config::Config& config, const cgroup::Layout& layout) {
  if (config.cgroups.delegate.empty() || layout.kind == cgroup::Layout::kV2) return {};
  Error error(ErrorCode::kUnsupported, "a cgroup can be delegated with cgroup v2 alone, which this host has not");
  error.findings.push_back({"/annotations/run.oci.delegate-cgroup", "needs cgroup v2"});
  return std::unexpected(std::move(error));
}

Result<void> check_sysctls(const config::Config& config) {
  // oci::NamespaceType is ordered otherwise than config's.
  static constexpr std::pair<oci::NamespaceType, config::NamespaceType> kTypes[] = {
      {oci::NamespaceType::kNetwork, config::NamespaceType::kNet},
      {oci::NamespaceType::kIpc, config::NamespaceType::kIpc},
      {oci::NamespaceType::kUts, config::NamespaceType::kUts},
      {oci::NamespaceType::kUser, config::NamespaceType::kUser},
  };
  for (const auto& [key, value] : config.sysctl) {
    const oci::SysctlScope scope = oci::sysctl_scope(key);
    for (auto [type, ours] : kTypes) {
      if (scope.kind != oci::SysctlScope::kNamespaced || scope.type != type) continue;
      std::string path = config.namespaces.path_of(ours);
      if (path.empty()) continue;
      auto joined = sys::stat_at(sys::kCurrentDirectory, path.c_str());
      auto own =
          sys::stat_at(sys::kCurrentDirectory, fmt::format("/proc/self/ns/{}", config::namespace_file(ours)).c_str());
      if (!joined || !own || joined->st_ino != own->st_ino || joined->st_dev != own->st_dev) continue;
      return base::fail(ErrorCode::kConfigInvalid, "sysctl \"{}\" is not allowed in the host's {} namespace", key,
                        config::namespace_oci_name(ours));
    }
  }
  return {};
}

Result<config::ProcessConfig> grantable(const config::ProcessConfig& process, const config::Config& config,
                                        std::vector<Finding>& ignored) {
  config::ProcessConfig result = process;
  if (!result.capabilities) result.capabilities = config.capabilities;
  if (!result.capabilities) return result;
  config::Capabilities& sets = *result.capabilities;
  // Whoever makes or enters a user namespace has all of them there, user_namespaces(7).
  // So have those of a sandbox, from their own kernel.
  const bool has_own_kernel = sandbox::boot::is_asked_for(config.labels).value_or(false);
  if (!config.namespaces.contains(config::NamespaceType::kUser) && !has_own_kernel) {
    const std::string_view why = "what the runtime itself lacks";
    const uint64_t own = TRY(sys::permitted_capabilities(), "reading the runtime's own capabilities");
    keep_of(sets.bounding, own | bounded(sets.bounding & ~own), "bounding", why, ignored);
    keep_of(sets.effective, own, "effective", why, ignored);
    keep_of(sets.inheritable, own, "inheritable", why, ignored);
    keep_of(sets.permitted, own, "permitted", why, ignored);
  }
  keep_of(sets.ambient, sets.permitted & sets.inheritable, "ambient", "what is not permitted and inheritable as well",
          ignored);
  return result;
}

}  // namespace cella::container
