#include "rdt/group.h"
#include "rdt/tree_testing.h"

namespace cella::rdt {
namespace {

using StatsTest = TreeTest;

TEST_F(StatsTest, AreOfTheMonitoringGroup) {
  become_group("/gold", "    MB:0=20;1=70\n    L3:0=7f0;1=1f\n");
  become_monitor("/gold/mon_groups/web");
  file("/gold/mon_groups/web/mon_data/mon_L3_01/llc_occupancy", "77\n");
  directory("/gold/mon_groups/web/mon_data/mon_PERF_PKG_00");
  Group group = Group::load({}, at("/gold"), at("/gold/mon_groups/web"), false);
  Result<IntelRdtStats> stats = group.stats();
  ASSERT_TRUE(stats) << stats.error().text();
  ASSERT_TRUE(stats->l3_cache_info && stats->mem_bw_info && stats->mbm_stats && stats->cmt_stats);
  EXPECT_EQ(stats->l3_cache_info->cbm_mask, "7ff");
  EXPECT_EQ(stats->l3_cache_info->min_cbm_bits, 1u);
  EXPECT_EQ(stats->l3_cache_info->num_closids, 16u);
  EXPECT_EQ(stats->mem_bw_info->bandwidth_gran, 10u);
  EXPECT_EQ(stats->mem_bw_info->delay_linear, 1u);
  EXPECT_EQ(stats->mem_bw_info->min_bandwidth, 10u);
  EXPECT_EQ(stats->mem_bw_info->num_closids, 8u);
  EXPECT_EQ(stats->l3_cache_schema_root, "L3:0=7ff;1=7ff");
  EXPECT_EQ(stats->l3_cache_schema, "L3:0=7f0;1=1f");
  EXPECT_EQ(stats->mem_bw_schema_root, "MB:0=100;1=100");
  EXPECT_EQ(stats->mem_bw_schema, "MB:0=20;1=70");
  EXPECT_EQ(stats->schemata, (std::vector<std::string>{"MB:0=20;1=70", "L3:0=7f0;1=1f"}));
  ASSERT_EQ(stats->cmt_stats->size(), 2u);
  EXPECT_EQ((*stats->cmt_stats)[0].llc_occupancy, 4096u);
  EXPECT_EQ((*stats->cmt_stats)[1].llc_occupancy, 77u);
  ASSERT_EQ(stats->mbm_stats->size(), 2u);
  EXPECT_EQ((*stats->mbm_stats)[1].mbm_total_bytes, 1000u);
  EXPECT_EQ((*stats->mbm_stats)[1].mbm_local_bytes, 0u) << "not counted yet";
}

TEST_F(StatsTest, LeaveOutWhatTheMachineHasNot) {
  empty("/info");
  config::IntelRdt config;
  config.clos_id = "/";
  Result<IntelRdtStats> stats = Group::load(config, fs_.root, "", false).stats();
  ASSERT_TRUE(stats) << stats.error().text();
  EXPECT_FALSE(stats->l3_cache_info || stats->mem_bw_info || stats->mbm_stats || stats->cmt_stats);
  EXPECT_EQ(stats->schemata.size(), 2u);
}

TEST_F(StatsTest, OfAGroupThatIsGoneAreAnError) {
  Result<IntelRdtStats> stats = Group::load({}, at("/gone"), "", false).stats();
  ASSERT_FALSE(stats);
  EXPECT_EQ(stats.error().errno_value, ENOENT);
}

}  // namespace
}  // namespace cella::rdt
