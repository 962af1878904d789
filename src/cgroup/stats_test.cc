#include "cgroup/stats.h"

#include <gtest/gtest.h>

#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

TEST(TextTest, Limits) {
  EXPECT_EQ(parse_limit("12\n"), 12u);
  EXPECT_EQ(parse_limit("max\n"), UINT64_MAX);
  EXPECT_EQ(parse_limit("-1"), UINT64_MAX);
  EXPECT_EQ(parse_limit(""), 0u);
  EXPECT_EQ(find_key("low 0\noom 1\noom_kill 2\n", "oom_kill"), 2u);
  EXPECT_EQ(find_key("low 0\noom 1\n", "oo"), std::nullopt);
}

TEST(StatsTest, Psi) {
  auto psi = parse_psi(
      "some avg10=1.71 avg60=2.36 avg300=2.57 total=230548833\n"
      "full avg10=1.00 avg60=0 avg300=0 total=5\n");
  ASSERT_TRUE(psi);
  EXPECT_DOUBLE_EQ(psi->some.avg10, 1.71);
  EXPECT_DOUBLE_EQ(psi->some.avg300, 2.57);
  EXPECT_EQ(psi->some.total, 230548833u);
  EXPECT_EQ(psi->full.total, 5u);
  EXPECT_FALSE(parse_psi(""));
}

TEST(StatsTest, V1Blkio) {
  auto entries = parse_v1_blkio("8:0 Read 100\n8:16 7\nTotal 107\n");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].op, "Read");
  EXPECT_EQ(entries[0].value, 100u);
  EXPECT_EQ(entries[1].minor, 16u);
  EXPECT_EQ(entries[1].op, "");
  EXPECT_EQ(entries[1].value, 7u);
}

TEST(StatsTest, V2Io) {
  BlkioStats stats;
  parse_v2_io("254:1 rbytes=6901432320 wbytes=14245535744 rios=263278 wios=248603 dbytes=0 dios=0 cost.wait=4\n",
              stats);
  ASSERT_EQ(stats.io_service_bytes_recursive.size(), 2u);
  EXPECT_EQ(stats.io_service_bytes_recursive[1].op, "Write");
  EXPECT_EQ(stats.io_serviced_recursive[0].value, 263278u);
  ASSERT_EQ(stats.io_cost_wait.size(), 1u);
  EXPECT_EQ(stats.io_cost_wait[0].major, 254u);
}

TEST(StatsTest, Rdma) {
  auto entries = parse_rdma("mlx4_0 hca_handle=2 hca_object=max\nmlx4_1 hca_handle=0 hca_object=1\n");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].device, "mlx4_0");
  EXPECT_EQ(entries[0].hca_handles, 2u);
  EXPECT_EQ(entries[0].hca_objects, UINT32_MAX);
}

TEST(StatsTest, Lists) {
  EXPECT_EQ(parse_cpu_list("0-2,7\n"), (std::vector<uint16_t>{0, 1, 2, 7}));
  EXPECT_TRUE(parse_cpu_list("\n").empty());
  EXPECT_EQ(parse_cpu_list("65534-65535").size(), 2u);
  EXPECT_TRUE(parse_cpu_list("x").empty());
}

TEST(StatsTest, Numa) {
  MemoryStats stats;
  parse_numa("total=44611 N0=32631 N1=7501\nhierarchical_anon=5 N0=5\nnuma_locality 0 0\n", stats);
  EXPECT_EQ(stats.page_usage_by_numa.total.total, 44611u);
  EXPECT_EQ(stats.page_usage_by_numa.total.nodes[1], 7501u);
  EXPECT_EQ(stats.page_usage_by_numa_hierarchical.anon.nodes[0], 5u);
}

}  // namespace
}  // namespace cella::cgroup
