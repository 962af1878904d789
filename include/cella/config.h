// libcontainer's Config: everything that a container is, independent of the bundle it came from.
//
// The names and the JSON keys are libcontainer's (written beside each field where they differ from the name); what the
// OCI specification 1.3 has added since is named as in libcontainer's later versions. specconv.h makes a Config from an
// oci::Spec; an embedding program fills one directly. Plain data: no function here does I/O.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cella::config {

struct Rlimit {
  int type = 0;  // RLIMIT_* of getrlimit(2)
  uint64_t hard = 0;
  uint64_t soft = 0;
  friend bool operator==(const Rlimit&, const Rlimit&) = default;
};

// user_namespaces(7): `size` ids from `container_id` inside are those from `host_id` outside.
struct IDMap {
  int64_t container_id = 0;
  int64_t host_id = 0;
  int64_t size = 0;
  friend bool operator==(const IDMap&, const IDMap&) = default;
};

// JSON: "NEWNET", "NEWPID", "NEWNS", "NEWUTS", "NEWIPC", "NEWUSER", "NEWCGROUP", "NEWTIME".
enum class NamespaceType { kNet, kPid, kMount, kUts, kIpc, kUser, kCgroup, kTime };
inline constexpr int kNamespaceTypeCount = 8;

struct Namespace {
  NamespaceType type = NamespaceType::kMount;
  std::string path;  // empty: a new one; else joined
  friend bool operator==(const Namespace&, const Namespace&) = default;
};

class Namespaces {
 public:
  std::vector<Namespace> list;

  bool contains(NamespaceType type) const { return find(type) != nullptr; }
  // Is a new namespace of this type to be created?
  bool is_new(NamespaceType type) const {
    const Namespace* ns = find(type);
    return ns != nullptr && ns->path.empty();
  }
  // The path to join, or "" when new or absent.
  std::string path_of(NamespaceType type) const {
    const Namespace* ns = find(type);
    return ns != nullptr ? ns->path : std::string();
  }
  // Adds, or replaces the entry of the same type.
  void add(NamespaceType type, std::string path = {});
  // True when there was one.
  bool remove(NamespaceType type);
  // CLONE_NEW* of every namespace to be created (Namespaces.CloneFlags).
  uint64_t clone_flags() const;

 private:
  const Namespace* find(NamespaceType type) const {
    for (const Namespace& ns : list)
      if (ns.type == type) return &ns;
    return nullptr;
  }
};

// "NEWNET" … ; the file below /proc/PID/ns ("net", "mnt", …); CLONE_NEW*; the OCI name ("network", "mount", …).
const char* namespace_key(NamespaceType type);
const char* namespace_file(NamespaceType type);
uint64_t namespace_clone_flag(NamespaceType type);
const char* namespace_oci_name(NamespaceType type);
std::optional<NamespaceType> namespace_from_key(const std::string& key);
std::optional<NamespaceType> namespace_from_oci_name(const std::string& name);

struct Mount {
  std::string source;
  std::string destination;                  // as in the config; inside the container's root
  std::string device;                       // the filesystem type; "bind" for bind mounts
  uint64_t flags = 0;                       // MS_* of mount(2), without propagation; MS_BIND, MS_REC for binds
  uint64_t cleared_flags = 0;               // MS_* that an option switched off ("rw", "dev", …), for binds
  std::vector<uint64_t> propagation_flags;  // MS_PRIVATE … each perhaps with MS_REC
  std::string data;                         // filesystem's own options, comma-separated
  std::string relabel;
  int extensions = 0;         // kExtension*
  uint64_t rec_attr_set = 0;  // MOUNT_ATTR_* of mount_setattr(2), set recursively ("rro" …)
  uint64_t rec_attr_clear = 0;
  std::vector<IDMap> uid_mappings;  // idmapped mount
  std::vector<IDMap> gid_mappings;
  bool idmap = false;  // option "idmap" or "ridmap", with or without mappings of its own
  bool idmap_recursive = false;
  std::string idmap_userns_path;  // idmapped as this user namespace; instead of mappings
};
inline constexpr int kExtensionCopyUp = 1;  // EXT_COPYUP: "tmpcopyup"
// crun's, see crun(1).
inline constexpr int kExtensionCopySymlink = 2;          // "copy-symlink"
inline constexpr int kExtensionSourceNofollow = 4;       // "src-nofollow"
inline constexpr int kExtensionDestinationNofollow = 8;  // "dest-nofollow"

struct Device {
  char type = 'c';    // 'c' 'b' 'u' 'p'; 'a' in rules
  std::string path;   // empty in rules that name no node
  int64_t major = 0;  // kWildcard: all
  int64_t minor = 0;
  std::string permissions;  // "rwm"
  uint32_t file_mode = 0;   // permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  bool allow = false;
};
inline constexpr int64_t kWildcard = -1;

const std::vector<Device>& default_simple_devices();   // null zero full tty urandom random, created and allowed
const std::vector<Device>& default_allowed_devices();  // rules that every container has besides its own

struct WeightDevice {
  int64_t major = 0, minor = 0;
  std::optional<uint16_t> weight, leaf_weight;
};
struct ThrottleDevice {
  int64_t major = 0, minor = 0;
  uint64_t rate = 0;
};
struct HugepageLimit {
  std::string page_size;  // "2MB"
  uint64_t limit = 0;
};
struct IfPrioMap {
  std::string interface;
  int64_t priority = 0;
};
struct Rdma {
  std::optional<uint32_t> hca_handles, hca_objects;
};

enum class FreezerState { kUndefined, kFrozen, kThawed };

// Sizes in bytes, CPU times in microseconds. An absent value leaves the kernel's default; -1 is "unlimited" where the
// specification allows it.
struct Resources {
  std::vector<Device> devices;  // rules, in order; the last that matches decides
  std::optional<int64_t> memory, memory_reservation, memory_swap, kernel_memory, kernel_memory_tcp;
  std::optional<uint64_t> memory_swappiness;
  std::optional<bool> oom_kill_disable;
  std::optional<bool> memory_use_hierarchy;
  std::optional<bool> memory_check_before_update;  // refuse a limit below what is in use
  std::optional<uint64_t> cpu_shares;
  std::optional<int64_t> cpu_quota;
  std::optional<uint64_t> cpu_burst;
  std::optional<uint64_t> cpu_period;
  std::optional<int64_t> cpu_rt_runtime;
  std::optional<uint64_t> cpu_rt_period;
  std::optional<int64_t> cpu_idle;
  std::string cpuset_cpus, cpuset_mems;
  std::optional<int64_t> pids_limit;
  std::optional<uint16_t> blkio_weight, blkio_leaf_weight;
  std::vector<WeightDevice> blkio_weight_device;
  std::vector<ThrottleDevice> blkio_throttle_read_bps_device, blkio_throttle_write_bps_device,
      blkio_throttle_read_iops_device, blkio_throttle_write_iops_device;
  FreezerState freezer = FreezerState::kUndefined;
  std::vector<HugepageLimit> hugetlb_limit;
  std::vector<IfPrioMap> net_prio_ifpriomap;
  std::optional<uint32_t> net_cls_classid;
  std::map<std::string, Rdma> rdma;
  std::map<std::string, std::string> unified;  // cgroup v2 file → content
  bool skip_devices = false;                   // leave the device controller alone
};

struct Cgroup {
  std::string name;                          // systemd: the unit's name; cgroupfs: deprecated
  std::string parent;                        // systemd: the slice; cgroupfs: deprecated
  std::string path;                          // relative to the hierarchy's mount point; cgroupfs
  std::string scope_prefix;                  // systemd
  std::map<std::string, std::string> paths;  // joined as they are, take precedence over path
  bool systemd = false;
  bool rootless = false;             // permission errors are tolerated where nothing was asked for
  std::optional<int64_t> owner_uid;  // who may use the container's cgroup v2 directory; a host uid
  std::vector<std::pair<std::string, std::string>> systemd_properties;  // org.systemd.property.*
  std::string delegate;  // v2: a cgroup below the container's that its first process is moved to
  Resources resources;
};

// A set bit per capability number, capabilities(7).
struct Capabilities {
  uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

// seccomp(2) actions, OCI names SCMP_ACT_*.
enum class SeccompAction { kKillThread, kKillProcess, kTrap, kErrno, kTrace, kAllow, kLog, kNotify };
// OCI names SCMP_CMP_*.
enum class SeccompOperator { kNotEqual, kLess, kLessOrEqual, kEqual, kGreaterOrEqual, kGreater, kMaskedEqual };
struct SeccompArg {
  uint32_t index = 0;      // 0…5
  uint64_t value = 0;      // the operand; the mask for kMaskedEqual
  uint64_t value_two = 0;  // the operand for kMaskedEqual
  SeccompOperator op = SeccompOperator::kEqual;
};
struct SeccompSyscall {
  std::string name;
  SeccompAction action = SeccompAction::kAllow;
  std::optional<uint32_t> errno_ret;  // default EPERM; also the trace message
  std::vector<SeccompArg> args;       // all must match (libseccomp's rule for one syscall line)
  // Where config.json has it, /linux/seccomp/syscalls/RULE/names/NAME; -1: it is not from there. Not in state.json.
  int spec_rule = -1, spec_name = -1;
};
struct Seccomp {
  SeccompAction default_action = SeccompAction::kAllow;
  std::optional<uint32_t> default_errno_ret;
  std::vector<std::string> architectures;  // OCI names: "SCMP_ARCH_X86_64"
  std::vector<std::string> flags;          // "SECCOMP_FILTER_FLAG_LOG" …
  std::string listener_path;
  std::string listener_metadata;
  std::vector<SeccompSyscall> syscalls;
  bool fail_unknown_syscalls = false;  // a name that no architecture has is an error, not a warning
  // base64 of struct sock_filter[]: loaded instead of what the rules say; the flags and the listener still count.
  std::string program;
};

struct Hook {
  std::string path;
  std::vector<std::string> args;  // argv, args[0] included; empty: {path}
  std::vector<std::string> env;
  std::optional<int> timeout;  // seconds
};
struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct Network {
  std::string type;  // "loopback" or "veth"
  std::string name, bridge, mac_address, address, gateway, ipv6_address, ipv6_gateway, host_interface_name;
  int mtu = 0, tx_queue_len = 0;
  bool hairpin_mode = false;
};
struct Route {
  std::string destination, source, gateway, interface_name;
};
struct NetDevice {
  std::string name;  // inside the container; empty: unchanged
};

struct Personality {
  uint64_t domain = 0;  // personality(2)
};
struct Scheduler {
  uint32_t policy = 0;  // SCHED_* of sched(7)
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t flags = 0;                              // SCHED_FLAG_*
  uint64_t runtime = 0, deadline = 0, period = 0;  // nanoseconds
  friend bool operator==(const Scheduler&, const Scheduler&) = default;
};
struct IOPriority {
  int io_class = 0;  // IOPRIO_CLASS_* of ioprio_set(2)
  int priority = 0;
  friend bool operator==(const IOPriority&, const IOPriority&) = default;
};
struct CPUAffinity {
  std::string initial, final;  // lists, "0-3,7"
};
struct TimeOffset {
  int64_t secs = 0;
  uint32_t nanosecs = 0;
};
struct IntelRdt {
  std::string clos_id, l3_cache_schema, mem_bw_schema;
  std::vector<std::string> schemata;
  bool enable_monitoring = false;
  friend bool operator==(const IntelRdt&, const IntelRdt&) = default;
};
struct MemoryPolicy {
  int mode = 0;  // MPOL_* of set_mempolicy(2)
  std::string nodes;
  uint32_t flags = 0;  // MPOL_F_*
};

struct Config {
  bool no_pivot_root = false;
  int parent_death_signal = 0;
  std::string rootfs;  // absolute path on the host
  std::optional<uint32_t> umask;
  bool readonlyfs = false;
  uint64_t root_propagation = 0;  // MS_* of mount(2); 0: the default, MS_SLAVE|MS_REC
  std::vector<Mount> mounts;
  std::vector<Device> devices;  // nodes to create
  std::string mount_label;
  std::string mount_context_type;  // "fscontext" …: the option that mount_label becomes; empty: "context"
  std::string hostname;
  std::string domainname;
  Namespaces namespaces;
  std::optional<Capabilities> capabilities;
  std::vector<Network> networks;
  std::vector<Route> routes;
  std::map<std::string, NetDevice> net_devices;  // by the host's interface name
  Cgroup cgroups;
  std::string apparmor_profile;
  std::string process_label;
  std::vector<Rlimit> rlimits;
  std::optional<int> oom_score_adj;
  std::vector<IDMap> uid_mappings;
  std::vector<IDMap> gid_mappings;
  std::vector<std::string> mask_paths;
  std::vector<std::string> readonly_paths;
  std::map<std::string, std::string> sysctl;
  std::optional<Seccomp> seccomp;
  bool no_new_privileges = false;
  Hooks hooks;
  // Files of the host's that what hooks print is appended to; empty: it is part of the error of one that fails.
  std::string hooks_stdout, hooks_stderr;
  std::string version;              // ociVersion
  std::vector<std::string> labels;  // "key=value": annotations, and "bundle=<path>"
  bool no_new_keyring = false;
  std::map<std::string, TimeOffset> time_offsets;  // "monotonic", "boottime"
  std::optional<Personality> personality;
  std::optional<Scheduler> scheduler;
  std::optional<IOPriority> io_priority;
  std::optional<CPUAffinity> exec_cpu_affinity;
  std::optional<IntelRdt> intel_rdt;
  std::optional<MemoryPolicy> memory_policy;
  bool keep_original_groups = false;  // processes have the supplementary groups of whoever starts them
  std::string pidfd_receiver;         // unix socket that gets a pidfd of the first process
  // Inside the container: a tmpfs is mounted there instead of what `mounts` says, and in its directory "systemd" the
  // named hierarchy of cgroup v1. Needs a new cgroup namespace.
  std::string systemd_cgroup_v1;
  bool rootless_euid = false;     // made by an ordinary user
  bool rootless_cgroups = false;  // cgroup errors are tolerated where nothing was asked for

  // The value of "key=value" among the labels, or "".
  std::string label(const std::string& key) const;
  // The host's id of the container's root (Config.HostUID): 0 without a user namespace; nullopt: not mapped.
  std::optional<int64_t> host_root_uid() const;
  std::optional<int64_t> host_root_gid() const;
};

// The program to run in a container: libcontainer's Process without its I/O.
struct ProcessConfig {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd = "/";
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
  std::optional<uint32_t> umask;  // absent: the Config's
  bool terminal = false;
  std::optional<uint16_t> console_width, console_height;
  // What is absent here falls back to the Config's.
  std::optional<Capabilities> capabilities;
  std::optional<std::vector<Rlimit>> rlimits;
  std::optional<bool> no_new_privileges;
  std::optional<std::string> apparmor_profile;
  std::optional<std::string> process_label;
  std::optional<int> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::optional<IOPriority> io_priority;
  std::optional<CPUAffinity> exec_cpu_affinity;
};

}  // namespace cella::config
