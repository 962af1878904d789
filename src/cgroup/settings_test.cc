#include "cgroup/settings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace cella::cgroup {
namespace {

// One line a setting, "file=value", with what is refused as "field: why".
std::vector<std::string> lines(const std::vector<Setting>& settings) {
  std::vector<std::string> result;
  for (const Setting& setting : settings) {
    result.push_back(setting.refusal.empty() ? fmt::format("{}={}", setting.file, setting.value)
                                             : fmt::format("{}: {}", setting.field, setting.refusal));
  }
  return result;
}
using Lines = std::vector<std::string>;

TEST(ConvertTest, SharesToWeightMeetsMinimumDefaultAndMaximum) {
  EXPECT_EQ(weight_from_shares(0), 0u);
  EXPECT_EQ(weight_from_shares(1), 1u);
  EXPECT_EQ(weight_from_shares(2), 1u);
  EXPECT_EQ(weight_from_shares(1024), 100u);
  EXPECT_EQ(weight_from_shares(262144), 10000u);
  EXPECT_EQ(weight_from_shares(UINT64_MAX), 10000u);
  uint64_t last = 0;
  for (uint64_t shares = 2; shares <= 262144; ++shares) {
    uint64_t weight = weight_from_shares(shares);
    ASSERT_GE(weight, last);
    ASSERT_LE(weight, 10000u);
    last = weight;
  }
}

TEST(ConvertTest, BlkioWeight) {
  EXPECT_EQ(io_weight_from_blkio(0), 0u);
  EXPECT_EQ(io_weight_from_blkio(10), 1u);
  EXPECT_EQ(io_weight_from_blkio(1000), 10000u);
}

TEST(ConvertTest, SwapIsWhatMemoryAndSwapHasMoreThanMemory) {
  EXPECT_EQ(swap_from_memory_swap(0, 0).value(), 0);
  EXPECT_EQ(swap_from_memory_swap(0, -1).value(), -1);
  EXPECT_EQ(swap_from_memory_swap(-1, 100).value(), -1);
  EXPECT_EQ(swap_from_memory_swap(50, -1).value(), 50);
  EXPECT_EQ(swap_from_memory_swap(300, 100).value(), 200);
  EXPECT_FALSE(swap_from_memory_swap(300, 0));
  EXPECT_FALSE(swap_from_memory_swap(300, -2));
  EXPECT_FALSE(swap_from_memory_swap(50, 100));
}

TEST(SettingsTest, NothingAskedForIsNothingWritten) {
  EXPECT_TRUE(v1_settings({}).empty());
  EXPECT_TRUE(v2_settings({}).empty());
  EXPECT_TRUE(unified_settings({}).empty());
}

config::Resources everything() {
  config::Resources r;
  r.memory = 1000;
  r.memory_swap = 3000;
  r.memory_reservation = 500;
  r.cpu_shares = 1024;
  r.cpu_quota = 5000;
  r.cpu_period = 10000;
  r.cpu_burst = 100;
  r.cpu_idle = 0;
  r.cpuset_cpus = "0-1";
  r.cpuset_mems = "0";
  r.pids_limit = 0;
  r.blkio_weight = 100;
  r.blkio_weight_device = {{8, 0, 200, {}}};
  r.blkio_throttle_read_bps_device = {{8, 0, 1}};
  r.blkio_throttle_write_bps_device = {{8, 0, 2}};
  r.blkio_throttle_read_iops_device = {{8, 0, 3}};
  r.blkio_throttle_write_iops_device = {{8, 0, 0}};
  r.hugetlb_limit = {{"2MB", 4096}};
  r.rdma["mlx5_1"] = {3, 10000};
  return r;
}

TEST(SettingsTest, V1) {
  config::Resources r = everything();
  r.memory_swappiness = 60;
  r.kernel_memory_tcp = 400;
  r.oom_kill_disable = true;
  r.cpu_rt_period = 1000;
  r.cpu_rt_runtime = 900;
  r.net_cls_classid = 7;
  r.net_prio_ifpriomap = {{"eth0", 5}};
  r.blkio_leaf_weight = 300;
  EXPECT_EQ(lines(v1_settings(r)), (Lines{"cpuset.cpus=0-1",
                                          "cpuset.mems=0",
                                          "memory.limit_in_bytes=1000",
                                          "memory.memsw.limit_in_bytes=3000",
                                          "memory.soft_limit_in_bytes=500",
                                          "memory.kmem.tcp.limit_in_bytes=400",
                                          "memory.oom_control=1",
                                          "memory.swappiness=60",
                                          "cpu.rt_period_us=1000",
                                          "cpu.rt_runtime_us=900",
                                          "cpu.idle=0",
                                          "cpu.shares=1024",
                                          "cpu.cfs_period_us=10000",
                                          "cpu.cfs_burst_us=100",
                                          "cpu.cfs_quota_us=5000",
                                          "pids.max=1",
                                          "blkio.weight=100",
                                          "blkio.leaf_weight=300",
                                          "blkio.weight_device=8:0 200",
                                          "blkio.throttle.read_bps_device=8:0 1",
                                          "blkio.throttle.write_bps_device=8:0 2",
                                          "blkio.throttle.read_iops_device=8:0 3",
                                          "blkio.throttle.write_iops_device=8:0 0",
                                          "hugetlb.2MB.limit_in_bytes=4096",
                                          "hugetlb.2MB.rsvd.limit_in_bytes=4096",
                                          "net_cls.classid=7",
                                          "net_prio.ifpriomap=eth0 5",
                                          "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"}));
}

TEST(SettingsTest, V2) {
  EXPECT_EQ(lines(v2_settings(everything())),
            (Lines{"pids.max=1", "memory.swap.max=2000", "memory.max=1000", "memory.low=500", "io.bfq.weight=100",
                   "io.bfq.weight=8:0 200", "io.max=8:0 rbps=1", "io.max=8:0 wbps=2", "io.max=8:0 riops=3",
                   "io.max=8:0 wiops=max", "cpu.idle=0", "cpu.weight=100", "cpu.max.burst=100", "cpu.max=5000 10000",
                   "cpuset.cpus=0-1", "cpuset.mems=0", "hugetlb.2MB.max=4096", "hugetlb.2MB.rsvd.max=4096",
                   "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"}));
  EXPECT_EQ(v2_settings(everything())[4].other_value, fmt::format("{}", io_weight_from_blkio(100)));
}

TEST(SettingsTest, AnIdleGroupHasNoShares) {
  config::Resources r;
  r.cpu_shares = 512;
  r.cpu_idle = 1;
  EXPECT_EQ(lines(v1_settings(r)), Lines{"cpu.idle=1"});
  EXPECT_EQ(lines(v2_settings(r)), Lines{"cpu.idle=1"});
}

TEST(SettingsTest, V2UnlimitedIsMax) {
  config::Resources r;
  r.memory = -1;
  r.pids_limit = -1;
  r.cpu_quota = -1;
  EXPECT_EQ(lines(v2_settings(r)),
            (Lines{"pids.max=max", "memory.swap.max=max", "memory.max=max", "cpu.max=max 100000"}));
}

TEST(SettingsTest, V2EqualMemoryAndSwapForbidsSwap) {
  config::Resources r;
  r.memory = 100;
  r.memory_swap = 100;
  EXPECT_EQ(lines(v2_settings(r)), (Lines{"memory.swap.max=0", "memory.max=100"}));
}

TEST(SettingsTest, WhatV2DoesNotHaveIsRefusedNotDropped) {
  config::Resources r;
  r.cpu_rt_runtime = 1;
  r.oom_kill_disable = true;
  r.memory_swappiness = 5;
  r.kernel_memory_tcp = 1;
  r.net_cls_classid = 1;
  for (const Setting& setting : v2_settings(r)) EXPECT_FALSE(setting.refusal.empty()) << setting.field;
  EXPECT_EQ(v2_settings(r).size(), 5u);
  r = {};
  r.kernel_memory_tcp = -1;  // which is how things are
  EXPECT_TRUE(v2_settings(r).empty());
}

TEST(SettingsTest, SwappinessHasARange) {
  config::Resources r;
  r.memory_swappiness = 101;
  EXPECT_EQ(lines(v1_settings(r)),
            (Lines{"memory.swappiness: invalid memory swappiness value: 101 (valid range is 0-100)"}));
}

TEST(SettingsTest, UnifiedKeysAreFileNamesAndWrittenLineByLine) {
  config::Resources r;
  r.unified = {{"io.max", "8:0 rbps=1\n8:16 rbps=2\n"}, {"cgroup.max.depth", "3"}};
  std::vector<Setting> settings = unified_settings(r);
  EXPECT_EQ(lines(settings), (Lines{"cgroup.max.depth=3", "io.max=8:0 rbps=1", "io.max=8:16 rbps=2"}));
  EXPECT_EQ(settings[0].controller, "");
  EXPECT_EQ(settings[1].controller, "io");
  r.unified = {{"../x.y", "1"}};
  EXPECT_FALSE(unified_settings(r)[0].refusal.empty());
  r.unified = {{"nodot", "1"}};
  EXPECT_FALSE(unified_settings(r)[0].refusal.empty());
}

}  // namespace
}  // namespace cella::cgroup
