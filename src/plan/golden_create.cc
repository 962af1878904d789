#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "plan/golden_cases.h"

namespace cella::plan {
namespace {

using config::NamespaceType;
void keep_only(Input& in, std::initializer_list<NamespaceType> types) {
  in.config.namespaces.list.clear();
  for (NamespaceType type : types) in.config.namespaces.add(type);
}
void join(Input& in, NamespaceType type) {
  in.config.namespaces.add(type, std::string("/run/ns/") + config::namespace_file(type));
}
void new_user(Input& in, int64_t host_id = 100000) {
  in.config.namespaces.add(NamespaceType::kUser);
  in.config.uid_mappings = in.config.gid_mappings = {{0, host_id, 65536}};
}
void ordinary_user(Input& in) {
  new_user(in, 1000);
  in.facts.privileged = false;
  in.facts.join_v1_tasks = false;
  in.config.rootless_euid = true;
}
config::Hook hook(const char* path, std::optional<int> timeout = {}) {
  return {path, {path, "now"}, {"A=b"}, timeout};
}
config::Device device(char type, const char* path, int64_t major, int64_t minor, uint32_t gid = 0) {
  config::Device one;
  one.type = type;
  one.path = path;
  one.major = major;
  one.minor = minor;
  one.file_mode = 0660;
  one.gid = gid;
  return one;
}

}  // namespace

std::vector<GoldenCase> create_cases() {
  return {
      {"default", [](Input& in) { in = default_input(); }},
      {"default_v2",
       [](Input& in) {
         in = default_input();
         in.facts.cgroup_v2 = true;
         in.facts.join_v1_tasks = false;
         in.facts.cgroup_mounts = {{"", "/sys/fs/cgroup/web", "", {}}};
       }},
      {"default_rootless",
       [](Input& in) {
         in = default_input();
         ordinary_user(in);
         in.facts.cgroup_v2 = true;
       }},
      {"small", [](Input&) {}},
      {"no_process",
       [](Input& in) {
         in.process = {};
         in.options.wait_for_start = true;
       }},

      {"namespaces_none",
       [](Input& in) {
         keep_only(in, {});
         in.config.mounts.clear();
       }},
      {"namespaces_no_mount_sysctl",
       [](Input& in) {
         keep_only(in, {NamespaceType::kNet});
         in.config.mounts.clear();
         in.config.sysctl = {{"net.ipv4.ip_forward", "1"}};
       }},
      {"net_devices",
       [](Input& in) {
         in.config.net_devices["dev-a"].name = "eth0";
         in.config.net_devices["dev-b"];
       }},
      {"namespaces_joined",
       [](Input& in) {
         for (NamespaceType type : {NamespaceType::kNet, NamespaceType::kIpc, NamespaceType::kUts,
                                    NamespaceType::kCgroup, NamespaceType::kTime}) {
           join(in, type);
         }
         in.config.hostname = "pod";
       }},
      {"pid_joined", [](Input& in) { join(in, NamespaceType::kPid); }},
      {"pid_absent", [](Input& in) { in.config.namespaces.remove(NamespaceType::kPid); }},
      {"mount_joined",
       [](Input& in) {
         join(in, NamespaceType::kMount);
         in.config.mounts.push_back(bind_of("/srv/data", "/data"));
       }},
      {"user_new",
       [](Input& in) {
         new_user(in);
         in.config.mounts.push_back(bind_of("/srv/data", "/data", MS_REC));
         in.config.devices = config::default_simple_devices();
       }},
      {"user_new_limits",
       [](Input& in) {
         new_user(in);
         in.process.rlimits = {{RLIMIT_NOFILE, 4096, 1024}, {RLIMIT_CORE, RLIM_INFINITY, 0}};
       }},
      {"user_new_ordinary",
       [](Input& in) {
         ordinary_user(in);
         in.config.mounts.push_back(bind_of("/srv/data", "/data", MS_REC));
       }},
      {"user_new_pid_joined",
       [](Input& in) {
         new_user(in);
         join(in, NamespaceType::kPid);
       }},
      {"user_joined",
       [](Input& in) {
         join(in, NamespaceType::kUser);
         in.config.mounts.push_back(bind_of("/srv/data", "/data", MS_REC));
       }},
      {"user_joined_pid_joined",
       [](Input& in) {
         join(in, NamespaceType::kUser);
         join(in, NamespaceType::kPid);
         join(in, NamespaceType::kNet);
       }},
      {"user_joined_ordinary",
       [](Input& in) {
         ordinary_user(in);
         join(in, NamespaceType::kUser);
         join(in, NamespaceType::kNet);
       }},
      {"time_new",
       [](Input& in) {
         in.config.namespaces.add(NamespaceType::kTime);
         in.config.time_offsets = {{"monotonic", {86400, 5}}, {"boottime", {-10, 0}}};
       }},
      {"time_new_user_new",
       [](Input& in) {
         new_user(in);
         in.config.namespaces.add(NamespaceType::kTime);
         in.config.time_offsets = {{"boottime", {7, 0}}};
       }},
      {"time_new_ordinary",
       [](Input& in) {
         ordinary_user(in);
         in.config.namespaces.add(NamespaceType::kTime);
         in.config.time_offsets = {{"boottime", {7, 0}}};
       }},

      {"root_no_pivot", [](Input& in) { in.config.no_pivot_root = true; }},
      {"root_readonly", [](Input& in) { in.config.readonlyfs = true; }},
      {"root_shared",
       [](Input& in) {
         in.config.root_propagation = MS_SHARED;
         in.config.mounts.push_back(bind_of("/srv/data", "/data"));
       }},
      {"root_shared_recursive",
       [](Input& in) {
         in.config.root_propagation = MS_SHARED | MS_REC;
         in.config.readonlyfs = true;
         in.config.mask_paths = {"/proc/kcore"};
       }},
      {"root_slave", [](Input& in) { in.config.root_propagation = MS_SLAVE; }},
      {"root_private", [](Input& in) { in.config.root_propagation = MS_PRIVATE | MS_REC; }},
      {"root_unbindable", [](Input& in) { in.config.root_propagation = MS_UNBINDABLE | MS_REC; }},

      {"mounts_bind",
       [](Input& in) {
         auto& mounts = in.config.mounts;
         mounts.push_back(bind_of("/srv/a b", "/plain"));
         mounts.push_back(bind_of("/srv/ro", "/ro", MS_REC | MS_RDONLY | MS_NOSUID));
         mounts.push_back(bind_of("/srv/noatime", "/noatime/./x//y", MS_NOATIME));
         mounts.push_back(bind_of("/srv/rw", "relative", 0));
         mounts.back().cleared_flags = MS_RDONLY | MS_NODEV;
         mounts.push_back(bind_of("/srv/rro", "/rro", MS_REC));
         mounts.back().rec_attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME;
         mounts.push_back(bind_of("/srv/rshared", "/rshared", MS_REC));
         mounts.back().propagation_flags = {MS_SHARED | MS_REC, MS_UNBINDABLE};
       }},
      {"mounts_new",
       [](Input& in) {
         auto& mounts = in.config.mounts;
         mounts.push_back(mount_of("tmpfs", "", "/tmp", MS_NOSUID | MS_NODEV));
         mounts.push_back(mount_of("tmpfs", "scratch", "/run", MS_RDONLY, "mode=755,size=1m"));
         mounts.push_back(mount_of("sysfs", "sysfs", "/sys", MS_RDONLY | uint64_t{256}));
         mounts.push_back(mount_of("overlay", "overlay", "/merged", MS_LAZYTIME,
                                   R"(lowerdir="/l,1:/l2",upperdir=/u\,1,workdir=/w)"));
         mounts.push_back(mount_of("ext4", "/dev/sda1", "/disk", MS_RDONLY | MS_SYNCHRONOUS | MS_NOEXEC));
         mounts.back().propagation_flags = {MS_SLAVE | MS_REC};
         mounts.push_back(mount_of("mqueue", "mqueue", "/dev/mqueue"));
       }},
      {"mounts_dev_bind",
       [](Input& in) {
         in.config.mounts.push_back(bind_of("/dev", "/dev", MS_REC));
         in.config.devices = config::default_simple_devices();
       }},
      {"mounts_dev_readonly",
       [](Input& in) {
         in.config.mounts.push_back(mount_of("tmpfs", "tmpfs", "/dev", MS_RDONLY, "mode=755"));
         in.config.mounts.push_back(mount_of("devpts", "devpts", "/dev/pts"));
         in.config.devices = {device('c', "/dev/null", 1, 3)};
         in.process.terminal = true;
         in.options.console_socket = true;
       }},
      {"cgroup_v1_readonly",
       [](Input& in) {
         Input full = default_input();
         in.facts = full.facts;
         in.config.mounts = {mount_of("cgroup", "cgroup", "/sys/fs/cgroup", MS_RDONLY | MS_NOATIME)};
         in.config.mounts[0].propagation_flags = {MS_PRIVATE | MS_REC};
       }},
      {"cgroup_v2",
       [](Input& in) {
         in.facts.cgroup_v2 = true;
         in.facts.join_v1_tasks = false;
         in.config.mounts = {mount_of("cgroup2", "cgroup", "/sys/fs/cgroup", MS_NOSUID | MS_NOATIME, "nsdelegate")};
       }},
      {"cgroup_v2_no_namespace",
       [](Input& in) {
         in.facts.cgroup_v2 = true;
         in.facts.join_v1_tasks = false;
         in.facts.cgroup_mounts = {{"", "/sys/fs/cgroup/web", "", {}}};
         in.config.namespaces.remove(NamespaceType::kCgroup);
         in.config.mounts = {mount_of("cgroup", "cgroup", "/sys/fs/cgroup", MS_RDONLY | MS_NOATIME)};
       }},
      {"devices",
       [](Input& in) {
         in.config.devices = {device('b', "/dev/sda", 8, 0, 6), device('p', "/dev/pipe", 0, 0),
                              device('c', "/dev/nvidia0", 195, 300), device('u', "/dev/u", 10, 200)};
       }},
      {"protection",
       [](Input& in) {
         in.config.mask_paths = {"/proc/kcore", "/sys/firmware"};
         in.config.readonly_paths = {"/proc/sys"};
         in.config.sysctl = {
             {"net.ipv4.conf.eth0/1.forwarding", "1"}, {"net/ipv4/ip_forward", "0"}, {"kernel.sem", "1 2 3 4"}};
       }},

      {"hooks",
       [](Input& in) {
         in.config.hooks.prestart = {hook("/h/prestart")};
         in.config.hooks.create_runtime = {hook("/h/create-runtime")};
         in.config.hooks.create_container = {hook("/h/create-container", 5), {"/h/bare", {}, {}, {}}};
         in.config.hooks.start_container = {hook("/h/start-container")};
         in.config.hooks.poststart = {hook("/h/poststart")};
         in.config.hooks.poststop = {hook("/h/poststop")};
         in.options.wait_for_start = true;
       }},
      {"hooks_of_runtime", [](Input& in) { in.config.hooks.create_runtime = {hook("/h/create-runtime")}; }},
      {"hooks_of_start",
       [](Input& in) {
         in.config.hooks.start_container = {hook("/h/start-container")};
         in.options.extra_files = 2;
         in.process.uid = in.process.gid = 1000;
         in.facts.seccomp = seccomp_of(3);
       }},
      {"hooks_output",
       [](Input& in) {
         in.config.hooks.create_container = {hook("/h/create-container")};
         in.config.hooks.start_container = {hook("/h/start-container")};
         in.config.hooks_stdout = "/var/log/hooks";
       }},

      {"terminal_socket",
       [](Input& in) {
         in.process.terminal = true;
         in.process.console_width = 80;
         in.process.console_height = 25;
         in.process.uid = 7;
         in.options.console_socket = true;
       }},
      {"terminal_alone", [](Input& in) { in.process.terminal = true; }},
      {"extra_files", [](Input& in) { in.options.extra_files = 3; }},
      {"open_program",
       [](Input& in) {
         new_user(in);
         in.config.mounts = {mount_of("tmpfs", "tmpfs", "/", MS_RDONLY)};
         in.process.args = {"kernel", "3"};
         in.options.open_program = true;
         in.options.extra_files = 2;
       }},
      {"seccomp",
       [](Input& in) {
         in.facts.seccomp = seccomp_of(128);
         in.facts.seccomp->flags = 2;
       }},
      {"seccomp_privileges",
       [](Input& in) {
         in.facts.seccomp = seccomp_of(128);
         in.config.no_new_privileges = false;
       }},
      {"seccomp_listener",
       [](Input& in) {
         in.facts.seccomp = seccomp_of(9);
         in.facts.seccomp->listener = true;
         in.facts.seccomp->flags = 32;
         in.options.extra_files = 1;
       }},
      {"labels",
       [](Input& in) {
         in.facts.apparmor = in.facts.selinux = true;
         in.config.apparmor_profile = "cella-default";
         in.config.process_label = "system_u:system_r:container_t:s0:c1,c2";
         in.config.mount_label = "system_u:object_r:container_file_t:s0:c1,c2";
         in.config.mounts.push_back(mount_of("tmpfs", "tmpfs", "/tmp"));
       }},
      {"labels_context_type",
       [](Input& in) {
         in.facts.selinux = true;
         in.config.mount_label = "system_u:object_r:container_file_t:s0:c1,c2";
         in.config.mount_context_type = "rootcontext";
         in.config.mounts.push_back(mount_of("tmpfs", "tmpfs", "/tmp"));
       }},
      {"groups_kept",
       [](Input& in) {
         in.config.keep_original_groups = true;
         in.process.additional_gids = {5};
       }},
      {"groups_kept_user_new",
       [](Input& in) {
         new_user(in);
         in.config.keep_original_groups = true;
       }},
      {"mounts_recursively_read_only",
       [](Input& in) {
         in.config.mounts.push_back(mount_of("tmpfs", "tmpfs", "/data"));
         in.config.mounts.back().rec_attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;
         in.config.mounts.push_back(bind_of("/srv", "/srv", MS_REC));
         in.config.mounts.back().rec_attr_set = MOUNT_ATTR_RDONLY;
       }},
      {"cgroup_v1_of_systemd",
       [](Input& in) {
         in = default_input();
         in.facts.cgroup_v2 = true;
         in.facts.join_v1_tasks = false;
         in.config.systemd_cgroup_v1 = "/sys/fs/cgroup";
       }},
      {"limits",
       [](Input& in) {
         in.config.rlimits = {{RLIMIT_NOFILE, 2048, 1024}, {RLIMIT_CORE, RLIM_INFINITY, 0}, {RLIMIT_NPROC, 8, 8}};
         in.config.scheduler = config::Scheduler{.policy = 3, .nice = 5};
         in.config.io_priority = config::IOPriority{2, 4};
         in.config.personality = config::Personality{8};
         in.config.umask = 077;
         in.config.no_new_keyring = true;
         in.config.exec_cpu_affinity = config::CPUAffinity{"0", "1"};
       }},
      {"scheduler_deadline",
       [](Input& in) {
         in.config.scheduler =
             config::Scheduler{.policy = 6, .flags = 1 | 2 | 4, .runtime = 1000000, .deadline = 2000000};
         in.config.io_priority = config::IOPriority{3, 0};
       }},
      {"scheduler_real_time",
       [](Input& in) {
         in.config.scheduler = config::Scheduler{.policy = 1, .priority = 99, .flags = 8 | 16 | 32 | 64};
         in.config.io_priority = config::IOPriority{1, 7};
         in.config.personality = config::Personality{};
       }},
      {"memory_policy",
       [](Input& in) {
         in.config.personality = config::Personality{};
         in.config.memory_policy = config::MemoryPolicy{3, "0-3, 7", 1 << 15};
       }},
      {"memory_policy_v2",  // on whose limits it waits
       [](Input& in) {
         in.facts.cgroup_v2 = true;
         in.facts.join_v1_tasks = false;
         in.config.memory_policy = config::MemoryPolicy{4, "", 0};
       }},
      {"identity",
       [](Input& in) {
         in.process.uid = 1000;
         in.process.gid = 1001;
         in.process.additional_gids = {5, 60};
         in.process.umask = 0;
         in.process.cwd = "/home/u";
         in.process.args = {"sh", "-c", "echo \"a b\"\n", ""};
         in.process.env = {"PATH=/a:/b", "HOME=/home/u", "PATH=/last"};
         constexpr uint64_t kChown = 1, kNew = uint64_t{1} << 50;
         in.config.capabilities = config::Capabilities{(uint64_t{1} << 41) - 1, kChown, kChown, kChown | kNew, kChown};
         in.config.parent_death_signal = 9;
         in.config.domainname = "example.org";
       }},
  };
}

}  // namespace cella::plan
