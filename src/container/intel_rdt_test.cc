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

class ChangeTest : public rdt::TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    become_group("/web", "");
    state_ = state_of("", at("/web"));
  }
  static config::IntelRdt with_bandwidth() {
    config::IntelRdt wanted;
    wanted.mem_bw_schema = std::string("MB:0=20");
    return wanted;
  }
  config::State state_;
};

TEST_F(ChangeTest, WritesWhatIsGiven) {
  ASSERT_TRUE(change_rdt_group(state_, with_bandwidth()));
  EXPECT_EQ(content("/web/schemata"), "MB:0=20\n");
}

TEST_F(ChangeTest, SaysWhatTheKernelRefuses) {
  ASSERT_TRUE(sys::remove_tree_at(sys::kCurrentDirectory, at("/web").c_str()));
  Result<void> changed = change_rdt_group(state_, with_bandwidth());
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().errno_value, ENOENT);
}

TEST_F(ChangeTest, NeedsAGroup) {
  Result<void> changed = change_rdt_group(config::State(), with_bandwidth());
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace cella::container
