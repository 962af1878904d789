// Container::stats, and what it gives as JSON.
#include <cella/container.h>

#include "base/result.h"
#include "cgroup/text.h"
#include "container/container_impl.h"
#include "container/control.h"
#include "container/intel_rdt.h"
#include "json/schema.h"
#include "sys/file.h"

namespace cella {

using json::Field;
using json::field;
using json::field_as;
using json::Type;

namespace {

// What the host's end of a veth pair has sent is what the container has received.
Result<NetworkInterface> interface_stats(const std::string& name) {
  struct Counter {
    const char* file;
    uint64_t NetworkInterface::* value;
  };
  static constexpr Counter kCounters[] = {
      {"tx_bytes", &NetworkInterface::rx_bytes},   {"tx_packets", &NetworkInterface::rx_packets},
      {"tx_errors", &NetworkInterface::rx_errors}, {"tx_dropped", &NetworkInterface::rx_dropped},
      {"rx_bytes", &NetworkInterface::tx_bytes},   {"rx_packets", &NetworkInterface::tx_packets},
      {"rx_errors", &NetworkInterface::tx_errors}, {"rx_dropped", &NetworkInterface::tx_dropped},
  };
  NetworkInterface result;
  result.name = name;
  for (const Counter& counter : kCounters) {
    std::string file = fmt::format("/sys/class/net/{}/statistics/{}", name, counter.file);
    result.*counter.value = cgroup::parse_limit(TRY(sys::read_file(file.c_str()), "reading {}", file));
  }
  return result;
}

// A Go slice without elements that is not left out: null.
template <typename T>
struct NullWhenEmpty : json::Codec<std::vector<T>> {
  static void write(const std::vector<T>& list, json::Writer& writer) {
    if (list.empty()) return writer.null();
    json::write(list, writer);
  }
};

}  // namespace

// --- the keys of runc's types/events.go, in its order

std::span<const Field<PsiData>> fields_of(Type<PsiData>) {
  static constexpr Field<PsiData> kFields[] = {
      field<&PsiData::avg10>("avg10").always(),
      field<&PsiData::avg60>("avg60").always(),
      field<&PsiData::avg300>("avg300").always(),
      field<&PsiData::total>("total").always(),
  };
  return kFields;
}
std::span<const Field<PsiStats>> fields_of(Type<PsiStats>) {
  static constexpr Field<PsiStats> kFields[] = {
      field<&PsiStats::some>("some"),
      field<&PsiStats::full>("full"),
  };
  return kFields;
}
std::span<const Field<CpuUsage>> fields_of(Type<CpuUsage>) {
  static constexpr Field<CpuUsage> kFields[] = {
      field<&CpuUsage::total_usage>("total"),
      field<&CpuUsage::percpu_usage>("percpu"),
      field<&CpuUsage::percpu_usage_in_kernelmode>("percpu_kernel"),
      field<&CpuUsage::percpu_usage_in_usermode>("percpu_user"),
      field<&CpuUsage::usage_in_kernelmode>("kernel").always(),
      field<&CpuUsage::usage_in_usermode>("user").always(),
  };
  return kFields;
}
std::span<const Field<ThrottlingData>> fields_of(Type<ThrottlingData>) {
  static constexpr Field<ThrottlingData> kFields[] = {
      field<&ThrottlingData::periods>("periods"),
      field<&ThrottlingData::throttled_periods>("throttledPeriods"),
      field<&ThrottlingData::throttled_time>("throttledTime"),
  };
  return kFields;
}
std::span<const Field<CpuStats>> fields_of(Type<CpuStats>) {
  static constexpr Field<CpuStats> kFields[] = {
      field<&CpuStats::cpu_usage>("usage"),
      field<&CpuStats::throttling_data>("throttling"),
      field<&CpuStats::psi>("psi"),
  };
  return kFields;
}
std::span<const Field<CpusetStats>> fields_of(Type<CpusetStats>) {
  static constexpr Field<CpusetStats> kFields[] = {
      field<&CpusetStats::cpus>("cpus"),
      field<&CpusetStats::cpu_exclusive>("cpu_exclusive").always(),
      field<&CpusetStats::mems>("mems"),
      field<&CpusetStats::mem_hardwall>("mem_hardwall").always(),
      field<&CpusetStats::mem_exclusive>("mem_exclusive").always(),
      field<&CpusetStats::memory_migrate>("memory_migrate").always(),
      field<&CpusetStats::memory_spread_page>("memory_spread_page").always(),
      field<&CpusetStats::memory_spread_slab>("memory_spread_slab").always(),
      field<&CpusetStats::memory_pressure>("memory_pressure").always(),
      field<&CpusetStats::sched_load_balance>("sched_load_balance").always(),
      field<&CpusetStats::sched_relax_domain_level>("sched_relax_domain_level").always(),
  };
  return kFields;
}
std::span<const Field<MemoryData>> fields_of(Type<MemoryData>) {
  static constexpr Field<MemoryData> kFields[] = {
      field<&MemoryData::limit>("limit").always(),
      field<&MemoryData::usage>("usage"),
      field<&MemoryData::max_usage>("max"),
      field<&MemoryData::failcnt>("failcnt").always(),
  };
  return kFields;
}
std::span<const Field<MemoryStats>> fields_of(Type<MemoryStats>) {
  static constexpr Field<MemoryStats> kFields[] = {
      field<&MemoryStats::cache>("cache"),
      field<&MemoryStats::usage>("usage"),
      field<&MemoryStats::swap_usage>("swap"),
      field<&MemoryStats::kernel_usage>("kernel"),
      field<&MemoryStats::kernel_tcp_usage>("kernelTCP"),
      field<&MemoryStats::stats>("raw"),
      field<&MemoryStats::psi>("psi"),
  };
  return kFields;
}
std::span<const Field<PidsStats>> fields_of(Type<PidsStats>) {
  static constexpr Field<PidsStats> kFields[] = {
      field<&PidsStats::current>("current"),
      field<&PidsStats::limit>("limit"),
  };
  return kFields;
}
std::span<const Field<BlkioEntry>> fields_of(Type<BlkioEntry>) {
  static constexpr Field<BlkioEntry> kFields[] = {
      field<&BlkioEntry::major>("major"),
      field<&BlkioEntry::minor>("minor"),
      field<&BlkioEntry::op>("op"),
      field<&BlkioEntry::value>("value"),
  };
  return kFields;
}
std::span<const Field<BlkioStats>> fields_of(Type<BlkioStats>) {
  static constexpr Field<BlkioStats> kFields[] = {
      field<&BlkioStats::io_service_bytes_recursive>("ioServiceBytesRecursive"),
      field<&BlkioStats::io_serviced_recursive>("ioServicedRecursive"),
      field<&BlkioStats::io_queue_recursive>("ioQueueRecursive"),
      field<&BlkioStats::io_service_time_recursive>("ioServiceTimeRecursive"),
      field<&BlkioStats::io_wait_time_recursive>("ioWaitTimeRecursive"),
      field<&BlkioStats::io_merged_recursive>("ioMergedRecursive"),
      field<&BlkioStats::io_time_recursive>("ioTimeRecursive"),
      field<&BlkioStats::sectors_recursive>("sectorsRecursive"),
      field<&BlkioStats::psi>("psi"),
  };
  return kFields;
}
std::span<const Field<HugetlbStats>> fields_of(Type<HugetlbStats>) {
  static constexpr Field<HugetlbStats> kFields[] = {
      field<&HugetlbStats::usage>("usage"),
      field<&HugetlbStats::max_usage>("max"),
      field<&HugetlbStats::failcnt>("failcnt").always(),
  };
  return kFields;
}
std::span<const Field<L3CacheInfo>> fields_of(Type<L3CacheInfo>) {
  static constexpr Field<L3CacheInfo> kFields[] = {
      field<&L3CacheInfo::cbm_mask>("cbm_mask"),
      field<&L3CacheInfo::min_cbm_bits>("min_cbm_bits"),
      field<&L3CacheInfo::num_closids>("num_closids"),
  };
  return kFields;
}
std::span<const Field<MemBwInfo>> fields_of(Type<MemBwInfo>) {
  static constexpr Field<MemBwInfo> kFields[] = {
      field<&MemBwInfo::bandwidth_gran>("bandwidth_gran"),
      field<&MemBwInfo::delay_linear>("delay_linear"),
      field<&MemBwInfo::min_bandwidth>("min_bandwidth"),
      field<&MemBwInfo::num_closids>("num_closids"),
  };
  return kFields;
}
std::span<const Field<MbmNumaNodeStats>> fields_of(Type<MbmNumaNodeStats>) {
  static constexpr Field<MbmNumaNodeStats> kFields[] = {
      field<&MbmNumaNodeStats::mbm_total_bytes>("mbm_total_bytes").always(),
      field<&MbmNumaNodeStats::mbm_local_bytes>("mbm_local_bytes").always(),
  };
  return kFields;
}
std::span<const Field<CmtNumaNodeStats>> fields_of(Type<CmtNumaNodeStats>) {
  static constexpr Field<CmtNumaNodeStats> kFields[] = {
      field<&CmtNumaNodeStats::llc_occupancy>("llc_occupancy").always(),
  };
  return kFields;
}
std::span<const Field<IntelRdtStats>> fields_of(Type<IntelRdtStats>) {
  static constexpr Field<IntelRdtStats> kFields[] = {
      field<&IntelRdtStats::l3_cache_info>("l3_cache_info"),
      field<&IntelRdtStats::l3_cache_schema_root>("l3_cache_schema_root"),
      field<&IntelRdtStats::l3_cache_schema>("l3_cache_schema"),
      field<&IntelRdtStats::mem_bw_info>("mem_bw_info"),
      field<&IntelRdtStats::mem_bw_schema_root>("mem_bw_schema_root"),
      field<&IntelRdtStats::mem_bw_schema>("mem_bw_schema"),
      field<&IntelRdtStats::schemata>("schemata"),
      field<&IntelRdtStats::mbm_stats>("mbm_stats"),
      field<&IntelRdtStats::cmt_stats>("cmt_stats"),
  };
  return kFields;
}
std::span<const Field<NetworkInterface>> fields_of(Type<NetworkInterface>) {
  static constexpr Field<NetworkInterface> kFields[] = {
      field<&NetworkInterface::name>("Name").always(),
      field<&NetworkInterface::rx_bytes>("RxBytes").always(),
      field<&NetworkInterface::rx_packets>("RxPackets").always(),
      field<&NetworkInterface::rx_errors>("RxErrors").always(),
      field<&NetworkInterface::rx_dropped>("RxDropped").always(),
      field<&NetworkInterface::tx_bytes>("TxBytes").always(),
      field<&NetworkInterface::tx_packets>("TxPackets").always(),
      field<&NetworkInterface::tx_errors>("TxErrors").always(),
      field<&NetworkInterface::tx_dropped>("TxDropped").always(),
  };
  return kFields;
}
std::span<const Field<Stats>> fields_of(Type<Stats>) {
  static constexpr Field<Stats> kFields[] = {
      field<&Stats::cgroup_stats, &CgroupStats::cpu_stats>("cpu"),
      field<&Stats::cgroup_stats, &CgroupStats::cpuset_stats>("cpuset"),
      field<&Stats::cgroup_stats, &CgroupStats::memory_stats>("memory"),
      field<&Stats::cgroup_stats, &CgroupStats::pids_stats>("pids"),
      field<&Stats::cgroup_stats, &CgroupStats::blkio_stats>("blkio"),
      field<&Stats::cgroup_stats, &CgroupStats::hugetlb_stats>("hugetlb").always(),
      field<&Stats::intel_rdt_stats>("intel_rdt"),
      field<&Stats::sandbox>("sandbox"),
      field_as<NullWhenEmpty<NetworkInterface>, &Stats::interfaces>("network_interfaces").always(),
  };
  return kFields;
}

std::string to_json(const Stats& stats) {
  json::Writer writer;
  json::write(stats, writer);
  return writer.take();
}

Result<Stats> Container::stats() const {
  if (!impl_->init_is_alive()) return base::fail(ErrorCode::kContainerNotRunning, "container not running");
  Stats stats;
  cgroup::Manager cgroups = impl_->cgroups();
  stats.cgroup_stats = TRY(cgroups.stats(), "reading the statistics of container {}", id());
  if (std::optional<rdt::Group> group = container::rdt_group(*impl_->state)) {
    stats.intel_rdt_stats = TRY(group->stats(), "reading the statistics of container {}", id());
  }
  // What the guest's kernel counts is what its programs are; the host's has their helpers among them.
  if (is_sandbox() && TRY(status()) == Status::kRunning) {
    const std::string answer = TRY(container::call_control(*impl_, sandbox::boot::kApplicationEvent),
                                   "reading the statistics of container {}", id());
    stats.sandbox = TRY(sandbox::boot::result_of<sandbox::Event>(answer))
    .data;
    stats.cgroup_stats.pids_stats.current = stats.sandbox->processes;
    const std::optional<int64_t> limit = impl_->config.cgroups.resources.pids_limit;
    stats.cgroup_stats.pids_stats.limit = limit && *limit > 0 ? static_cast<uint64_t>(*limit) : 0;
  }
  for (const config::Network& network : impl_->config.networks) {
    if (network.type == "veth") stats.interfaces.push_back(TRY(interface_stats(network.host_interface_name)));
  }
  return stats;
}

}  // namespace cella
