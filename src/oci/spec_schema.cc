#include "oci/spec_schema.h"

namespace cella::oci {

using json::Field;
using json::field;
using json::Name;
using json::Type;

std::span<const Name<RlimitType>> names_of(Type<RlimitType>) {
  static constexpr Name<RlimitType> kNames[] = {
      {"RLIMIT_CPU", RlimitType::kCpu},           {"RLIMIT_FSIZE", RlimitType::kFsize},
      {"RLIMIT_DATA", RlimitType::kData},         {"RLIMIT_STACK", RlimitType::kStack},
      {"RLIMIT_CORE", RlimitType::kCore},         {"RLIMIT_RSS", RlimitType::kRss},
      {"RLIMIT_NPROC", RlimitType::kNproc},       {"RLIMIT_NOFILE", RlimitType::kNofile},
      {"RLIMIT_MEMLOCK", RlimitType::kMemlock},   {"RLIMIT_AS", RlimitType::kAs},
      {"RLIMIT_LOCKS", RlimitType::kLocks},       {"RLIMIT_SIGPENDING", RlimitType::kSigpending},
      {"RLIMIT_MSGQUEUE", RlimitType::kMsgqueue}, {"RLIMIT_NICE", RlimitType::kNice},
      {"RLIMIT_RTPRIO", RlimitType::kRtprio},     {"RLIMIT_RTTIME", RlimitType::kRttime},
  };
  return kNames;
}

std::span<const Name<SchedulerPolicy>> names_of(Type<SchedulerPolicy>) {
  static constexpr Name<SchedulerPolicy> kNames[] = {
      {"SCHED_OTHER", SchedulerPolicy::kOther},
      {"SCHED_FIFO", SchedulerPolicy::kFifo},
      {"SCHED_RR", SchedulerPolicy::kRr},
      {"SCHED_BATCH", SchedulerPolicy::kBatch},
      {"SCHED_ISO", SchedulerPolicy::kIso},
      {"SCHED_IDLE", SchedulerPolicy::kIdle},
      {"SCHED_DEADLINE", SchedulerPolicy::kDeadline},
  };
  return kNames;
}

std::span<const Name<SchedulerFlag>> names_of(Type<SchedulerFlag>) {
  static constexpr Name<SchedulerFlag> kNames[] = {
      {"SCHED_FLAG_RESET_ON_FORK", SchedulerFlag::kResetOnFork},
      {"SCHED_FLAG_RECLAIM", SchedulerFlag::kReclaim},
      {"SCHED_FLAG_DL_OVERRUN", SchedulerFlag::kDlOverrun},
      {"SCHED_FLAG_KEEP_POLICY", SchedulerFlag::kKeepPolicy},
      {"SCHED_FLAG_KEEP_PARAMS", SchedulerFlag::kKeepParams},
      {"SCHED_FLAG_UTIL_CLAMP_MIN", SchedulerFlag::kUtilClampMin},
      {"SCHED_FLAG_UTIL_CLAMP_MAX", SchedulerFlag::kUtilClampMax},
  };
  return kNames;
}

std::span<const Name<IOPriorityClass>> names_of(Type<IOPriorityClass>) {
  static constexpr Name<IOPriorityClass> kNames[] = {
      {"IOPRIO_CLASS_RT", IOPriorityClass::kRt},
      {"IOPRIO_CLASS_BE", IOPriorityClass::kBe},
      {"IOPRIO_CLASS_IDLE", IOPriorityClass::kIdle},
  };
  return kNames;
}

std::span<const Name<NamespaceType>> names_of(Type<NamespaceType>) {
  static constexpr Name<NamespaceType> kNames[] = {
      {"pid", NamespaceType::kPid},       {"network", NamespaceType::kNetwork}, {"mount", NamespaceType::kMount},
      {"ipc", NamespaceType::kIpc},       {"uts", NamespaceType::kUts},         {"user", NamespaceType::kUser},
      {"cgroup", NamespaceType::kCgroup}, {"time", NamespaceType::kTime},
  };
  return kNames;
}

std::span<const Name<SeccompAction>> names_of(Type<SeccompAction>) {
  static constexpr Name<SeccompAction> kNames[] = {
      // KILL is the old name of KILL_THREAD and what runc writes
      {"SCMP_ACT_KILL", SeccompAction::kKillThread},
      {"SCMP_ACT_KILL_PROCESS", SeccompAction::kKillProcess},
      {"SCMP_ACT_KILL_THREAD", SeccompAction::kKillThread},
      {"SCMP_ACT_TRAP", SeccompAction::kTrap},
      {"SCMP_ACT_ERRNO", SeccompAction::kErrno},
      {"SCMP_ACT_TRACE", SeccompAction::kTrace},
      {"SCMP_ACT_ALLOW", SeccompAction::kAllow},
      {"SCMP_ACT_LOG", SeccompAction::kLog},
      {"SCMP_ACT_NOTIFY", SeccompAction::kNotify},
  };
  return kNames;
}

std::span<const Name<SeccompOperator>> names_of(Type<SeccompOperator>) {
  static constexpr Name<SeccompOperator> kNames[] = {
      {"SCMP_CMP_NE", SeccompOperator::kNotEqual},           {"SCMP_CMP_LT", SeccompOperator::kLess},
      {"SCMP_CMP_LE", SeccompOperator::kLessOrEqual},        {"SCMP_CMP_EQ", SeccompOperator::kEqual},
      {"SCMP_CMP_GE", SeccompOperator::kGreaterOrEqual},     {"SCMP_CMP_GT", SeccompOperator::kGreater},
      {"SCMP_CMP_MASKED_EQ", SeccompOperator::kMaskedEqual},
  };
  return kNames;
}

std::span<const Name<SeccompFlag>> names_of(Type<SeccompFlag>) {
  static constexpr Name<SeccompFlag> kNames[] = {
      {"SECCOMP_FILTER_FLAG_TSYNC", SeccompFlag::kTsync},
      {"SECCOMP_FILTER_FLAG_LOG", SeccompFlag::kLog},
      {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SeccompFlag::kSpecAllow},
      {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SeccompFlag::kWaitKillableRecv},
  };
  return kNames;
}

std::span<const Name<SeccompArch>> names_of(Type<SeccompArch>) {
  static constexpr Name<SeccompArch> kNames[] = {
      {"SCMP_ARCH_X86", SeccompArch::kX86},
      {"SCMP_ARCH_X86_64", SeccompArch::kX86_64},
      {"SCMP_ARCH_X32", SeccompArch::kX32},
      {"SCMP_ARCH_ARM", SeccompArch::kArm},
      {"SCMP_ARCH_AARCH64", SeccompArch::kAarch64},
      {"SCMP_ARCH_LOONGARCH64", SeccompArch::kLoongarch64},
      {"SCMP_ARCH_M68K", SeccompArch::kM68k},
      {"SCMP_ARCH_MIPS", SeccompArch::kMips},
      {"SCMP_ARCH_MIPS64", SeccompArch::kMips64},
      {"SCMP_ARCH_MIPS64N32", SeccompArch::kMips64n32},
      {"SCMP_ARCH_MIPSEL", SeccompArch::kMipsel},
      {"SCMP_ARCH_MIPSEL64", SeccompArch::kMipsel64},
      {"SCMP_ARCH_MIPSEL64N32", SeccompArch::kMipsel64n32},
      {"SCMP_ARCH_PPC", SeccompArch::kPpc},
      {"SCMP_ARCH_PPC64", SeccompArch::kPpc64},
      {"SCMP_ARCH_PPC64LE", SeccompArch::kPpc64le},
      {"SCMP_ARCH_S390", SeccompArch::kS390},
      {"SCMP_ARCH_S390X", SeccompArch::kS390x},
      {"SCMP_ARCH_SH", SeccompArch::kSh},
      {"SCMP_ARCH_SHEB", SeccompArch::kSheb},
      {"SCMP_ARCH_PARISC", SeccompArch::kParisc},
      {"SCMP_ARCH_PARISC64", SeccompArch::kParisc64},
      {"SCMP_ARCH_RISCV64", SeccompArch::kRiscv64},
  };
  return kNames;
}

std::span<const Name<Propagation>> names_of(Type<Propagation>) {
  static constexpr Name<Propagation> kNames[] = {
      {"private", Propagation::kPrivate},       {"rprivate", Propagation::kRprivate},
      {"shared", Propagation::kShared},         {"rshared", Propagation::kRshared},
      {"slave", Propagation::kSlave},           {"rslave", Propagation::kRslave},
      {"unbindable", Propagation::kUnbindable}, {"runbindable", Propagation::kRunbindable},
  };
  return kNames;
}

std::span<const Name<MemoryPolicyMode>> names_of(Type<MemoryPolicyMode>) {
  static constexpr Name<MemoryPolicyMode> kNames[] = {
      {"MPOL_DEFAULT", MemoryPolicyMode::kDefault},
      {"MPOL_BIND", MemoryPolicyMode::kBind},
      {"MPOL_INTERLEAVE", MemoryPolicyMode::kInterleave},
      {"MPOL_WEIGHTED_INTERLEAVE", MemoryPolicyMode::kWeightedInterleave},
      {"MPOL_PREFERRED", MemoryPolicyMode::kPreferred},
      {"MPOL_PREFERRED_MANY", MemoryPolicyMode::kPreferredMany},
      {"MPOL_LOCAL", MemoryPolicyMode::kLocal},
  };
  return kNames;
}

std::span<const Name<MemoryPolicyFlag>> names_of(Type<MemoryPolicyFlag>) {
  static constexpr Name<MemoryPolicyFlag> kNames[] = {
      {"MPOL_F_NUMA_BALANCING", MemoryPolicyFlag::kNumaBalancing},
      {"MPOL_F_RELATIVE_NODES", MemoryPolicyFlag::kRelativeNodes},
      {"MPOL_F_STATIC_NODES", MemoryPolicyFlag::kStaticNodes},
  };
  return kNames;
}

std::span<const Name<PersonalityDomain>> names_of(Type<PersonalityDomain>) {
  static constexpr Name<PersonalityDomain> kNames[] = {
      {"LINUX", PersonalityDomain::kLinux},
      {"LINUX32", PersonalityDomain::kLinux32},
  };
  return kNames;
}

std::span<const Field<Box>> fields_of(Type<Box>) {
  static constexpr Field<Box> kFields[] = {
      field<&Box::height>("height").required(),
      field<&Box::width>("width").required(),
  };
  return kFields;
}

std::span<const Field<User>> fields_of(Type<User>) {
  static constexpr Field<User> kFields[] = {
      field<&User::uid>("uid").always(),  field<&User::gid>("gid").always(),
      field<&User::umask>("umask"),       field<&User::additional_gids>("additionalGids"),
      field<&User::username>("username"),
  };
  return kFields;
}

std::span<const Field<Capabilities>> fields_of(Type<Capabilities>) {
  static constexpr Field<Capabilities> kFields[] = {
      field<&Capabilities::bounding>("bounding"),       field<&Capabilities::effective>("effective"),
      field<&Capabilities::inheritable>("inheritable"), field<&Capabilities::permitted>("permitted"),
      field<&Capabilities::ambient>("ambient"),
  };
  return kFields;
}

std::span<const Field<Rlimit>> fields_of(Type<Rlimit>) {
  static constexpr Field<Rlimit> kFields[] = {
      field<&Rlimit::type>("type").required(),
      field<&Rlimit::hard>("hard").required(),
      field<&Rlimit::soft>("soft").required(),
  };
  return kFields;
}

std::span<const Field<Scheduler>> fields_of(Type<Scheduler>) {
  static constexpr Field<Scheduler> kFields[] = {
      field<&Scheduler::policy>("policy").required(),
      field<&Scheduler::nice>("nice"),
      field<&Scheduler::priority>("priority"),
      field<&Scheduler::flags>("flags"),
      field<&Scheduler::runtime>("runtime"),
      field<&Scheduler::deadline>("deadline"),
      field<&Scheduler::period>("period"),
  };
  return kFields;
}

std::span<const Field<IOPriority>> fields_of(Type<IOPriority>) {
  static constexpr Field<IOPriority> kFields[] = {
      field<&IOPriority::io_class>("class").required(),
      field<&IOPriority::priority>("priority").always(),
  };
  return kFields;
}

std::span<const Field<CPUAffinity>> fields_of(Type<CPUAffinity>) {
  static constexpr Field<CPUAffinity> kFields[] = {
      field<&CPUAffinity::initial>("initial"),
      field<&CPUAffinity::final>("final"),
  };
  return kFields;
}

std::span<const Field<Process>> fields_of(Type<Process>) {
  static constexpr Field<Process> kFields[] = {
      field<&Process::terminal>("terminal"),
      field<&Process::console_size>("consoleSize"),
      field<&Process::user>("user").always(),
      field<&Process::args>("args"),
      field<&Process::command_line>("commandLine"),
      field<&Process::env>("env"),
      field<&Process::cwd>("cwd").required(),
      field<&Process::capabilities>("capabilities"),
      field<&Process::rlimits>("rlimits"),
      field<&Process::no_new_privileges>("noNewPrivileges"),
      field<&Process::apparmor_profile>("apparmorProfile"),
      field<&Process::oom_score_adj>("oomScoreAdj").range(-1000, 1000),
      field<&Process::scheduler>("scheduler"),
      field<&Process::selinux_label>("selinuxLabel"),
      field<&Process::io_priority>("ioPriority"),
      field<&Process::exec_cpu_affinity>("execCPUAffinity"),
  };
  return kFields;
}

std::span<const Field<Root>> fields_of(Type<Root>) {
  static constexpr Field<Root> kFields[] = {
      field<&Root::path>("path").required(),
      field<&Root::readonly>("readonly"),
  };
  return kFields;
}

std::span<const Field<IDMapping>> fields_of(Type<IDMapping>) {
  static constexpr Field<IDMapping> kFields[] = {
      field<&IDMapping::container_id>("containerID").required(),
      field<&IDMapping::host_id>("hostID").required(),
      field<&IDMapping::size>("size").required(),
  };
  return kFields;
}

std::span<const Field<Mount>> fields_of(Type<Mount>) {
  static constexpr Field<Mount> kFields[] = {
      field<&Mount::destination>("destination").required(),
      field<&Mount::type>("type"),
      field<&Mount::source>("source"),
      field<&Mount::options>("options"),
      field<&Mount::uid_mappings>("uidMappings"),
      field<&Mount::gid_mappings>("gidMappings"),
  };
  return kFields;
}

std::span<const Field<Hook>> fields_of(Type<Hook>) {
  static constexpr Field<Hook> kFields[] = {
      field<&Hook::path>("path").required(),
      field<&Hook::args>("args"),
      field<&Hook::env>("env"),
      field<&Hook::timeout>("timeout").range(1, INT32_MAX),
  };
  return kFields;
}

std::span<const Field<Hooks>> fields_of(Type<Hooks>) {
  static constexpr Field<Hooks> kFields[] = {
      field<&Hooks::prestart>("prestart"),
      field<&Hooks::create_runtime>("createRuntime"),
      field<&Hooks::create_container>("createContainer"),
      field<&Hooks::start_container>("startContainer"),
      field<&Hooks::poststart>("poststart"),
      field<&Hooks::poststop>("poststop"),
  };
  return kFields;
}

std::span<const Field<DeviceCgroup>> fields_of(Type<DeviceCgroup>) {
  static constexpr Field<DeviceCgroup> kFields[] = {
      field<&DeviceCgroup::allow>("allow").required(),
      field<&DeviceCgroup::type>("type"),
      field<&DeviceCgroup::major>("major").range(-1, UINT32_MAX),
      field<&DeviceCgroup::minor>("minor").range(-1, UINT32_MAX),
      field<&DeviceCgroup::access>("access"),
  };
  return kFields;
}

std::span<const Field<Memory>> fields_of(Type<Memory>) {
  static constexpr Field<Memory> kFields[] = {
      field<&Memory::limit>("limit"),
      field<&Memory::reservation>("reservation"),
      field<&Memory::swap>("swap"),
      field<&Memory::kernel>("kernel"),
      field<&Memory::kernel_tcp>("kernelTCP"),
      field<&Memory::swappiness>("swappiness").range(0, 100),
      field<&Memory::disable_oom_killer>("disableOOMKiller"),
      field<&Memory::use_hierarchy>("useHierarchy"),
      field<&Memory::check_before_update>("checkBeforeUpdate"),
  };
  return kFields;
}

std::span<const Field<CPU>> fields_of(Type<CPU>) {
  static constexpr Field<CPU> kFields[] = {
      field<&CPU::shares>("shares"),
      field<&CPU::quota>("quota"),
      field<&CPU::burst>("burst"),
      field<&CPU::period>("period"),
      field<&CPU::realtime_runtime>("realtimeRuntime"),
      field<&CPU::realtime_period>("realtimePeriod"),
      field<&CPU::cpus>("cpus"),
      field<&CPU::mems>("mems"),
      field<&CPU::idle>("idle").range(0, 1),
  };
  return kFields;
}

std::span<const Field<Pids>> fields_of(Type<Pids>) {
  static constexpr Field<Pids> kFields[] = {
      field<&Pids::limit>("limit"),
  };
  return kFields;
}

std::span<const Field<WeightDevice>> fields_of(Type<WeightDevice>) {
  static constexpr Field<WeightDevice> kFields[] = {
      field<&WeightDevice::major>("major").required(),
      field<&WeightDevice::minor>("minor").required(),
      field<&WeightDevice::weight>("weight"),
      field<&WeightDevice::leaf_weight>("leafWeight"),
  };
  return kFields;
}

std::span<const Field<ThrottleDevice>> fields_of(Type<ThrottleDevice>) {
  static constexpr Field<ThrottleDevice> kFields[] = {
      field<&ThrottleDevice::major>("major").required(),
      field<&ThrottleDevice::minor>("minor").required(),
      field<&ThrottleDevice::rate>("rate").always(),
  };
  return kFields;
}

std::span<const Field<BlockIO>> fields_of(Type<BlockIO>) {
  static constexpr Field<BlockIO> kFields[] = {
      field<&BlockIO::weight>("weight"),
      field<&BlockIO::leaf_weight>("leafWeight"),
      field<&BlockIO::weight_device>("weightDevice"),
      field<&BlockIO::throttle_read_bps_device>("throttleReadBpsDevice"),
      field<&BlockIO::throttle_write_bps_device>("throttleWriteBpsDevice"),
      field<&BlockIO::throttle_read_iops_device>("throttleReadIOPSDevice"),
      field<&BlockIO::throttle_write_iops_device>("throttleWriteIOPSDevice"),
  };
  return kFields;
}

std::span<const Field<HugepageLimit>> fields_of(Type<HugepageLimit>) {
  static constexpr Field<HugepageLimit> kFields[] = {
      field<&HugepageLimit::page_size>("pageSize").required(),
      field<&HugepageLimit::limit>("limit").required(),
  };
  return kFields;
}

std::span<const Field<InterfacePriority>> fields_of(Type<InterfacePriority>) {
  static constexpr Field<InterfacePriority> kFields[] = {
      field<&InterfacePriority::name>("name").required(),
      field<&InterfacePriority::priority>("priority").required(),
  };
  return kFields;
}

std::span<const Field<NetworkResources>> fields_of(Type<NetworkResources>) {
  static constexpr Field<NetworkResources> kFields[] = {
      field<&NetworkResources::class_id>("classID"),
      field<&NetworkResources::priorities>("priorities"),
  };
  return kFields;
}

std::span<const Field<Rdma>> fields_of(Type<Rdma>) {
  static constexpr Field<Rdma> kFields[] = {
      field<&Rdma::hca_handles>("hcaHandles"),
      field<&Rdma::hca_objects>("hcaObjects"),
  };
  return kFields;
}

std::span<const Field<Resources>> fields_of(Type<Resources>) {
  static constexpr Field<Resources> kFields[] = {
      field<&Resources::devices>("devices"),  field<&Resources::memory>("memory"),
      field<&Resources::cpu>("cpu"),          field<&Resources::pids>("pids"),
      field<&Resources::block_io>("blockIO"), field<&Resources::hugepage_limits>("hugepageLimits"),
      field<&Resources::network>("network"),  field<&Resources::rdma>("rdma"),
      field<&Resources::unified>("unified"),
  };
  return kFields;
}

std::span<const Field<Namespace>> fields_of(Type<Namespace>) {
  static constexpr Field<Namespace> kFields[] = {
      field<&Namespace::type>("type").required(),
      field<&Namespace::path>("path"),
  };
  return kFields;
}

std::span<const Field<Device>> fields_of(Type<Device>) {
  static constexpr Field<Device> kFields[] = {
      field<&Device::path>("path").required(),
      field<&Device::type>("type").required(),
      field<&Device::major>("major"),
      field<&Device::minor>("minor"),
      field<&Device::file_mode>("fileMode"),
      field<&Device::uid>("uid"),
      field<&Device::gid>("gid"),
  };
  return kFields;
}

std::span<const Field<NetDevice>> fields_of(Type<NetDevice>) {
  static constexpr Field<NetDevice> kFields[] = {
      field<&NetDevice::name>("name"),
  };
  return kFields;
}

std::span<const Field<SeccompArg>> fields_of(Type<SeccompArg>) {
  static constexpr Field<SeccompArg> kFields[] = {
      field<&SeccompArg::index>("index").range(0, 5).required(),
      field<&SeccompArg::value>("value").required(),
      field<&SeccompArg::value_two>("valueTwo"),
      field<&SeccompArg::op>("op").required(),
  };
  return kFields;
}

std::span<const Field<Syscall>> fields_of(Type<Syscall>) {
  static constexpr Field<Syscall> kFields[] = {
      field<&Syscall::names>("names").required(),
      field<&Syscall::action>("action").required(),
      field<&Syscall::errno_ret>("errnoRet"),
      field<&Syscall::args>("args"),
  };
  return kFields;
}

std::span<const Field<Seccomp>> fields_of(Type<Seccomp>) {
  static constexpr Field<Seccomp> kFields[] = {
      field<&Seccomp::default_action>("defaultAction").required(),
      field<&Seccomp::default_errno_ret>("defaultErrnoRet"),
      field<&Seccomp::architectures>("architectures"),
      field<&Seccomp::flags>("flags"),
      field<&Seccomp::listener_path>("listenerPath"),
      field<&Seccomp::listener_metadata>("listenerMetadata"),
      field<&Seccomp::syscalls>("syscalls"),
  };
  return kFields;
}

std::span<const Field<IntelRdt>> fields_of(Type<IntelRdt>) {
  static constexpr Field<IntelRdt> kFields[] = {
      field<&IntelRdt::clos_id>("closID"),
      field<&IntelRdt::schemata>("schemata"),
      field<&IntelRdt::l3_cache_schema>("l3CacheSchema"),
      field<&IntelRdt::mem_bw_schema>("memBwSchema"),
      field<&IntelRdt::enable_monitoring>("enableMonitoring"),
  };
  return kFields;
}

std::span<const Field<MemoryPolicy>> fields_of(Type<MemoryPolicy>) {
  static constexpr Field<MemoryPolicy> kFields[] = {
      field<&MemoryPolicy::mode>("mode").required(),
      field<&MemoryPolicy::nodes>("nodes").always(),
      field<&MemoryPolicy::flags>("flags"),
  };
  return kFields;
}

std::span<const Field<Personality>> fields_of(Type<Personality>) {
  static constexpr Field<Personality> kFields[] = {
      field<&Personality::domain>("domain").required(),
      field<&Personality::flags>("flags"),
  };
  return kFields;
}

std::span<const Field<TimeOffset>> fields_of(Type<TimeOffset>) {
  static constexpr Field<TimeOffset> kFields[] = {
      field<&TimeOffset::secs>("secs"),
      field<&TimeOffset::nanosecs>("nanosecs").range(0, 999'999'999),
  };
  return kFields;
}

std::span<const Field<Linux>> fields_of(Type<Linux>) {
  static constexpr Field<Linux> kFields[] = {
      field<&Linux::uid_mappings>("uidMappings"),
      field<&Linux::gid_mappings>("gidMappings"),
      field<&Linux::sysctl>("sysctl"),
      field<&Linux::resources>("resources"),
      field<&Linux::cgroups_path>("cgroupsPath"),
      field<&Linux::namespaces>("namespaces"),
      field<&Linux::devices>("devices"),
      field<&Linux::net_devices>("netDevices"),
      field<&Linux::seccomp>("seccomp"),
      field<&Linux::rootfs_propagation>("rootfsPropagation"),
      field<&Linux::masked_paths>("maskedPaths"),
      field<&Linux::readonly_paths>("readonlyPaths"),
      field<&Linux::mount_label>("mountLabel"),
      field<&Linux::intel_rdt>("intelRdt"),
      field<&Linux::memory_policy>("memoryPolicy"),
      field<&Linux::personality>("personality"),
      field<&Linux::time_offsets>("timeOffsets"),
  };
  return kFields;
}

std::span<const Field<Spec>> fields_of(Type<Spec>) {
  static constexpr Field<Spec> kFields[] = {
      field<&Spec::version>("ociVersion").required(),
      field<&Spec::process>("process"),
      field<&Spec::root>("root"),
      field<&Spec::hostname>("hostname"),
      field<&Spec::domainname>("domainname"),
      field<&Spec::mounts>("mounts"),
      field<&Spec::hooks>("hooks"),
      field<&Spec::annotations>("annotations"),
      field<&Spec::linux_config>("linux"),
  };
  return kFields;
}

}  // namespace cella::oci
