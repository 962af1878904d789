#include <linux/filter.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "plan/golden_cases.h"

namespace cella::plan {

using config::NamespaceType;

config::Mount mount_of(std::string type, std::string source, std::string target, uint64_t flags, std::string data) {
  config::Mount mount;
  mount.device = std::move(type);
  mount.source = std::move(source);
  mount.destination = std::move(target);
  mount.flags = flags;
  mount.data = std::move(data);
  return mount;
}

config::Mount bind_of(std::string source, std::string target, uint64_t flags) {
  return mount_of("bind", std::move(source), std::move(target), MS_BIND | flags);
}

config::Mount idmapped(std::string source, std::string target, std::vector<config::IDMap> uids,
                       std::vector<config::IDMap> gids, uint64_t flags) {
  config::Mount mount = bind_of(std::move(source), std::move(target), flags);
  mount.idmap = true;
  mount.uid_mappings = std::move(uids);
  mount.gid_mappings = std::move(gids);
  return mount;
}

SeccompBlob seccomp_of(size_t instructions) {
  SeccompBlob blob;
  blob.program.assign(instructions * sizeof(sock_filter), '\x06');
  return blob;
}

Input small_input() {
  Input input;
  input.config.rootfs = "/b/rootfs";
  for (NamespaceType type : {NamespaceType::kPid, NamespaceType::kNet, NamespaceType::kIpc, NamespaceType::kUts,
                             NamespaceType::kMount, NamespaceType::kCgroup}) {
    input.config.namespaces.add(type);
  }
  input.config.mounts = {mount_of("proc", "proc", "/proc")};
  input.config.no_new_privileges = true;
  input.process.args = {"/bin/true"};
  input.process.env = {"PATH=/bin"};
  input.options.id = "web";
  input.options.wait_for_start = false;
  return input;
}

Input default_input() {
  Input input = small_input();
  config::Config& config = input.config;
  constexpr uint64_t kSafe = MS_NOSUID | MS_NOEXEC;
  config.mounts = {
      mount_of("proc", "proc", "/proc"),
      mount_of("tmpfs", "tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"),
      mount_of("devpts", "devpts", "/dev/pts", kSafe, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
      mount_of("tmpfs", "shm", "/dev/shm", kSafe | MS_NODEV, "mode=1777,size=65536k"),
      mount_of("mqueue", "mqueue", "/dev/mqueue", kSafe | MS_NODEV),
      mount_of("sysfs", "sysfs", "/sys", kSafe | MS_NODEV | MS_RDONLY),
      mount_of("cgroup", "cgroup", "/sys/fs/cgroup", kSafe | MS_NODEV | MS_RELATIME | MS_RDONLY),
  };
  config.devices = config::default_simple_devices();
  config.hostname = "cella";
  config.readonlyfs = true;
  config.mask_paths = {"/proc/acpi", "/proc/kcore", "/proc/keys", "/sys/firmware"};
  config.readonly_paths = {"/proc/bus", "/proc/sys", "/proc/sysrq-trigger"};
  config.rlimits = {{RLIMIT_NOFILE, 1024, 1024}};
  constexpr uint64_t kSet = uint64_t{1} << 29 | 1u << 5 | 1u << 10;  // audit_write, kill, net_bind_service
  config.capabilities = config::Capabilities{kSet, kSet, 0, kSet, 0};
  input.process.args = {"sh"};
  input.process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  input.facts.cgroup_mounts = {
      {"cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/web", "cpu,cpuacct", {"cpu", "cpuacct"}},
      {"memory", "/sys/fs/cgroup/memory/web", "memory", {}},
      {"systemd", "/sys/fs/cgroup/systemd/web", "none,name=systemd", {}},
  };
  input.options.wait_for_start = true;
  return input;
}

}  // namespace cella::plan
