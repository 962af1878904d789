#include "config/resources.h"

#include <gtest/gtest.h>

#include "oci/parse.h"

namespace cella::config {
namespace {

Resources changes_of(const char* json) {
  auto parsed = oci::parse_resources(json);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed ? convert_resources(*parsed) : Resources();
}

// What a container has that was created with these resources.
Resources created_with(const char* json) {
  Resources resources = changes_of(json);
  for (const Device& rule : default_allowed_devices()) resources.devices.push_back(rule);
  return resources;
}

TEST(Resources, AChangeKeepsWhatIsAbsent) {
  Resources resources;
  resources.memory = 5;
  resources.cpu_shares = 6;
  resources.cpuset_cpus = "0-1";
  resources.unified["pids.max"] = "9";
  merge_resources(changes_of(R"({"memory":{"limit":7,"kernelTCP":8},"unified":{"memory.high":"1"}})"), resources);
  EXPECT_EQ(resources.memory, 7);
  EXPECT_EQ(resources.kernel_memory_tcp, 8);
  EXPECT_EQ(resources.cpu_shares, 6u);
  EXPECT_EQ(resources.cpuset_cpus, "0-1");
  EXPECT_EQ(resources.unified.at("memory.high"), "1");
  EXPECT_EQ(resources.unified.at("pids.max"), "9");
}

TEST(Resources, ZeroIsNotSetButWhereItIsAValue) {
  Resources resources;
  resources.memory = 5;
  resources.cpu_period = 6;
  resources.cpu_burst = 7;
  resources.pids_limit = 8;
  resources.memory_check_before_update = true;
  merge_resources(changes_of(R"({"memory":{"limit":0,"checkBeforeUpdate":false},"cpu":{"period":0,"burst":0},
                                 "pids":{"limit":0}})"),
                  resources);
  EXPECT_EQ(resources.memory, 5);
  EXPECT_EQ(resources.cpu_period, 6u);
  EXPECT_EQ(resources.cpu_burst, 0u);
  EXPECT_EQ(resources.pids_limit, 0);
  EXPECT_EQ(resources.memory_check_before_update, false);
}

TEST(Resources, UnlimitedMemoryForgetsTheSwapLimit) {
  Resources resources;
  resources.memory = 5;
  resources.memory_swap = 6;
  merge_resources(changes_of(R"({"memory":{"limit":-1}})"), resources);
  EXPECT_EQ(resources.memory, -1);
  EXPECT_EQ(resources.memory_swap, std::nullopt);
  merge_resources(changes_of(R"({"memory":{"limit":7,"swap":8}})"), resources);
  EXPECT_EQ(resources.memory_swap, 8);
}

TEST(Resources, EntriesOfListsAreChangedOneByOne) {
  Resources resources = changes_of(R"({"blockIO":{
      "weightDevice":[{"major":8,"minor":0,"weight":100,"leafWeight":50}],
      "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1},{"major":8,"minor":16,"rate":2}]},
    "hugepageLimits":[{"pageSize":"2MB","limit":4}],
    "network":{"priorities":[{"name":"eth0","priority":1}]}})");
  merge_resources(changes_of(R"({"blockIO":{
      "weightDevice":[{"major":8,"minor":0,"weight":200},{"major":9,"minor":0,"weight":300}],
      "throttleReadBpsDevice":[{"major":8,"minor":16,"rate":0}]},
    "hugepageLimits":[{"pageSize":"1GB","limit":5}],
    "network":{"priorities":[{"name":"eth0","priority":2}]}})"),
                  resources);
  ASSERT_EQ(resources.blkio_weight_device.size(), 2u);
  EXPECT_EQ(resources.blkio_weight_device[0].weight, 200);
  EXPECT_EQ(resources.blkio_weight_device[0].leaf_weight, 50);
  EXPECT_EQ(resources.blkio_weight_device[1].major, 9);
  ASSERT_EQ(resources.blkio_throttle_read_bps_device.size(), 2u);
  EXPECT_EQ(resources.blkio_throttle_read_bps_device[0].rate, 1u);
  EXPECT_EQ(resources.blkio_throttle_read_bps_device[1].rate, 0u);
  EXPECT_EQ(resources.hugetlb_limit.size(), 2u);
  ASSERT_EQ(resources.net_prio_ifpriomap.size(), 1u);
  EXPECT_EQ(resources.net_prio_ifpriomap[0].priority, 2);
}

// containerd sends all the resources of the config with every update: that changes no rule.
TEST(Resources, TheSameDeviceRulesAreNoChange) {
  const char* rules =
      R"({"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"access":"r"}]})";
  const Resources before = created_with(rules);
  Resources after = before;
  merge_resources(changes_of(rules), after);
  EXPECT_TRUE(same_rules(before.devices, after.devices));
  merge_resources(changes_of(R"({"devices":[{"allow":false,"access":"rwm"}]})"), after);
  EXPECT_FALSE(same_rules(before.devices, after.devices));
  EXPECT_EQ(after.devices.size(), before.devices.size() - 1) << "the common ones stay";
}

TEST(Resources, CommonDeviceRulesThatTheContainerLacksAreNotAdded) {
  Resources resources = changes_of(R"({"devices":[{"allow":true,"access":"rwm"}]})");
  merge_resources(changes_of(R"({"devices":[{"allow":false,"access":"rwm"}]})"), resources);
  EXPECT_EQ(resources.devices.size(), 1u);
}

}  // namespace
}  // namespace cella::config
