#include "container/intel_rdt.h"

#include "rdt/tree_testing.h"

namespace cella::container {
namespace {

config::State state_of(const std::string& clos_id, const std::string& path) {
  config::State state;
  state.config.intel_rdt.emplace().clos_id = clos_id;
  state.intel_rdt_path = path;
  return state;
}

TEST(PlanRdtGroup, IsNoneWhereNoneIsAskedFor) {
  Result<std::optional<rdt::Group>> group = plan_rdt_group({}, "web");
  ASSERT_TRUE(group);
  EXPECT_FALSE(*group);
}

TEST(PlanRdtGroup, NeedsResctrl) {
  Result<std::optional<rdt::Filesystem>> mounted = rdt::detect();
  ASSERT_TRUE(mounted);
  if (*mounted) GTEST_SKIP() << "resctrl is mounted here: what is tested is its absence";
  config::Config config;
  config.intel_rdt.emplace();
  Result<std::optional<rdt::Group>> group = plan_rdt_group(config, "web");
  ASSERT_FALSE(group);
  EXPECT_EQ(group.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(group.error().text(), "linux.intelRdt needs a mounted resctrl filesystem, and there is none");
}

TEST(RdtGroup, ComesBackFromTheState) {
  EXPECT_FALSE(rdt_group(config::State()));
  EXPECT_FALSE(rdt_group(state_of("gold", ""))) << "made by a runtime that knows no resctrl";
  for (bool own : {true, false}) {
    config::State state = state_of("", "");
    keep_rdt_group(rdt::Group::load(*state.config.intel_rdt, "/r/web", "/r/web/mon_groups/web", own), state);
    EXPECT_EQ(state.intel_rdt_path, "/r/web");
    EXPECT_EQ(state.intel_rdt_mon_path, "/r/web/mon_groups/web");
    config::State read = *config::parse_state(config::to_json(state));
    std::optional<rdt::Group> group = rdt_group(read);
    ASSERT_TRUE(group);
    EXPECT_EQ(group->path(), "/r/web");
    EXPECT_EQ(group->monitor_path(), "/r/web/mon_groups/web");
    EXPECT_EQ(group->own(), own);
  }
}

TEST(RdtGroup, OfRuncsContainerIsItsOwnWithoutAClosId) {
  EXPECT_TRUE(rdt_group(state_of("", "/r/web"))->own());
  EXPECT_FALSE(rdt_group(state_of("gold", "/r/gold"))->own());
}

class RdtChangeTest : public rdt::TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    become_group("/web", "as it was\n");
    state_ = state_of("", at("/web"));
    state_.config.intel_rdt->schemata = {"L2:0=f"};
    state_.config.intel_rdt->mem_bw_schema = "MB:0=70";
    wanted_ = *state_.config.intel_rdt;
  }
  config::State state_;
  config::IntelRdt wanted_;
};

TEST_F(RdtChangeTest, WritesWhatIsOtherwise) {
  ASSERT_TRUE(RdtChange::make(state_, wanted_));
  EXPECT_EQ(content("/web/schemata"), "as it was\n");
  wanted_.l3_cache_schema = "L3:0=7ff;1=7ff";
  Result<RdtChange> change = RdtChange::make(state_, wanted_);
  ASSERT_TRUE(change) << change.error().text();
  EXPECT_EQ(content("/web/schemata"), "L3:0=7ff;1=7ff\n");
  file("/web/schemata", "");
  change->undo();
  EXPECT_EQ(content("/web/schemata"), "as it was\n");
}

TEST_F(RdtChangeTest, SaysWhatTheKernelRefuses) {
  ASSERT_TRUE(sys::remove_tree_at(sys::kCurrentDirectory, at("/web").c_str()));
  wanted_.mem_bw_schema = "MB:0=20";
  Result<RdtChange> change = RdtChange::make(state_, wanted_);
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error().errno_value, ENOENT);
}

TEST_F(RdtChangeTest, LeavesTheGroupTheContainers) {
  auto refusal = [&](const std::optional<config::IntelRdt>& wanted) {
    Result<RdtChange> change = RdtChange::make(state_, wanted);
    return change ? std::string() : change.error().text();
  };
  EXPECT_EQ(refusal(std::nullopt), "linux.intelRdt: a container cannot be taken out of its resctrl group later");
  config::IntelRdt other = wanted_;
  other.clos_id = "gold";
  EXPECT_EQ(refusal(other), "linux.intelRdt: closID and enableMonitoring cannot be changed later");
  other = wanted_;
  other.enable_monitoring = true;
  EXPECT_EQ(refusal(other), "linux.intelRdt: closID and enableMonitoring cannot be changed later");
  state_.config.intel_rdt.reset();
  EXPECT_EQ(refusal(wanted_), "linux.intelRdt: a container cannot be put in a resctrl group later");
  EXPECT_EQ(content("/web/schemata"), "as it was\n");
}

}  // namespace
}  // namespace cella::container
