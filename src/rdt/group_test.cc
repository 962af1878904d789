#include "rdt/group.h"

#include <fmt/format.h>

#include "rdt/tree_testing.h"

namespace cella::rdt {
namespace {

class GroupTest : public TreeTest {
 protected:
  Group plan(const config::IntelRdt& config) {
    Result<Group> group = Group::plan(fs_, config, "web");
    EXPECT_TRUE(group) << group.error().text();
    return group ? std::move(*group) : Group::load({}, at("/none"), "", false);
  }
  std::string refusal(const config::IntelRdt& config, ErrorCode code = ErrorCode::kConfigInvalid) {
    Result<Group> group = Group::plan(fs_, config, "web");
    if (group) return "(none)";
    EXPECT_EQ(group.error().code, code);
    return group.error().text();
  }
};

config::IntelRdt clos(std::string id, std::string l3 = {}, std::string mb = {},
                      std::vector<std::string> schemata = {}) {
  return {std::move(id), std::move(l3), std::move(mb), std::move(schemata), false};
}
config::IntelRdt monitored(config::IntelRdt config) {
  config.enable_monitoring = true;
  return config;
}

TEST_F(GroupTest, WithoutAClosIdIsTheContainers) {
  Group group = plan(clos("", "L3:0=f"));
  EXPECT_EQ(group.path(), at("/web"));
  EXPECT_EQ(group.monitor_path(), "");
  EXPECT_EQ(group.to_make(), std::vector<std::string>{at("/web")});
  EXPECT_FALSE(exists("/web")) << "planning makes nothing";
  ASSERT_TRUE(group.make());
  EXPECT_TRUE(group.own());
  become_group("/web", "");
  ASSERT_TRUE(group.set(clos("", "L3:0=f")));
  EXPECT_EQ(content("/web/schemata"), "L3:0=f\n");
  ASSERT_TRUE(group.add(42));
  EXPECT_EQ(content("/web/tasks"), "42");
  empty("/web");
  ASSERT_TRUE(group.remove());
  EXPECT_FALSE(exists("/web"));
  EXPECT_TRUE(group.remove()) << "a missing one is success";
}

TEST_F(GroupTest, WithoutAClosIdTakesOneThatIsThereButDoesNotRemoveIt) {
  become_group("/web", "    L3:0=1\n");
  Group group = plan(clos("", "L3:0=f"));
  EXPECT_TRUE(group.to_make().empty());
  ASSERT_TRUE(group.make());
  EXPECT_FALSE(group.own());
  empty("/web");
  ASSERT_TRUE(group.remove());
  EXPECT_TRUE(exists("/web"));
}

TEST_F(GroupTest, WithoutSchemataWritesNone) {
  become_group("/web", "as it was\n");
  Group group = plan(clos(""));
  ASSERT_TRUE(group.set(clos("")));
  EXPECT_EQ(content("/web/schemata"), "as it was\n");
}

TEST_F(GroupTest, WithAClosIdThatIsNewIsMadeAndStays) {
  const config::IntelRdt config = clos("gold", "", "", {"L3:0=f"});
  Group group = plan(config);
  EXPECT_EQ(group.to_make(), std::vector<std::string>{at("/gold")});
  ASSERT_TRUE(group.make());
  EXPECT_FALSE(group.own());
  ASSERT_TRUE(Group::load(config, group.path(), "", group.own()).remove());
  EXPECT_TRUE(exists("/gold"));
}

TEST_F(GroupTest, WithAClosIdAloneMustBeThere) {
  EXPECT_EQ(refusal(clos("gold")), "linux.intelRdt.closID \"gold\" does not exist in " + fs_.root +
                                       ", and no schemata are given to make it with");
  become_group("/gold");
  EXPECT_TRUE(plan(clos("gold")).to_make().empty());
}

TEST_F(GroupTest, WithAClosIdThatIsThereMustHaveTheSameSchemata) {
  become_group("/gold", "    MB:0=20;1=70\n    L3:0=7f0;1=01f\n");
  EXPECT_TRUE(plan(clos("gold", "L3:1=1f;0=7f0", "MB:0=20;1=65")).to_make().empty());
  EXPECT_TRUE(plan(clos("gold", "", "", {"L3:0=1"})).to_make().empty()) << "schemata are written, not compared";
  EXPECT_EQ(refusal(clos("gold", "L3:0=7f1")),
            "linux.intelRdt.l3CacheSchema does not match the schemata of the existing " + at("/gold") +
                ": L3 of 0 is 7f0, not 7f1");
  EXPECT_EQ(refusal(clos("gold", "L3:0=7f0", "MB:0=30")),
            "linux.intelRdt.memBwSchema does not match the schemata of the existing " + at("/gold") +
                ": MB of 0 is 20, not 30");
  fs_.bandwidth_in_mbps = true;
  EXPECT_NE(refusal(clos("gold", "", "MB:1=65")), "(none)");
}

TEST_F(GroupTest, OfTheDefaultClassIsTheRoot) {
  Group group = plan(monitored(clos("/", "L3:0=7ff")));
  EXPECT_EQ(group.path(), fs_.root);
  EXPECT_EQ(group.monitor_path(), at("/mon_groups/web"));
  EXPECT_EQ(group.to_make(), std::vector<std::string>{at("/mon_groups/web")});
  EXPECT_FALSE(group.own());
  EXPECT_NE(refusal(clos("/", "L3:0=1")), "(none)");
}

TEST_F(GroupTest, ClosIdsThatLeadElsewhereAreRefused) {
  for (const char* id : {".", "..", "../x", "a/b", "/a", "//"}) {
    EXPECT_EQ(refusal(clos(id, "L3:0=f")),
              fmt::format("linux.intelRdt.closID \"{}\" is not the name of a directory", id));
  }
}

TEST_F(GroupTest, WhatTheMachineHasNotIsRefused) {
  empty("/info");
  ASSERT_TRUE(sys::remove_tree_at(sys::kCurrentDirectory, at("/mon_groups").c_str()));
  auto refused = [&](const config::IntelRdt& config) { return refusal(config, ErrorCode::kUnsupported); };
  EXPECT_EQ(refused(clos("", "L3:0=f")),
            "linux.intelRdt.l3CacheSchema is given, but " + fs_.root + " has no L3 cache allocation");
  EXPECT_EQ(refused(clos("", "", "MB:0=10")),
            "linux.intelRdt.memBwSchema is given, but " + fs_.root + " has no memory bandwidth allocation");
  EXPECT_EQ(refused(clos("", "", "", {"L2:0=f"})),
            "linux.intelRdt.schemata is given, but " + fs_.root + " has no resource to allocate");
  EXPECT_EQ(refused(monitored(clos(""))),
            "linux.intelRdt.enableMonitoring is given, but " + fs_.root + " has no monitoring groups");
}

TEST_F(GroupTest, SchemataAreWrittenLast) {
  become_group("/web", "");
  const config::IntelRdt config = clos("", "L3:0=7f0;1=1f", "MB:0=20", {"L2:0", "=f"});
  Group group = plan(config);
  ASSERT_TRUE(group.set(config));
  // Each is shorter than the one before and written over its beginning: an ordinary file keeps the ends.
  EXPECT_EQ(content("/web/schemata"), "L2:0\n=f\n;1=1f\n");
}

TEST_F(GroupTest, MonitoringIsTheContainersAlone) {
  become_group("/gold");
  const config::IntelRdt config = monitored(clos("gold"));
  Group group = plan(config);
  EXPECT_EQ(group.to_make(), std::vector<std::string>{at("/gold/mon_groups/web")});
  ASSERT_TRUE(group.make());
  ASSERT_TRUE(group.monitor());
  become_monitor("/gold/mon_groups/web");
  ASSERT_TRUE(group.add(42));
  EXPECT_EQ(content("/gold/tasks"), "42");
  EXPECT_EQ(content("/gold/mon_groups/web/tasks"), "42");
  Result<void> again = plan(config).monitor();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().errno_value, EEXIST);
  empty("/gold/mon_groups/web");
  ASSERT_TRUE(Group::load(config, group.path(), group.monitor_path(), group.own()).remove());
  EXPECT_FALSE(exists("/gold/mon_groups/web"));
  EXPECT_TRUE(exists("/gold"));
}

TEST_F(GroupTest, ErrorsTellWhatTheKernelSays) {
  become_group("/web");
  Group group = plan(clos(""));
  file("/info/last_cmd_status", "Need contiguous 1-bits\n");
  ASSERT_TRUE(sys::unlink_at(sys::kCurrentDirectory, at("/web/tasks").c_str()));
  directory("/web/tasks");
  Result<void> added = group.add(42);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().text(),
            "moving process 42 to the resctrl group " + at("/web") + ": Need contiguous 1-bits: is a directory");
  file("/info/last_cmd_status", "ok\n");
  EXPECT_EQ(group.add(42).error().text(), "moving process 42 to the resctrl group " + at("/web") + ": is a directory");
}

TEST_F(GroupTest, AFailedStartTakesBackWhatItMade) {
  Group group = plan(monitored(clos("", "L3:0=f")));
  EXPECT_EQ(group.to_make(), (std::vector<std::string>{at("/web"), at("/web/mon_groups/web")}));
  ASSERT_TRUE(group.make());
  directory("/web/mon_groups");  // all that become_group() makes would keep it from being removed
  ASSERT_TRUE(group.monitor());
  ASSERT_EQ(::rename(at("/web/mon_groups/web").c_str(), at("/kept").c_str()), 0);
  ASSERT_EQ(::rmdir(at("/web/mon_groups").c_str()), 0);
  ASSERT_TRUE(group.undo());
  EXPECT_FALSE(exists("/web"));
}

TEST_F(GroupTest, AFailedStartLeavesWhatItFound) {
  become_group("/gold");
  Group group = plan(clos("gold"));
  ASSERT_TRUE(group.make());
  empty("/gold");
  ASSERT_TRUE(group.undo());
  EXPECT_TRUE(exists("/gold"));
}

TEST_F(GroupTest, AJournalledGroupIsRemovedUnlessItIsInUse) {
  directory("/web");
  become_group("/gold");
  file("/gold/tasks", "7\n");
  ASSERT_TRUE(remove_unused({at("/gone"), at("/web"), at("/gold")}));
  EXPECT_FALSE(exists("/web"));
  EXPECT_TRUE(exists("/gold"));
}

TEST_F(GroupTest, ExistsUntilSomebodyRemovesIt) {
  become_group("/gold");
  Group group = Group::load(clos("gold"), at("/gold"), "", false);
  EXPECT_TRUE(group.exists());
  ASSERT_TRUE(sys::remove_tree_at(sys::kCurrentDirectory, at("/gold").c_str()));
  EXPECT_FALSE(group.exists());
}

}  // namespace
}  // namespace cella::rdt
