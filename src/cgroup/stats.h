// What the kernel counts for a container: libcontainer's cgroups.Stats, in its names and units.
//
// Plain data; the JSON is written elsewhere. Times are nanoseconds, sizes bytes; no limit is UINT64_MAX, but 0 for pids
// (as libcontainer has it). What the host does not count is 0 or empty.
//
// Cost: two to thirty small reads for each of the controllers; PSI comes from the v2 tree on hybrid hosts too.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroup/group.h"

namespace cella::cgroup {

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

struct Stats {
  CpuStats cpu_stats;
  CpusetStats cpuset_stats;
  MemoryStats memory_stats;
  PidsStats pids_stats;
  BlkioStats blkio_stats;
  std::map<std::string, HugetlbStats> hugetlb_stats;  // "2MB" → …
  RdmaStats rdma_stats;
  std::map<std::string, MiscStats> misc_stats;
};

// Add one group's counters. v1: of the group's controllers. v2: of what is there; on a hybrid host that is PSI and what
// the v2 tree has controllers for. Missing files are left out, other errors of the kernel are not hidden.
Result<void> add_v1_stats(Group& group, Stats& stats);
Result<void> add_v2_stats(Group& group, Stats& stats, bool hybrid);

// The pure parts, for both layouts and for tests.
std::optional<PsiStats> parse_psi(std::string_view text);
std::vector<BlkioEntry> parse_v1_blkio(std::string_view text);
void parse_v2_io(std::string_view text, BlkioStats& stats);
std::vector<RdmaEntry> parse_rdma(std::string_view text);
std::vector<uint16_t> parse_cpu_list(std::string_view text);  // "0-3,7"
void parse_numa(std::string_view text, MemoryStats& stats);

}  // namespace cella::cgroup
