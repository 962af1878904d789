// What resctrl says about a container's group: libcontainer's intelrdt.Stats, in its names. Plain data; the JSON is
// written elsewhere. What this machine does not have is absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cella::rdt {

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

struct Stats {
  std::optional<L3CacheInfo> l3_cache_info;
  std::string l3_cache_schema_root, l3_cache_schema;  // of the default group, and of the container's
  std::optional<MemBwInfo> mem_bw_info;
  std::string mem_bw_schema_root, mem_bw_schema;
  std::vector<std::string> schemata;  // every line of the container's group
  // Of the container's monitoring group; without one, of the whole group that it is in.
  std::optional<std::vector<MbmNumaNodeStats>> mbm_stats;
  std::optional<std::vector<CmtNumaNodeStats>> cmt_stats;
};

}  // namespace cella::rdt
