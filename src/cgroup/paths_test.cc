#include "cgroup/paths.h"

#include <gtest/gtest.h>

namespace cella::cgroup {
namespace {

Layout hybrid() {
  Layout layout;
  layout.kind = Layout::kHybrid;
  layout.hierarchies = {{"cpu,cpuacct", {"cpu", "cpuacct"}, "/sys/fs/cgroup/cpu,cpuacct", "/", "/"},
                        {"memory", {"memory"}, "/sys/fs/cgroup/memory", "/", "/own"},
                        {"name=systemd", {"name=systemd"}, "/sys/fs/cgroup/systemd", "/", "/"},
                        {"", {""}, "/sys/fs/cgroup/unified", "/", "/"}};
  return layout;
}

Layout pure_v2(std::string own) {
  Layout layout;
  layout.kind = Layout::kV2;
  layout.hierarchies = {{"", {""}, "/sys/fs/cgroup", "/", own}};
  return layout;
}

TEST(PathsTest, AbsoluteIsBelowTheMountPointAndRelativeBelowTheOwnCgroup) {
  config::Cgroup cgroup;
  cgroup.path = "/pods//./a/";
  Result<Paths> paths = container_paths(hybrid(), cgroup, "id");
  ASSERT_TRUE(paths) << paths.error().text();
  EXPECT_EQ(*paths, (Paths{{"cpu", "/sys/fs/cgroup/cpu,cpuacct/pods/a"},
                           {"cpuacct", "/sys/fs/cgroup/cpu,cpuacct/pods/a"},
                           {"memory", "/sys/fs/cgroup/memory/pods/a"},
                           {"name=systemd", "/sys/fs/cgroup/systemd/pods/a"},
                           {"", "/sys/fs/cgroup/unified/pods/a"}}));
  cgroup.path = "pods/a";
  paths = container_paths(hybrid(), cgroup, "id");
  ASSERT_TRUE(paths);
  EXPECT_EQ(paths->at("cpu"), "/sys/fs/cgroup/cpu,cpuacct/pods/a");
  EXPECT_EQ(paths->at("memory"), "/sys/fs/cgroup/memory/own/pods/a");
}

TEST(PathsTest, RelativeOnV2IsBesideTheOwnCgroup) {
  config::Cgroup cgroup;
  EXPECT_EQ(container_paths(pure_v2("/user.slice/s.scope"), cgroup, "c1")->at(""), "/sys/fs/cgroup/user.slice/c1");
  EXPECT_EQ(container_paths(pure_v2("/"), cgroup, "c1")->at(""), "/sys/fs/cgroup/c1");
}

TEST(PathsTest, ParentAndNameAreJoinedAndTheIdIsTheLastResort) {
  config::Cgroup cgroup;
  cgroup.parent = "/p";
  EXPECT_EQ(container_paths(pure_v2("/"), cgroup, "c1")->at(""), "/sys/fs/cgroup/p/c1");
  cgroup.name = "n";
  EXPECT_EQ(container_paths(pure_v2("/"), cgroup, "c1")->at(""), "/sys/fs/cgroup/p/n");
  cgroup.path = "/x";
  EXPECT_FALSE(container_paths(pure_v2("/"), cgroup, "c1"));
}

TEST(PathsTest, DotDotIsRefused) {
  for (const char* path : {"..", "/..", "a/../b", "/a/..", "../../etc"}) {
    config::Cgroup cgroup;
    cgroup.path = path;
    Result<Paths> paths = container_paths(hybrid(), cgroup, "id");
    ASSERT_FALSE(paths) << path;
    EXPECT_EQ(paths.error().code, ErrorCode::kConfigInvalid);
    cgroup = {};
    cgroup.paths[""] = std::string("/sys/fs/cgroup/") + path;
    EXPECT_FALSE(container_paths(hybrid(), cgroup, "id")) << path;
  }
  config::Cgroup cgroup;
  cgroup.path = "a..b/..c";
  EXPECT_TRUE(container_paths(hybrid(), cgroup, "id"));
}

TEST(PathsTest, TheRootCgroupAndControlCharactersAreRefused) {
  for (std::string path :
       {std::string("/"), std::string("/./"), std::string("a\nb"), std::string("a\0b", 3), std::string(300, 'x')}) {
    config::Cgroup cgroup;
    cgroup.path = path;
    EXPECT_FALSE(container_paths(hybrid(), cgroup, "id")) << path;
  }
}

TEST(PathsTest, TheSystemdDriverSaysThatItIsNotThere) {
  config::Cgroup cgroup;
  cgroup.systemd = true;
  Result<Paths> paths = container_paths(hybrid(), cgroup, "id");
  ASSERT_FALSE(paths);
  EXPECT_EQ(paths.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(paths.error().text(), "the systemd cgroup driver is not built yet");
}

TEST(MountEntriesTest, V1HasADirectoryAHierarchyAndLinksForWhatIsMountedTogether) {
  Layout layout = hybrid();
  config::Cgroup cgroup;
  cgroup.path = "/c";
  std::vector<MountEntry> entries = mount_entries(layout, *container_paths(layout, cgroup, "id"));
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].name, "cpu,cpuacct");
  EXPECT_EQ(entries[0].options, "cpu,cpuacct");
  EXPECT_EQ(entries[0].path, "/sys/fs/cgroup/cpu,cpuacct/c");
  EXPECT_EQ(entries[0].aliases, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_TRUE(entries[1].aliases.empty());
  EXPECT_EQ(entries[2].name, "systemd");
  EXPECT_EQ(entries[2].options, "none,name=systemd");
  EXPECT_EQ(entries[3].name, "unified");
  EXPECT_TRUE(entries[3].v2);
}

TEST(MountEntriesTest, V2IsOneAndMissingGroupsAreLeftOut) {
  std::vector<MountEntry> entries = mount_entries(pure_v2("/"), {{"", "/sys/fs/cgroup/c"}});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "");
  EXPECT_EQ(entries[0].path, "/sys/fs/cgroup/c");
  EXPECT_TRUE(mount_entries(hybrid(), {}).empty());
}

}  // namespace
}  // namespace cella::cgroup
