// What the kernel counts for a container: libcontainer's Stats, in its names and units.
//
// Plain data. Times are nanoseconds but for PSI's, sizes bytes; no limit is UINT64_MAX, but 0 for pids (as libcontainer
// has it). What the host does not count is 0 or empty.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <cella/sandbox.h>

namespace cella {

// Pressure stall information, the kernel's Documentation/accounting/psi.rst.
struct PsiData {
  double avg10 = 0, avg60 = 0, avg300 = 0;  // percent
  uint64_t total = 0;                       // microseconds
};
struct PsiStats {
  PsiData some, full;
};

struct CpuUsage {
  uint64_t total_usage = 0;
  std::vector<uint64_t> percpu_usage, percpu_usage_in_kernelmode, percpu_usage_in_usermode;
  uint64_t usage_in_kernelmode = 0, usage_in_usermode = 0;
};
struct ThrottlingData {
  uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;
};
struct BurstData {
  uint64_t bursts_periods = 0, burst_time = 0;
};
struct CpuStats {
  CpuUsage cpu_usage;
  ThrottlingData throttling_data;
  BurstData burst_data;
  std::optional<PsiStats> psi;
};

struct CpusetStats {
  std::vector<uint16_t> cpus, mems;
  uint64_t cpu_exclusive = 0, mem_hardwall = 0, mem_exclusive = 0, memory_migrate = 0, memory_spread_page = 0,
           memory_spread_slab = 0, memory_pressure = 0, sched_load_balance = 0;
  int64_t sched_relax_domain_level = 0;
};

struct MemoryData {
  uint64_t usage = 0, max_usage = 0, failcnt = 0, limit = 0;
};
struct PageStats {
  uint64_t total = 0;
  std::map<uint8_t, uint64_t> nodes;
};
struct PageUsage {
  PageStats total, file, anon, unevictable;
};
struct MemoryStats {
  uint64_t cache = 0;
  MemoryData usage, swap_usage, swap_only_usage, kernel_usage, kernel_tcp_usage;
  PageUsage page_usage_by_numa, page_usage_by_numa_hierarchical;
  bool use_hierarchy = false;
  std::map<std::string, uint64_t> stats;  // memory.stat
  std::optional<PsiStats> psi;
};

struct PidsStats {
  uint64_t current = 0, limit = 0;
};

struct BlkioEntry {
  uint64_t major = 0, minor = 0;
  std::string op;
  uint64_t value = 0;
};
struct BlkioStats {
  std::vector<BlkioEntry> io_service_bytes_recursive, io_serviced_recursive, io_queue_recursive,
      io_service_time_recursive, io_wait_time_recursive, io_merged_recursive, io_time_recursive, sectors_recursive;
  std::vector<BlkioEntry> io_cost_usage, io_cost_wait, io_cost_indebt, io_cost_indelay;
  std::optional<PsiStats> psi;
};

struct HugetlbStats {
  uint64_t usage = 0, max_usage = 0, failcnt = 0;
};
struct RdmaEntry {
  std::string device;
  uint32_t hca_handles = 0, hca_objects = 0;  // UINT32_MAX: no limit
};
struct RdmaStats {
  std::vector<RdmaEntry> rdma_limit, rdma_current;
};
struct MiscStats {
  uint64_t usage = 0, events = 0;
};

// Of the control groups: libcontainer's cgroups.Stats.
struct CgroupStats {
  CpuStats cpu_stats;
  CpusetStats cpuset_stats;
  MemoryStats memory_stats;
  PidsStats pids_stats;
  BlkioStats blkio_stats;
  std::map<std::string, HugetlbStats> hugetlb_stats;  // "2MB" → …
  RdmaStats rdma_stats;
  std::map<std::string, MiscStats> misc_stats;
};

// Of a veth pair whose other end is in the container, from the container's side: what it has received and sent.
struct NetworkInterface {
  std::string name;  // of the host's end
  uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

// What resctrl says of the container's group: libcontainer's intelrdt.Stats, in its names. What this machine does not
// have is absent.
struct L3CacheInfo {
  std::string cbm_mask;  // hexadecimal: the ways of the cache
  uint64_t min_cbm_bits = 0, num_closids = 0;
};
struct MemBwInfo {
  uint64_t bandwidth_gran = 0, delay_linear = 0, min_bandwidth = 0, num_closids = 0;
};
// One for each L3 cache, in the order of their ids. A value that the kernel has not counted yet is 0. Bytes.
struct MbmNumaNodeStats {
  uint64_t mbm_total_bytes = 0, mbm_local_bytes = 0;
};
struct CmtNumaNodeStats {
  uint64_t llc_occupancy = 0;
};
struct IntelRdtStats {
  std::optional<L3CacheInfo> l3_cache_info;
  std::string l3_cache_schema_root, l3_cache_schema;  // of the default group, and of the container's
  std::optional<MemBwInfo> mem_bw_info;
  std::string mem_bw_schema_root, mem_bw_schema;
  std::vector<std::string> schemata;  // every line of the container's group
  // Of the container's monitoring group; without one, of the whole group that it is in.
  std::optional<std::vector<MbmNumaNodeStats>> mbm_stats;
  std::optional<std::vector<CmtNumaNodeStats>> cmt_stats;
};

struct Stats {
  CgroupStats cgroup_stats;
  IntelRdtStats intel_rdt_stats;             // empty without linux.intelRdt
  std::optional<sandbox::Stats> sandbox;     // what the kernel of a sandboxed container counts
  std::vector<NetworkInterface> interfaces;  // of Config::networks of type "veth"
};
// As the `data` of `runc events` (its types/events.go): one line, without a newline.
std::string to_json(const Stats& stats);

}  // namespace cella
