#include "config/config_json.h"

#include "config/codecs.h"
#include "oci/parse.h"
#include "oci/spec_schema.h"

namespace cella::config {

using json::Field;
using json::field;
using json::field_as;
using json::Type;

std::span<const json::Name<NamespaceType>> names_of(Type<NamespaceType>) {
  static const std::vector<json::Name<NamespaceType>> names = [] {
    std::vector<json::Name<NamespaceType>> list;
    for (int i = 0; i < kNamespaceTypeCount; ++i) {
      auto type = static_cast<NamespaceType>(i);
      list.push_back({namespace_key(type), type});
    }
    return list;
  }();
  return names;
}
std::span<const Field<Namespace>> fields_of(Type<Namespace>) {
  static constexpr Field<Namespace> kFields[] = {
      field<&Namespace::type>("type").required(),
      field<&Namespace::path>("path"),
  };
  return kFields;
}

std::span<const Field<Rlimit>> fields_of(Type<Rlimit>) {
  static constexpr Field<Rlimit> kFields[] = {
      field<&Rlimit::type>("type").always(),
      field<&Rlimit::hard>("hard").always(),
      field<&Rlimit::soft>("soft").always(),
  };
  return kFields;
}

std::span<const Field<IDMap>> fields_of(Type<IDMap>) {
  static constexpr Field<IDMap> kFields[] = {
      field<&IDMap::container_id>("container_id").always(),
      field<&IDMap::host_id>("host_id").always(),
      field<&IDMap::size>("size").always(),
  };
  return kFields;
}

// Mount: the optional parts are objects of their own in libcontainer.
struct RecursiveAttributes {
  uint64_t set = 0, clear = 0, propagation = 0, userns_fd = 0;  // struct mount_attr
};
struct MountIDMapping {
  bool recursive = false;
  std::string userns_path;
  std::vector<IDMap> uid_mappings, gid_mappings;
};
struct MountJson {
  Mount mount;
  std::optional<RecursiveAttributes> attributes;
  std::optional<MountIDMapping> id_mapping;
};
std::span<const Field<RecursiveAttributes>> fields_of(Type<RecursiveAttributes>) {
  static constexpr Field<RecursiveAttributes> kFields[] = {
      field<&RecursiveAttributes::set>("Attr_set").always(),
      field<&RecursiveAttributes::clear>("Attr_clr").always(),
      field<&RecursiveAttributes::propagation>("Propagation").always(),
      field<&RecursiveAttributes::userns_fd>("Userns_fd").always(),
  };
  return kFields;
}
std::span<const Field<MountIDMapping>> fields_of(Type<MountIDMapping>) {
  static constexpr Field<MountIDMapping> kFields[] = {
      field<&MountIDMapping::recursive>("recursive"),
      field<&MountIDMapping::userns_path>("userns_path"),
      field<&MountIDMapping::uid_mappings>("uid_mappings"),
      field<&MountIDMapping::gid_mappings>("gid_mappings"),
  };
  return kFields;
}
std::span<const Field<MountJson>> fields_of(Type<MountJson>) {
  static constexpr Field<MountJson> kFields[] = {
      field<&MountJson::mount, &Mount::source>("source").always(),
      field<&MountJson::mount, &Mount::destination>("destination").always(),
      field<&MountJson::mount, &Mount::device>("device").always(),
      field<&MountJson::mount, &Mount::flags>("flags").range(0, INT64_MAX).always(),
      field<&MountJson::mount, &Mount::cleared_flags>("cleared_flags"),
      field<&MountJson::mount, &Mount::propagation_flags>("propagation_flags"),
      field<&MountJson::mount, &Mount::data>("data"),
      field<&MountJson::mount, &Mount::relabel>("relabel"),
      field<&MountJson::attributes>("rec_attr"),
      field<&MountJson::mount, &Mount::extensions>("extensions"),
      field<&MountJson::id_mapping>("id_mapping"),
  };
  return kFields;
}

}  // namespace cella::config

namespace cella::json {

template <>
struct Codec<config::Mount> {
  static void read(const Value& value, config::Mount& target, Report& report, const Limits& limits) {
    config::MountJson form;
    Codec<config::MountJson>::read(value, form, report, limits);
    target = std::move(form.mount);
    if (form.attributes) {
      target.rec_attr_set = form.attributes->set;
      target.rec_attr_clear = form.attributes->clear;
    }
    if (form.id_mapping) {
      target.idmap = true;
      target.idmap_recursive = form.id_mapping->recursive;
      target.idmap_userns_path = std::move(form.id_mapping->userns_path);
      target.uid_mappings = std::move(form.id_mapping->uid_mappings);
      target.gid_mappings = std::move(form.id_mapping->gid_mappings);
    }
  }
  static void write(const config::Mount& mount, Writer& writer) {
    config::MountJson form{.mount = mount, .attributes = {}, .id_mapping = {}};
    if ((mount.rec_attr_set | mount.rec_attr_clear) != 0) {
      form.attributes = config::RecursiveAttributes{.set = mount.rec_attr_set, .clear = mount.rec_attr_clear};
    }
    if (mount.idmap) {
      form.id_mapping = config::MountIDMapping{mount.idmap_recursive, mount.idmap_userns_path, mount.uid_mappings,
                                               mount.gid_mappings};
    }
    Codec<config::MountJson>::write(form, writer);
  }
};

}  // namespace cella::json

namespace cella::config {

std::span<const Field<Device>> fields_of(Type<Device>) {
  static constexpr Field<Device> kFields[] = {
      field_as<RuneCodec, &Device::type>("type").always(),
      field<&Device::major>("major").always(),
      field<&Device::minor>("minor").always(),
      field<&Device::permissions>("permissions").always(),
      field<&Device::allow>("allow").always(),
      field<&Device::path>("path").always(),
      field<&Device::file_mode>("file_mode").always(),
      field<&Device::uid>("uid"),
      field<&Device::gid>("gid"),
  };
  return kFields;
}

std::span<const Field<WeightDevice>> fields_of(Type<WeightDevice>) {
  static constexpr Field<WeightDevice> kFields[] = {
      field<&WeightDevice::major>("major").always(),
      field<&WeightDevice::minor>("minor").always(),
      field_as<ZeroIsAbsent<uint16_t>, &WeightDevice::weight>("weight").always(),
      field_as<ZeroIsAbsent<uint16_t>, &WeightDevice::leaf_weight>("leafWeight").always(),
  };
  return kFields;
}
std::span<const Field<ThrottleDevice>> fields_of(Type<ThrottleDevice>) {
  static constexpr Field<ThrottleDevice> kFields[] = {
      field<&ThrottleDevice::major>("major").always(),
      field<&ThrottleDevice::minor>("minor").always(),
      field<&ThrottleDevice::rate>("rate").always(),
  };
  return kFields;
}
std::span<const Field<HugepageLimit>> fields_of(Type<HugepageLimit>) {
  static constexpr Field<HugepageLimit> kFields[] = {
      field<&HugepageLimit::page_size>("page_size").always(),
      field<&HugepageLimit::limit>("limit").always(),
  };
  return kFields;
}
std::span<const Field<IfPrioMap>> fields_of(Type<IfPrioMap>) {
  static constexpr Field<IfPrioMap> kFields[] = {
      field<&IfPrioMap::interface>("interface").always(),
      field<&IfPrioMap::priority>("priority").always(),
  };
  return kFields;
}
std::span<const Field<Rdma>> fields_of(Type<Rdma>) {
  static constexpr Field<Rdma> kFields[] = {
      field<&Rdma::hca_handles>("hca_handles"),
      field<&Rdma::hca_objects>("hca_objects"),
  };
  return kFields;
}

std::span<const json::Name<FreezerState>> names_of(Type<FreezerState>) {
  static constexpr json::Name<FreezerState> kNames[] = {
      {"", FreezerState::kUndefined}, {"FROZEN", FreezerState::kFrozen}, {"THAWED", FreezerState::kThawed}};
  return kNames;
}
struct FreezerCodec : json::Codec<FreezerState> {
  static bool is_empty(FreezerState state) { return state == FreezerState::kUndefined; }
};
// Our own key: an object, in the order of the list.
struct PropertiesCodec {
  using List = std::vector<std::pair<std::string, std::string>>;
  static void read(const json::Value& value, List& list, json::Report& report, const json::Limits& limits) {
    std::map<std::string, std::string> map;
    json::Codec<decltype(map)>::read(value, map, report, limits);
    list.assign(map.begin(), map.end());
  }
  static void write(const List& list, json::Writer& writer) {
    writer.begin_object();
    for (const auto& [name, value] : list) {
      writer.key(name);
      writer.string(value);
    }
    writer.end_object();
  }
  static bool is_empty(const List& list) { return list.empty(); }
};

template <auto Member>
constexpr auto resource(std::string_view key) {
  return field<&Cgroup::resources, Member>(key);
}
// A limit that is a plain number in Go: 0 is "not set".
template <auto Member>
constexpr auto plain(std::string_view key) {
  using T = typename std::remove_cvref_t<decltype(std::declval<Resources>().*Member)>::value_type;
  return field_as<ZeroIsAbsent<T>, &Cgroup::resources, Member>(key);
}
std::span<const Field<Cgroup>> fields_of(Type<Cgroup>) {
  static constexpr Field<Cgroup> kFields[] = {
      field<&Cgroup::name>("name"),
      field<&Cgroup::parent>("parent"),
      field<&Cgroup::path>("path").always(),
      field<&Cgroup::scope_prefix>("scope_prefix"),
      field<&Cgroup::paths>("paths"),
      field<&Cgroup::systemd>("Systemd"),
      field<&Cgroup::rootless>("Rootless"),
      field<&Cgroup::owner_uid>("owner_uid"),
      field_as<PropertiesCodec, &Cgroup::systemd_properties>("systemd_properties"),
      field<&Cgroup::delegate>("delegate"),
      field_as<RuleListCodec, &Cgroup::resources, &Resources::devices>("devices"),
      plain<&Resources::memory>("memory"),
      plain<&Resources::memory_reservation>("memory_reservation"),
      plain<&Resources::memory_swap>("memory_swap"),
      plain<&Resources::kernel_memory>("kernel_memory"),
      plain<&Resources::kernel_memory_tcp>("kernel_memory_tcp"),
      resource<&Resources::memory_swappiness>("memory_swappiness"),
      plain<&Resources::oom_kill_disable>("oom_kill_disable"),
      resource<&Resources::memory_use_hierarchy>("memory_use_hierarchy"),
      plain<&Resources::memory_check_before_update>("memory_check_before_update"),
      plain<&Resources::cpu_shares>("cpu_shares"),
      plain<&Resources::cpu_quota>("cpu_quota"),
      resource<&Resources::cpu_burst>("cpu_burst"),
      plain<&Resources::cpu_period>("cpu_period"),
      plain<&Resources::cpu_rt_runtime>("cpu_rt_quota"),
      plain<&Resources::cpu_rt_period>("cpu_rt_period"),
      resource<&Resources::cpu_idle>("cpu_idle"),
      resource<&Resources::cpuset_cpus>("cpuset_cpus"),
      resource<&Resources::cpuset_mems>("cpuset_mems"),
      plain<&Resources::pids_limit>("pids_limit"),
      plain<&Resources::blkio_weight>("blkio_weight"),
      plain<&Resources::blkio_leaf_weight>("blkio_leaf_weight"),
      resource<&Resources::blkio_weight_device>("blkio_weight_device"),
      resource<&Resources::blkio_throttle_read_bps_device>("blkio_throttle_read_bps_device"),
      resource<&Resources::blkio_throttle_write_bps_device>("blkio_throttle_write_bps_device"),
      resource<&Resources::blkio_throttle_read_iops_device>("blkio_throttle_read_iops_device"),
      resource<&Resources::blkio_throttle_write_iops_device>("blkio_throttle_write_iops_device"),
      field_as<FreezerCodec, &Cgroup::resources, &Resources::freezer>("freezer"),
      resource<&Resources::hugetlb_limit>("hugetlb_limit"),
      resource<&Resources::net_prio_ifpriomap>("net_prio_ifpriomap"),
      plain<&Resources::net_cls_classid>("net_cls_classid_u"),
      resource<&Resources::rdma>("rdma"),
      resource<&Resources::unified>("unified"),
      resource<&Resources::skip_devices>("skip_devices"),
  };
  return kFields;
}

std::span<const Field<Capabilities>> fields_of(Type<Capabilities>) {
  static constexpr Field<Capabilities> kFields[] = {
      field_as<CapabilityCodec, &Capabilities::bounding>("Bounding"),
      field_as<CapabilityCodec, &Capabilities::effective>("Effective"),
      field_as<CapabilityCodec, &Capabilities::inheritable>("Inheritable"),
      field_as<CapabilityCodec, &Capabilities::permitted>("Permitted"),
      field_as<CapabilityCodec, &Capabilities::ambient>("Ambient"),
  };
  return kFields;
}

std::span<const Field<SeccompArg>> fields_of(Type<SeccompArg>) {
  static constexpr Field<SeccompArg> kFields[] = {
      field<&SeccompArg::index>("index").always(),
      field<&SeccompArg::value>("value").always(),
      field<&SeccompArg::value_two>("value_two").always(),
      field_as<NumberCodec<SeccompOperator>, &SeccompArg::op>("op").always(),
  };
  return kFields;
}
std::span<const Field<SeccompSyscall>> fields_of(Type<SeccompSyscall>) {
  static constexpr Field<SeccompSyscall> kFields[] = {
      field<&SeccompSyscall::name>("name").always(),
      field_as<NumberCodec<SeccompAction>, &SeccompSyscall::action>("action").always(),
      field<&SeccompSyscall::errno_ret>("errnoRet"),
      field<&SeccompSyscall::args>("args").always(),
  };
  return kFields;
}
std::span<const Field<Seccomp>> fields_of(Type<Seccomp>) {
  static constexpr Field<Seccomp> kFields[] = {
      field_as<NumberCodec<SeccompAction>, &Seccomp::default_action>("default_action").always(),
      field_as<ArchitecturesCodec, &Seccomp::architectures>("architectures").always(),
      field<&Seccomp::flags>("flags").always(),
      field<&Seccomp::syscalls>("syscalls").always(),
      field<&Seccomp::default_errno_ret>("default_errno_ret"),
      field<&Seccomp::listener_path>("listener_path"),
      field<&Seccomp::listener_metadata>("listener_metadata"),
      field<&Seccomp::fail_unknown_syscalls>("fail_unknown_syscalls"),
      field<&Seccomp::program>("program"),
  };
  return kFields;
}

std::span<const Field<Hook>> fields_of(Type<Hook>) {
  static constexpr Field<Hook> kFields[] = {
      field<&Hook::path>("path").always(),
      field<&Hook::args>("args").always(),
      field<&Hook::env>("env").always(),
      field_as<SecondsCodec, &Hook::timeout>("timeout"),
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

std::span<const Field<Network>> fields_of(Type<Network>) {
  static constexpr Field<Network> kFields[] = {
      field<&Network::type>("type").always(),
      field<&Network::name>("name"),
      field<&Network::bridge>("bridge"),
      field<&Network::mac_address>("mac_address"),
      field<&Network::address>("address"),
      field<&Network::gateway>("gateway"),
      field<&Network::ipv6_address>("ipv6_address"),
      field<&Network::ipv6_gateway>("ipv6_gateway"),
      field<&Network::mtu>("mtu"),
      field<&Network::tx_queue_len>("txqueuelen"),
      field<&Network::host_interface_name>("host_interface_name"),
      field<&Network::hairpin_mode>("hairpin_mode"),
  };
  return kFields;
}
std::span<const Field<Route>> fields_of(Type<Route>) {
  static constexpr Field<Route> kFields[] = {
      field<&Route::destination>("destination"),
      field<&Route::source>("source"),
      field<&Route::gateway>("gateway"),
      field<&Route::interface_name>("interface_name"),
  };
  return kFields;
}
std::span<const Field<NetDevice>> fields_of(Type<NetDevice>) {
  static constexpr Field<NetDevice> kFields[] = {field<&NetDevice::name>("name")};
  return kFields;
}

std::span<const Field<Personality>> fields_of(Type<Personality>) {
  static constexpr Field<Personality> kFields[] = {field<&Personality::domain>("domain").range(0, INT64_MAX).always()};
  return kFields;
}
std::span<const Field<Scheduler>> fields_of(Type<Scheduler>) {
  static constexpr Field<Scheduler> kFields[] = {
      field_as<NameCodec<oci::SchedulerPolicy, uint32_t>, &Scheduler::policy>("policy").always(),
      field<&Scheduler::nice>("nice"),
      field<&Scheduler::priority>("priority"),
      field_as<NamesCodec<oci::SchedulerFlag, uint64_t>, &Scheduler::flags>("flags"),
      field<&Scheduler::runtime>("runtime"),
      field<&Scheduler::deadline>("deadline"),
      field<&Scheduler::period>("period"),
  };
  return kFields;
}
std::span<const Field<IOPriority>> fields_of(Type<IOPriority>) {
  static constexpr Field<IOPriority> kFields[] = {
      field_as<NameCodec<oci::IOPriorityClass, int>, &IOPriority::io_class>("class").always(),
      field<&IOPriority::priority>("priority").always(),
  };
  return kFields;
}
std::span<const Field<CPUAffinity>> fields_of(Type<CPUAffinity>) {
  static constexpr Field<CPUAffinity> kFields[] = {
      field_as<CpuSetCodec, &CPUAffinity::initial>("Initial"),
      field_as<CpuSetCodec, &CPUAffinity::final>("Final"),
  };
  return kFields;
}
std::span<const Field<TimeOffset>> fields_of(Type<TimeOffset>) {
  static constexpr Field<TimeOffset> kFields[] = {
      field<&TimeOffset::secs>("secs"),
      field<&TimeOffset::nanosecs>("nanosecs"),
  };
  return kFields;
}
std::span<const Field<IntelRdt>> fields_of(Type<IntelRdt>) {
  static constexpr Field<IntelRdt> kFields[] = {
      field<&IntelRdt::clos_id>("closID"),
      field<&IntelRdt::schemata>("schemata"),
      field<&IntelRdt::l3_cache_schema>("l3_cache_schema"),
      field<&IntelRdt::mem_bw_schema>("memBwSchema"),
      field<&IntelRdt::enable_monitoring>("enableMonitoring"),
  };
  return kFields;
}
std::span<const Field<MemoryPolicy>> fields_of(Type<MemoryPolicy>) {
  static constexpr Field<MemoryPolicy> kFields[] = {
      field<&MemoryPolicy::mode>("mode"),
      field<&MemoryPolicy::flags>("flags"),
      field_as<CpuSetCodec, &MemoryPolicy::nodes>("nodes"),
  };
  return kFields;
}

std::span<const Field<Config>> fields_of(Type<Config>) {
  static constexpr Field<Config> kFields[] = {
      field<&Config::no_pivot_root>("no_pivot_root").always(),
      field<&Config::parent_death_signal>("parent_death_signal").always(),
      field<&Config::rootfs>("rootfs").always(),
      field<&Config::umask>("umask"),
      field<&Config::readonlyfs>("readonlyfs").always(),
      field<&Config::root_propagation>("rootPropagation").range(0, INT64_MAX).always(),
      field<&Config::mounts>("mounts").always(),
      field<&Config::devices>("devices").always(),
      field<&Config::net_devices>("netDevices"),
      field<&Config::mount_label>("mount_label").always(),
      field<&Config::mount_context_type>("mount_context_type"),
      field<&Config::hostname>("hostname").always(),
      field<&Config::domainname>("domainname"),
      field_as<NamespacesCodec, &Config::namespaces>("namespaces").always(),
      field<&Config::capabilities>("capabilities"),
      field<&Config::networks>("networks").always(),
      field<&Config::routes>("routes"),
      field<&Config::cgroups>("cgroups").always(),
      field<&Config::apparmor_profile>("apparmor_profile"),
      field<&Config::process_label>("process_label"),
      field<&Config::rlimits>("rlimits"),
      field<&Config::oom_score_adj>("oom_score_adj"),
      field<&Config::uid_mappings>("uid_mappings"),
      field<&Config::gid_mappings>("gid_mappings"),
      field<&Config::mask_paths>("mask_paths"),
      field<&Config::readonly_paths>("readonly_paths"),
      field<&Config::sysctl>("sysctl"),
      field<&Config::seccomp>("seccomp"),
      field<&Config::no_new_privileges>("no_new_privileges"),
      field<&Config::hooks>("Hooks").always(),
      field<&Config::hooks_stdout>("hooks_stdout"),
      field<&Config::hooks_stderr>("hooks_stderr"),
      field<&Config::version>("version").always(),
      field<&Config::labels>("labels").always(),
      field<&Config::no_new_keyring>("no_new_keyring").always(),
      field<&Config::keep_original_groups>("keep_original_groups"),
      field<&Config::pidfd_receiver>("pidfd_receiver"),
      field<&Config::systemd_cgroup_v1>("systemd_cgroup_v1"),
      field<&Config::intel_rdt>("intel_rdt"),
      field<&Config::memory_policy>("memory_policy"),
      field<&Config::rootless_euid>("rootless_euid"),
      field<&Config::rootless_cgroups>("rootless_cgroups"),
      field<&Config::time_offsets>("time_offsets"),
      field<&Config::scheduler>("scheduler"),
      field<&Config::personality>("personality"),
      field<&Config::io_priority>("io_priority"),
      field<&Config::exec_cpu_affinity>("exec_cpu_affinity"),
  };
  return kFields;
}

std::string to_json(const Config& config) {
  json::Writer writer;
  json::write(config, writer);
  return writer.take();
}

Result<Config> parse_config(std::string_view json_text) {
  auto document = json::parse(json_text);
  if (!document) return std::unexpected(oci::invalid("the configuration", std::move(document).error()));
  Config config;
  json::Report report;
  json::read(document->root(), config, report);
  if (!report.findings.empty()) return std::unexpected(oci::invalid("the configuration", std::move(report.findings)));
  return config;
}

}  // namespace cella::config
