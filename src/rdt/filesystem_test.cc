#include "rdt/filesystem.h"

#include "rdt/tree_testing.h"

namespace cella::rdt {
namespace {

TEST(Find, TakesTheWholeFilesystemWhereverItIs) {
  EXPECT_FALSE(find(""));
  EXPECT_FALSE(find("25 1 8:1 / / rw - ext4 /dev/resctrl rw\n26 25 0:5 / /resctrl rw - tmpfs resctrl rw\n"));
  constexpr char kMounts[] =
      "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "30 25 0:31 /web /mnt/part rw - resctrl resctrl rw\n"
      "31 25 0:31 / /mnt/a\\040b rw,nosuid shared:7 master:1 - resctrl none rw,cdp,mba_MBps\n"
      "36 25 0:31 / /sys/fs/resctrl rw - resctrl resctrl rw\n";
  std::optional<Filesystem> found = find(kMounts);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->root, "/mnt/a b");
  EXPECT_TRUE(found->bandwidth_in_mbps);
  found = find("36 25 0:31 / /sys/fs/resctrl rw - resctrl resctrl rw,mba_MBps2\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->root, "/sys/fs/resctrl");
  EXPECT_FALSE(found->bandwidth_in_mbps);
}

using ProbeTest = TreeTest;

TEST_F(ProbeTest, SeesWhatIsThere) {
  Support all = probe(fs_);
  EXPECT_TRUE(all.cache_allocation && all.bandwidth_allocation && all.any_allocation && all.monitoring);
  EXPECT_TRUE(all.llc_occupancy && all.mbm_total_bytes && all.mbm_local_bytes);
}

TEST_F(ProbeTest, SeesNothingThatIsMissing) {
  empty("/info");
  empty("/mon_groups");
  ASSERT_EQ(::rmdir(at("/mon_groups").c_str()), 0);
  file("/info/last_cmd_status", "ok\n");
  Support none = probe(fs_);
  EXPECT_FALSE(none.cache_allocation || none.bandwidth_allocation || none.any_allocation || none.monitoring);
  EXPECT_FALSE(none.llc_occupancy || none.mbm_total_bytes || none.mbm_local_bytes);
  directory("/info/L3_MON");
  file("/info/L3_MON/mon_features", "mbm_local_bytes\nmbm_local_bytes_config\n");
  directory("/info/L2");
  Support some = probe(fs_);
  EXPECT_TRUE(some.any_allocation && some.mbm_local_bytes);
  EXPECT_FALSE(some.cache_allocation || some.llc_occupancy || some.mbm_total_bytes);
}

TEST_F(ProbeTest, CodeAndDataAreCacheAllocationToo) {
  empty("/info/L3");
  ASSERT_EQ(::rename(at("/info/L3").c_str(), at("/info/L3CODE").c_str()), 0);
  EXPECT_TRUE(probe(fs_).cache_allocation);
}

}  // namespace
}  // namespace cella::rdt
