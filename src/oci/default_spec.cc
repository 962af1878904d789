#include "oci/default_spec.h"

#include <algorithm>

#include "oci/parse.h"

namespace cella::oci {
namespace {

Process default_process() {
  const std::vector<std::string> capabilities = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  Process process;
  process.terminal = true;
  process.args = {"sh"};
  process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  process.cwd = std::string("/");
  process.capabilities = Capabilities{
      .bounding = capabilities, .effective = capabilities, .inheritable = {}, .permitted = capabilities, .ambient = {}};
  process.rlimits = {{.type = RlimitType::kNofile, .hard = 1024, .soft = 1024}};
  process.no_new_privileges = true;
  return process;
}

Mount mount(const char* destination, const char* type, const char* source, std::vector<std::string> options) {
  Mount result;
  result.destination = destination;
  result.type = type;
  result.source = source;
  result.options = std::move(options);
  return result;
}

std::vector<Mount> default_mounts(bool rootless) {
  std::vector<Mount> mounts = {
      mount("/proc", "proc", "proc", {}),
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}),
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
  };
  if (rootless) {  // sysfs can be mounted only by the owner of the network namespace
    mounts.push_back(mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
  } else {
    mounts[2].options.push_back("gid=5");  // tty; not mapped in a rootless container
    mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  }
  mounts.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  return mounts;
}

}  // namespace

Spec default_spec(const DefaultSpecOptions& options) {
  Spec spec;
  spec.version = kSpecVersion;
  spec.process = default_process();
  spec.root = Root{.path = "rootfs", .readonly = true};
  spec.hostname = std::string("runc");
  spec.mounts = default_mounts(options.rootless);
  Linux& config = spec.linux_config.emplace();
  config.masked_paths = {"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
                         "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                         "/sys/firmware",       "/proc/scsi"};
  config.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  config.namespaces = {{NamespaceType::kPid, ""}};
  if (!options.rootless) config.namespaces.push_back({NamespaceType::kNetwork, ""});
  for (NamespaceType type : {NamespaceType::kIpc, NamespaceType::kUts, NamespaceType::kMount})
    config.namespaces.push_back({type, ""});
  if (options.cgroup_namespace) config.namespaces.push_back({NamespaceType::kCgroup, ""});
  if (options.rootless) {
    config.namespaces.push_back({NamespaceType::kUser, ""});
    config.uid_mappings = {{.container_id = 0, .host_id = options.uid, .size = 1}};
    config.gid_mappings = {{.container_id = 0, .host_id = options.gid, .size = 1}};
  } else {
    DeviceCgroup deny_all;
    deny_all.access = std::string("rwm");  // the constructor: GCC 12 warns about the assignment
    config.resources.emplace().devices = {deny_all};
  }
  return spec;
}

}  // namespace cella::oci
