#include <cella/stats.h>

#include <gtest/gtest.h>

namespace cella {
namespace {

// What runc writes where nothing was counted: the keys that Go does not leave out.
constexpr char kEmpty[] =
    R"({"cpu":{"usage":{"kernel":0,"user":0},"throttling":{}},)"
    R"("cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,)"
    R"("memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},)"
    R"("memory":{"usage":{"limit":0,"failcnt":0},"swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},)"
    R"("kernelTCP":{"limit":0,"failcnt":0}},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},)"
    R"("network_interfaces":null})";

TEST(StatsJson, NothingCounted) {
  EXPECT_EQ(to_json(Stats()), kEmpty);
}

TEST(StatsJson, Values) {
  Stats stats;
  CgroupStats& cgroup = stats.cgroup_stats;
  cgroup.cpu_stats.cpu_usage.percpu_usage = {1, 2};
  cgroup.cpu_stats.psi = PsiStats{.some = {.avg10 = 1.5, .avg60 = 0, .avg300 = 0, .total = 7}, .full = {}};
  cgroup.memory_stats.usage.limit = UINT64_MAX;
  cgroup.memory_stats.stats["rss"] = 3;
  cgroup.blkio_stats.io_queue_recursive = {{8, 0, "Read", 4}};
  cgroup.hugetlb_stats["2MB"].max_usage = 5;
  stats.interfaces.emplace_back().name = "veth0";
  const std::string json = to_json(stats);
  for (const char* part :
       {R"("percpu":[1,2])", R"("psi":{"some":{"avg10":1.5,"avg60":0,"avg300":0,"total":7},"full":{)",
        R"("usage":{"limit":18446744073709551615,"failcnt":0})", R"("raw":{"rss":3})",
        R"("ioQueueRecursive":[{"major":8,"op":"Read","value":4}])", R"("hugetlb":{"2MB":{"max":5,"failcnt":0}})",
        R"("network_interfaces":[{"Name":"veth0","RxBytes":0,)"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
  }
}

TEST(StatsJson, IntelRdt) {
  Stats stats;
  IntelRdtStats& rdt = stats.intel_rdt_stats;
  rdt.l3_cache_info = L3CacheInfo{"7ff", 1, 16};
  rdt.l3_cache_schema = "L3:0=f";
  rdt.mem_bw_info = MemBwInfo{10, 1, 10, 8};
  rdt.schemata = {"L3:0=f"};
  rdt.mbm_stats = std::vector<MbmNumaNodeStats>{{5, 0}};
  rdt.cmt_stats.emplace();
  const std::string json = to_json(stats);
  EXPECT_NE(json.find(R"("intel_rdt":{"l3_cache_info":{"cbm_mask":"7ff","min_cbm_bits":1,"num_closids":16},)"
                      R"("l3_cache_schema":"L3:0=f","mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,)"
                      R"("min_bandwidth":10,"num_closids":8},"schemata":["L3:0=f"],)"
                      R"("mbm_stats":[{"mbm_total_bytes":5,"mbm_local_bytes":0}],"cmt_stats":[]})"),
            std::string::npos)
      << json;
}

}  // namespace
}  // namespace cella
