// Group::stats.
#include <fcntl.h>

#include "base/result.h"
#include "cgroup/text.h"
#include "rdt/group.h"
#include "sys/file.h"

namespace cella::rdt {
namespace {

using cgroup::trim;

Result<std::string> text_of(const std::string& path) {
  return std::string(trim(TRY(sys::read_file(path.c_str()), "reading {}", path)));
}

Result<uint64_t> number_of(const std::string& path) {
  // Not every architecture has every file, and a counter may read "Unavailable" until it has a value.
  if (!sys::stat_at(sys::kCurrentDirectory, path.c_str())) return uint64_t{0};
  return cgroup::parse_number<uint64_t>(TRY(text_of(path))).value_or(0);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  cgroup::for_each_line(text, [&](std::string_view line) { lines.emplace_back(trim(line)); });
  return lines;
}

// The line of a resource whose name begins so ("L3", "MB"), or "".
std::string line_of(const std::vector<std::string>& lines, std::string_view resource) {
  for (const std::string& line : lines)
    if (line.starts_with(resource)) return line;
  return {};
}

Result<void> add_counters(const std::string& group, const Support& support, IntelRdtStats& stats) {
  std::string data = group + "/mon_data";
  sys::FileDescriptor directory = TRY(sys::open(data.c_str(), O_RDONLY | O_DIRECTORY), "opening {}", data);
  const bool bandwidth = support.mbm_total_bytes || support.mbm_local_bytes;
  if (bandwidth) stats.mbm_stats.emplace();
  if (support.llc_occupancy) stats.cmt_stats.emplace();
  for (const std::string& name : TRY(sys::list_directory(directory.get()), "reading {}", data)) {
    if (!name.starts_with("mon_L3_")) continue;
    std::string cache = fmt::format("{}/{}/", data, name);
    if (bandwidth) {
      MbmNumaNodeStats& one = stats.mbm_stats->emplace_back();
      if (support.mbm_total_bytes) one.mbm_total_bytes = TRY(number_of(cache + "mbm_total_bytes"));
      if (support.mbm_local_bytes) one.mbm_local_bytes = TRY(number_of(cache + "mbm_local_bytes"));
    }
    if (support.llc_occupancy) stats.cmt_stats->push_back({ TRY(number_of(cache + "llc_occupancy")) });
  }
  return {};
}

}  // namespace

Result<IntelRdtStats> Group::stats() const {
  const Support support = probe({root_});
  IntelRdtStats stats;
  const std::vector<std::string> root = lines_of(TRY(text_of(root_ + "/schemata")));
  stats.schemata = lines_of(TRY(text_of(path_ + "/schemata")));
  if (support.cache_allocation) {
    std::string info = root_ + "/info/" + (sys::read_file((root_ + "/info/L3/cbm_mask").c_str()) ? "L3/" : "L3CODE/");
    stats.l3_cache_info = L3CacheInfo {
      TRY(text_of(info + "cbm_mask"))
      , TRY(number_of(info + "min_cbm_bits"))
      , TRY(number_of(info + "num_closids"))
    };
    stats.l3_cache_schema_root = line_of(root, "L3");
    stats.l3_cache_schema = line_of(stats.schemata, "L3");
  }
  if (support.bandwidth_allocation) {
    std::string info = root_ + "/info/MB/";
    stats.mem_bw_info = MemBwInfo {
      TRY(number_of(info + "bandwidth_gran"))
      , TRY(number_of(info + "delay_linear"))
      , TRY(number_of(info + "min_bandwidth"))
      , TRY(number_of(info + "num_closids"))
    };
    stats.mem_bw_schema_root = line_of(root, "MB");
    stats.mem_bw_schema = line_of(stats.schemata, "MB");
  }
  if (support.llc_occupancy || support.mbm_total_bytes || support.mbm_local_bytes) {
    TRY(add_counters(monitor_path_.empty() ? path_ : monitor_path_, support, stats));
  }
  return stats;
}

}  // namespace cella::rdt
