#include "cgroup/stats.h"

#include <fcntl.h>

#include <cerrno>

#include "base/result.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

constexpr uint64_t kNanosecondsPerTick = 1000000000 / 100;  // USER_HZ is 100 on every architecture of ours

// The file's text, "" when there is none: counters are optional, by kernel and by configuration.
Result<std::string> text_of(Group& group, const std::string& file) {
  SysResult<std::string> text = group.read(file.c_str());
  if (text) return *std::move(text);
  int error = text.error().value;
  // PSI says EOPNOTSUPP when it is switched off on the kernel's command line.
  if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP) return std::string();
  return base::fail_errno(error, "reading {}", file);
}

Result<uint64_t> number_of(Group& group, const std::string& file) {
  return parse_limit(TRY(text_of(group, file)));
}

std::vector<uint64_t> numbers_of(std::string_view text) {
  std::vector<uint64_t> result;
  for (std::string_view rest = trim(text); !rest.empty();) {
    if (auto value = parse_number<uint64_t>(take_until(rest, ' '))) result.push_back(*value);
  }
  return result;
}

Result<void> add_cpu(Group& group, CpuStats& stats) {
  std::string text = TRY(text_of(group, "cpu.stat"));
  stats.throttling_data.periods = find_key(text, "nr_periods").value_or(0);
  stats.throttling_data.throttled_periods = find_key(text, "nr_throttled").value_or(0);
  stats.throttling_data.throttled_time = find_key(text, "throttled_time").value_or(0);
  stats.burst_data.bursts_periods = find_key(text, "nr_bursts").value_or(0);
  stats.burst_data.burst_time = find_key(text, "burst_time").value_or(0);
  return {};
}

Result<void> add_cpuacct(Group& group, CpuUsage& usage) {
  std::string text = TRY(text_of(group, "cpuacct.stat"));
  usage.usage_in_usermode = find_key(text, "user").value_or(0) * kNanosecondsPerTick;
  usage.usage_in_kernelmode = find_key(text, "system").value_or(0) * kNanosecondsPerTick;
  usage.total_usage = TRY(number_of(group, "cpuacct.usage"));
  usage.percpu_usage = numbers_of(TRY(text_of(group, "cpuacct.usage_percpu")));
  std::string all = TRY(text_of(group, "cpuacct.usage_all"));
  std::string_view rest = all;
  take_until(rest, '\n');  // "cpu user system"
  for_each_line(rest, [&](std::string_view line) {
    std::vector<uint64_t> columns = numbers_of(line);
    if (columns.size() < 3) return;
    usage.percpu_usage_in_usermode.push_back(columns[1]);
    usage.percpu_usage_in_kernelmode.push_back(columns[2]);
  });
  return {};
}

Result<void> add_cpuset(Group& group, CpusetStats& stats) {
  stats.cpus = parse_cpu_list(TRY(text_of(group, "cpuset.cpus")));
  stats.mems = parse_cpu_list(TRY(text_of(group, "cpuset.mems")));
  stats.cpu_exclusive = TRY(number_of(group, "cpuset.cpu_exclusive"));
  stats.mem_hardwall = TRY(number_of(group, "cpuset.mem_hardwall"));
  stats.mem_exclusive = TRY(number_of(group, "cpuset.mem_exclusive"));
  stats.memory_migrate = TRY(number_of(group, "cpuset.memory_migrate"));
  stats.memory_spread_page = TRY(number_of(group, "cpuset.memory_spread_page"));
  stats.memory_spread_slab = TRY(number_of(group, "cpuset.memory_spread_slab"));
  stats.memory_pressure = TRY(number_of(group, "cpuset.memory_pressure"));
  stats.sched_load_balance = TRY(number_of(group, "cpuset.sched_load_balance"));
  stats.sched_relax_domain_level =
      parse_number<int64_t>(trim(TRY(text_of(group, "cpuset.sched_relax_domain_level")))).value_or(0);
  return {};
}

Result<MemoryData> v1_memory_data(Group& group, const std::string& prefix) {
  MemoryData data;
  data.usage = TRY(number_of(group, prefix + ".usage_in_bytes"));
  data.max_usage = TRY(number_of(group, prefix + ".max_usage_in_bytes"));
  data.failcnt = TRY(number_of(group, prefix + ".failcnt"));
  data.limit = TRY(number_of(group, prefix + ".limit_in_bytes"));
  return data;
}

void add_memory_stat(std::string_view text, MemoryStats& stats) {
  for_each_line(text, [&](std::string_view line) {
    std::string_view key = take_until(line, ' ');
    if (auto value = parse_number<uint64_t>(line)) stats.stats.emplace(key, *value);
  });
}

uint64_t stat_of(const MemoryStats& stats, const char* key) {
  auto entry = stats.stats.find(key);
  return entry == stats.stats.end() ? 0 : entry->second;
}

Result<void> add_v1_memory(Group& group, MemoryStats& stats) {
  add_memory_stat(TRY(text_of(group, "memory.stat")), stats);
  stats.cache = stat_of(stats, "cache");
  stats.usage = TRY(v1_memory_data(group, "memory"));
  stats.swap_usage = TRY(v1_memory_data(group, "memory.memsw"));
  // The two are read one after the other: memory freed between them is not negative swap.
  auto difference = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  stats.swap_only_usage.usage = difference(stats.swap_usage.usage, stats.usage.usage);
  stats.swap_only_usage.failcnt = difference(stats.swap_usage.failcnt, stats.usage.failcnt);
  stats.kernel_usage = TRY(v1_memory_data(group, "memory.kmem"));
  stats.kernel_tcp_usage = TRY(v1_memory_data(group, "memory.kmem.tcp"));
  stats.use_hierarchy = TRY(number_of(group, "memory.use_hierarchy"))
  == 1;
  parse_numa(TRY(text_of(group, "memory.numa_stat")), stats);
  return {};
}

Result<void> add_pids(Group& group, PidsStats& stats) {
  std::string current = TRY(text_of(group, "pids.current"));
  if (current.empty()) return {};
  stats.current = parse_limit(current);
  uint64_t limit = TRY(number_of(group, "pids.max"));
  stats.limit = limit == UINT64_MAX ? 0 : limit;
  return {};
}

// The schedulers' files by preference; the first of a row that exists and has lines decides for the row.
Result<void> add_v1_blkio(Group& group, BlkioStats& stats) {
  struct Row {
    const char* name;
    std::vector<BlkioEntry> BlkioStats::* list;
  };
  static constexpr Row kRows[] = {
      {"io_service_bytes", &BlkioStats::io_service_bytes_recursive},
      {"io_serviced", &BlkioStats::io_serviced_recursive},
      {"io_queued", &BlkioStats::io_queue_recursive},
      {"io_service_time", &BlkioStats::io_service_time_recursive},
      {"io_wait_time", &BlkioStats::io_wait_time_recursive},
      {"io_merged", &BlkioStats::io_merged_recursive},
      {"time", &BlkioStats::io_time_recursive},
      {"sectors", &BlkioStats::sectors_recursive},
  };
  for (const Row& row : kRows) {
    for (const char* pattern :
         {"blkio.bfq.{}_recursive", "blkio.{}_recursive", "blkio.throttle.{}_recursive", "blkio.throttle.{}"}) {
      std::string file = fmt::format(fmt::runtime(pattern), row.name);
      (stats.*row.list) = parse_v1_blkio(TRY(text_of(group, file)));
      if (!(stats.*row.list).empty()) break;
    }
  }
  return {};
}

// The sizes are those of the hugetlb.SIZE.… files that are there.
Result<std::vector<std::string>> huge_page_sizes(Group& group, std::string_view suffix) {
  std::vector<std::string> sizes;
  sys::FileDescriptor directory = TRY(group.open(".", O_RDONLY | O_DIRECTORY), "opening {}", group.path());
  for (const std::string& name : TRY(sys::list_directory(directory.get()), "listing {}", group.path())) {
    std::string_view rest = name;
    if (take_until(rest, '.') != "hugetlb") continue;
    std::string_view size = take_until(rest, '.');
    if (rest == suffix) sizes.emplace_back(size);
  }
  return sizes;
}

Result<void> add_hugetlb(Group& group, CgroupStats& stats, bool v2) {
  for (const std::string& size : TRY(huge_page_sizes(group, v2 ? "current" : "usage_in_bytes"))) {
    std::string prefix = "hugetlb." + size;
    HugetlbStats entry;
    if (v2) {
      std::string reserved = TRY(text_of(group, prefix + ".rsvd.current"));
      entry.usage = reserved.empty() ? TRY(number_of(group, prefix + ".current")) : parse_limit(reserved);
      entry.failcnt = find_key(TRY(text_of(group, prefix + ".events")), "max").value_or(0);
    } else {
      std::string reserved = TRY(text_of(group, prefix + ".rsvd.usage_in_bytes"));
      if (!reserved.empty()) prefix += ".rsvd";
      entry.usage = TRY(number_of(group, prefix + ".usage_in_bytes"));
      entry.max_usage = TRY(number_of(group, prefix + ".max_usage_in_bytes"));
      entry.failcnt = TRY(number_of(group, prefix + ".failcnt"));
    }
    stats.hugetlb_stats[size] = entry;
  }
  return {};
}

Result<void> add_rdma(Group& group, RdmaStats& stats) {
  stats.rdma_current = parse_rdma(TRY(text_of(group, "rdma.current")));
  stats.rdma_limit = parse_rdma(TRY(text_of(group, "rdma.max")));
  return {};
}

Result<void> add_misc(Group& group, std::map<std::string, MiscStats>& stats) {
  std::string current = TRY(text_of(group, "misc.current"));
  std::string events = TRY(text_of(group, "misc.events"));
  for_each_line(current, [&](std::string_view line) {
    std::string key(take_until(line, ' '));
    stats[key].usage = parse_limit(line);
  });
  for_each_line(events, [&](std::string_view line) {
    std::string_view key = take_until(line, ' ');
    if (key.ends_with(".max")) key.remove_suffix(4);
    stats[std::string(key)].events = parse_limit(line);
  });
  return {};
}

Result<void> add_v2_cpu(Group& group, CpuStats& stats) {
  std::string text = TRY(text_of(group, "cpu.stat"));
  auto nanoseconds = [&](const char* key) { return find_key(text, key).value_or(0) * 1000; };
  stats.cpu_usage.total_usage = nanoseconds("usage_usec");
  stats.cpu_usage.usage_in_usermode = nanoseconds("user_usec");
  stats.cpu_usage.usage_in_kernelmode = nanoseconds("system_usec");
  stats.throttling_data.periods = find_key(text, "nr_periods").value_or(0);
  stats.throttling_data.throttled_periods = find_key(text, "nr_throttled").value_or(0);
  stats.throttling_data.throttled_time = nanoseconds("throttled_usec");
  stats.burst_data.bursts_periods = find_key(text, "nr_bursts").value_or(0);
  stats.burst_data.burst_time = nanoseconds("burst_usec");
  return {};
}

Result<MemoryData> v2_memory_data(Group& group, const std::string& prefix) {
  MemoryData data;
  data.usage = TRY(number_of(group, prefix + ".current"));
  data.max_usage = TRY(number_of(group, prefix + ".peak"));
  data.limit = TRY(number_of(group, prefix + ".max"));
  return data;
}

Result<void> add_v2_memory(Group& group, MemoryStats& stats) {
  std::string text = TRY(text_of(group, "memory.stat"));
  stats.use_hierarchy = true;
  if (text.empty()) return {};
  add_memory_stat(text, stats);
  stats.cache = stat_of(stats, "file");
  stats.usage = TRY(v2_memory_data(group, "memory"));
  stats.swap_only_usage = TRY(v2_memory_data(group, "memory.swap"));
  // libcontainer's swap_usage is v1's: memory and swap together, whose peak nobody counts.
  stats.swap_usage.usage = stats.swap_only_usage.usage + stats.usage.usage;
  bool unlimited = stats.swap_only_usage.limit == UINT64_MAX || stats.usage.limit == UINT64_MAX;
  stats.swap_usage.limit = unlimited ? UINT64_MAX : stats.swap_only_usage.limit + stats.usage.limit;
  return {};
}

Result<void> add_v2_pids(Group& group, PidsStats& stats) {
  TRY(add_pids(group, stats));
  if (stats.current == 0) stats.current = TRY(group.processes(false))
  .size();
  return {};
}

}  // namespace

Result<void> add_v1_stats(Group& group, CgroupStats& stats) {
  if (group.has("cpu")) TRY(add_cpu(group, stats.cpu_stats));
  if (group.has("cpuacct")) TRY(add_cpuacct(group, stats.cpu_stats.cpu_usage));
  if (group.has("cpuset")) TRY(add_cpuset(group, stats.cpuset_stats));
  if (group.has("memory")) TRY(add_v1_memory(group, stats.memory_stats));
  if (group.has("pids")) TRY(add_pids(group, stats.pids_stats));
  if (group.has("blkio")) TRY(add_v1_blkio(group, stats.blkio_stats));
  if (group.has("hugetlb")) TRY(add_hugetlb(group, stats, false));
  if (group.has("rdma")) TRY(add_rdma(group, stats.rdma_stats));
  if (group.has("misc")) TRY(add_misc(group, stats.misc_stats));
  return {};
}

Result<void> add_v2_stats(Group& group, CgroupStats& stats, bool hybrid) {
  stats.cpu_stats.psi = parse_psi(TRY(text_of(group, "cpu.pressure")));
  stats.memory_stats.psi = parse_psi(TRY(text_of(group, "memory.pressure")));
  stats.blkio_stats.psi = parse_psi(TRY(text_of(group, "io.pressure")));
  TRY(add_hugetlb(group, stats, true));
  TRY(add_misc(group, stats.misc_stats));
  if (hybrid) return {};
  TRY(add_v2_cpu(group, stats.cpu_stats));
  TRY(add_v2_memory(group, stats.memory_stats));
  TRY(add_v2_pids(group, stats.pids_stats));
  parse_v2_io(TRY(text_of(group, "io.stat")), stats.blkio_stats);
  TRY(add_rdma(group, stats.rdma_stats));
  return {};
}

}  // namespace cella::cgroup
