#include "cgroup/layout.h"

#include <gtest/gtest.h>

namespace cella::cgroup {
namespace {

constexpr const char* kHybridMounts =
    "23 1 0:21 / /sys rw - sysfs sysfs rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "60 1 8:1 / /mnt/with\\040space rw - ext4 /dev/sda1 rw\n";
constexpr const char* kHybridOwn = "9:name=systemd:/init\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/u\n";

TEST(LayoutTest, HybridHasEveryHierarchyOnceAndTheUnifiedOneLast) {
  Layout layout = parse_layout(kHybridMounts, kHybridOwn);
  EXPECT_EQ(layout.kind, Layout::kHybrid);
  ASSERT_EQ(layout.hierarchies.size(), 4u);
  EXPECT_TRUE(layout.hierarchies.back().v2());
  EXPECT_EQ(layout.find("")->mount_point, "/sys/fs/cgroup/unified");
  const Hierarchy* cpu = layout.find("cpuacct");
  ASSERT_NE(cpu, nullptr);
  EXPECT_EQ(cpu, layout.find("cpu"));
  EXPECT_EQ(cpu->name, "cpu,cpuacct");
  EXPECT_EQ(cpu->own_directory(), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(layout.find("memory")->own_directory(), "/sys/fs/cgroup/memory/a/b");
  EXPECT_EQ(layout.find("name=systemd")->own_directory(), "/sys/fs/cgroup/systemd/init");
  EXPECT_EQ(layout.find("devices"), nullptr);
}

TEST(LayoutTest, OnlyV1IsV1AndOnlyV2IsV2AndNothingIsNone) {
  EXPECT_EQ(parse_layout("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup c rw,cpu\n", "1:cpu:/\n0::/\n").kind,
            Layout::kV1);
  EXPECT_EQ(parse_layout("32 31 0:29 / /sys/fs/cgroup rw - cgroup2 c rw\n", "0::/\n").kind, Layout::kV2);
  EXPECT_EQ(parse_layout("", "0::/\n").kind, Layout::kNone);
  EXPECT_EQ(parse_layout("garbage - cgroup\n\n - cgroup", "x\n:\n").kind, Layout::kNone);
}

TEST(LayoutTest, MountsBelowAnotherMountDoNotCount) {
  std::string mounts =
      "20 1 0:20 / /sys rw - sysfs sysfs rw\n"
      "31 20 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "50 31 0:40 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  Layout layout = parse_layout(mounts, "1:cpu:/\n0::/x\n");
  EXPECT_EQ(layout.kind, Layout::kV2);
  EXPECT_EQ(layout.find("")->own_directory(), "/sys/fs/cgroup/x");
}

TEST(LayoutTest, TheMountBelowSysFsCgroupIsPreferred) {
  std::string mounts =
      "30 1 0:29 /docker /var/lib/x/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
  EXPECT_EQ(parse_layout(mounts, "1:cpu:/\n").find("cpu")->mount_point, "/sys/fs/cgroup/cpu");
}

TEST(LayoutTest, TheMountRootOfANestedContainerIsTakenOff) {
  Layout layout =
      parse_layout("32 31 0:29 /docker/abc /sys/fs/cgroup/cpu rw - cgroup c rw,cpu\n", "1:cpu:/docker/abc/sub\n");
  EXPECT_EQ(layout.find("cpu")->own_directory(), "/sys/fs/cgroup/cpu/sub");
}

TEST(LayoutTest, OptionsAreComparedWhole) {
  Layout layout = parse_layout("32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup c rw,cpuset\n", "1:cpu:/\n2:cpuset:/\n");
  EXPECT_EQ(layout.find("cpu"), nullptr);
  EXPECT_NE(layout.find("cpuset"), nullptr);
}

TEST(LayoutTest, DetectsThisHost) {
  Result<Layout> layout = detect();
  ASSERT_TRUE(layout) << layout.error().text();
  if (layout->kind == Layout::kNone) GTEST_SKIP() << "no cgroup hierarchy is mounted";
  for (const Hierarchy& hierarchy : layout->hierarchies) {
    EXPECT_TRUE(hierarchy.mount_point.starts_with('/'));
    EXPECT_TRUE(hierarchy.own_path.starts_with('/'));
  }
}

}  // namespace
}  // namespace cella::cgroup
