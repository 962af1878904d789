// Spec: config.json of the OCI runtime specification 1.3, what concerns Linux, field by field.
//
// The names are the specification's. Plain data: parse.h makes it from text (validated), default_spec.h makes the
// example, config/specconv.h turns it into a Config. Enumerators carry the kernel's numbers where it has any. An absent
// optional is an absent property; empty strings, lists and maps are not told from absent ones.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cella::oci {

struct Box {
  uint64_t height = 0, width = 0;
};
struct User {
  uint32_t uid = 0, gid = 0;
  std::optional<uint32_t> umask;
  std::vector<uint32_t> additional_gids;
  std::string username;  // Windows; not used
};
struct Capabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;  // "CAP_CHOWN"; may be unknown
};
enum class RlimitType {  // RLIMIT_* of getrlimit(2)
  kCpu = 0,
  kFsize = 1,
  kData = 2,
  kStack = 3,
  kCore = 4,
  kRss = 5,
  kNproc = 6,
  kNofile = 7,
  kMemlock = 8,
  kAs = 9,
  kLocks = 10,
  kSigpending = 11,
  kMsgqueue = 12,
  kNice = 13,
  kRtprio = 14,
  kRttime = 15,
};
struct Rlimit {
  RlimitType type = RlimitType::kCpu;
  uint64_t hard = 0, soft = 0;
};
enum class SchedulerPolicy { kOther = 0, kFifo = 1, kRr = 2, kBatch = 3, kIso = 4, kIdle = 5, kDeadline = 6 };
enum class SchedulerFlag {  // SCHED_FLAG_* of sched_setattr(2)
  kResetOnFork = 1,
  kReclaim = 2,
  kDlOverrun = 4,
  kKeepPolicy = 8,
  kKeepParams = 16,
  kUtilClampMin = 32,
  kUtilClampMax = 64,
};
struct Scheduler {
  SchedulerPolicy policy = SchedulerPolicy::kOther;
  int32_t nice = 0, priority = 0;
  std::vector<SchedulerFlag> flags;
  uint64_t runtime = 0, deadline = 0, period = 0;  // nanoseconds
};
enum class IOPriorityClass { kRt = 1, kBe = 2, kIdle = 3 };  // IOPRIO_CLASS_* of ioprio_set(2)
struct IOPriority {
  IOPriorityClass io_class = IOPriorityClass::kBe;
  int32_t priority = 0;
};
struct CPUAffinity {
  std::string initial, final;  // lists, "0-3,7"
};
struct Process {
  bool terminal = false;
  std::optional<Box> console_size;
  User user;
  std::vector<std::string> args;
  std::string command_line;  // Windows; not used
  std::vector<std::string> env;
  std::string cwd;
  std::optional<Capabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile;
  std::optional<int32_t> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::string selinux_label;
  std::optional<IOPriority> io_priority;
  std::optional<CPUAffinity> exec_cpu_affinity;
};

struct Root {
  std::string path;
  bool readonly = false;
};
struct IDMapping {
  uint32_t container_id = 0, host_id = 0, size = 0;
};
struct Mount {
  std::string destination, type, source;
  std::vector<std::string> options;
  std::vector<IDMapping> uid_mappings, gid_mappings;
};
struct Hook {
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int32_t> timeout;  // seconds
};
struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct DeviceCgroup {
  bool allow = false;
  std::string type;                     // "a", "b", "c"; empty: "a"
  std::optional<int64_t> major, minor;  // absent or -1: all
  std::string access;
};
struct Memory {
  std::optional<int64_t> limit, reservation, swap, kernel, kernel_tcp;
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer, use_hierarchy, check_before_update;
};
struct CPU {
  std::optional<uint64_t> shares;
  std::optional<int64_t> quota;
  std::optional<uint64_t> burst, period;
  std::optional<int64_t> realtime_runtime;
  std::optional<uint64_t> realtime_period;
  std::string cpus, mems;
  std::optional<int64_t> idle;
};
struct Pids {
  std::optional<int64_t> limit;
};
struct WeightDevice {
  int64_t major = 0, minor = 0;
  std::optional<uint16_t> weight, leaf_weight;
};
struct ThrottleDevice {
  int64_t major = 0, minor = 0;
  uint64_t rate = 0;
};
struct BlockIO {
  std::optional<uint16_t> weight, leaf_weight;
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> throttle_read_bps_device, throttle_write_bps_device, throttle_read_iops_device,
      throttle_write_iops_device;
};
struct HugepageLimit {
  std::string page_size;
  uint64_t limit = 0;
};
struct InterfacePriority {
  std::string name;
  uint32_t priority = 0;
};
struct NetworkResources {
  std::optional<uint32_t> class_id;
  std::vector<InterfacePriority> priorities;
};
struct Rdma {
  std::optional<uint32_t> hca_handles, hca_objects;
};
struct Resources {
  std::vector<DeviceCgroup> devices;
  std::optional<Memory> memory;
  std::optional<CPU> cpu;
  std::optional<Pids> pids;
  std::optional<BlockIO> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<NetworkResources> network;
  std::map<std::string, Rdma> rdma;
  std::map<std::string, std::string> unified;
};

enum class NamespaceType { kPid, kNetwork, kMount, kIpc, kUts, kUser, kCgroup, kTime };
struct Namespace {
  NamespaceType type = NamespaceType::kPid;
  std::string path;  // empty: a new one
};
struct Device {
  std::string path, type;  // "c", "b", "u", "p"
  std::optional<int64_t> major, minor;
  std::optional<uint32_t> file_mode;
  std::optional<uint32_t> uid, gid;
  friend bool operator==(const Device&, const Device&) = default;
};
struct NetDevice {
  std::string name;
};

enum class SeccompAction { kKillThread, kKillProcess, kTrap, kErrno, kTrace, kAllow, kLog, kNotify };
enum class SeccompOperator { kNotEqual, kLess, kLessOrEqual, kEqual, kGreaterOrEqual, kGreater, kMaskedEqual };
enum class SeccompFlag { kTsync = 1, kLog = 2, kSpecAllow = 4, kWaitKillableRecv = 32 };  // of seccomp(2)
enum class SeccompArch {
  kX86,
  kX86_64,
  kX32,
  kArm,
  kAarch64,
  kLoongarch64,
  kM68k,
  kMips,
  kMips64,
  kMips64n32,
  kMipsel,
  kMipsel64,
  kMipsel64n32,
  kPpc,
  kPpc64,
  kPpc64le,
  kS390,
  kS390x,
  kSh,
  kSheb,
  kParisc,
  kParisc64,
  kRiscv64,
};
struct SeccompArg {
  uint32_t index = 0;
  uint64_t value = 0, value_two = 0;
  SeccompOperator op = SeccompOperator::kEqual;
};
struct Syscall {
  std::vector<std::string> names;
  SeccompAction action = SeccompAction::kAllow;
  std::optional<uint32_t> errno_ret;
  std::vector<SeccompArg> args;
};
struct Seccomp {
  SeccompAction default_action = SeccompAction::kAllow;
  std::optional<uint32_t> default_errno_ret;
  std::vector<SeccompArch> architectures;
  std::optional<std::vector<SeccompFlag>> flags;  // absent: SPEC_ALLOW; empty: none
  std::string listener_path, listener_metadata;
  std::vector<Syscall> syscalls;
};

enum class Propagation {
  kPrivate,
  kRprivate,
  kShared,
  kRshared,
  kSlave,
  kRslave,
  kUnbindable,
  kRunbindable,
};
struct IntelRdt {
  std::string clos_id;
  std::vector<std::string> schemata;
  std::string l3_cache_schema, mem_bw_schema;
  bool enable_monitoring = false;
};
enum class MemoryPolicyMode {  // MPOL_* of set_mempolicy(2)
  kDefault = 0,
  kPreferred = 1,
  kBind = 2,
  kInterleave = 3,
  kLocal = 4,
  kPreferredMany = 5,
  kWeightedInterleave = 6,
};
enum class MemoryPolicyFlag { kNumaBalancing = 1 << 13, kRelativeNodes = 1 << 14, kStaticNodes = 1 << 15 };
struct MemoryPolicy {
  MemoryPolicyMode mode = MemoryPolicyMode::kDefault;
  std::string nodes;
  std::vector<MemoryPolicyFlag> flags;
};
enum class PersonalityDomain { kLinux = 0, kLinux32 = 8 };  // personality(2)
struct Personality {
  PersonalityDomain domain = PersonalityDomain::kLinux;
  std::vector<std::string> flags;  // none is defined
};
struct TimeOffset {
  int64_t secs = 0;
  uint32_t nanosecs = 0;
};

struct Linux {
  std::vector<IDMapping> uid_mappings, gid_mappings;
  std::map<std::string, std::string> sysctl;
  std::optional<Resources> resources;
  std::string cgroups_path;
  std::vector<Namespace> namespaces;
  std::vector<Device> devices;
  std::map<std::string, NetDevice> net_devices;
  std::optional<Seccomp> seccomp;
  std::optional<Propagation> rootfs_propagation;
  std::vector<std::string> masked_paths, readonly_paths;
  std::string mount_label;
  std::optional<IntelRdt> intel_rdt;
  std::optional<MemoryPolicy> memory_policy;
  std::optional<Personality> personality;
  std::map<std::string, TimeOffset> time_offsets;

  const Namespace* find(NamespaceType type) const {
    for (const Namespace& ns : namespaces)
      if (ns.type == type) return &ns;
    return nullptr;
  }
};

struct Spec {
  std::string version;  // ociVersion
  std::optional<Process> process;
  std::optional<Root> root;
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  std::optional<Hooks> hooks;
  std::map<std::string, std::string> annotations;
  std::optional<Linux> linux_config;  // "linux", which GNU compilers define as 1
};

}  // namespace cella::oci
