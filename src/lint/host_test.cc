#include "lint/host.h"

#include <gtest/gtest.h>

namespace cella::lint {
namespace {

TEST(Host, NumbersOutsideAList) {
  EXPECT_EQ(outside("0-3", "0-7"), "");
  EXPECT_EQ(outside("0-3,7", "0-1"), "2-3,7");
  EXPECT_EQ(outside("5", ""), "5");
  EXPECT_EQ(outside("", "0"), "");
  EXPECT_EQ(outside(" 1 , 3-4", "1,4"), "3");
  EXPECT_EQ(outside("65535", "0-3"), "65535");
}

TEST(Host, Kernels) {
  EXPECT_TRUE(kernel_is_at_least(4, 18));
  EXPECT_FALSE(kernel_is_at_least(99, 0));
}

TEST(Host, Files) {
  EXPECT_TRUE(exists("/proc/self"));
  EXPECT_FALSE(exists("/proc/nothing"));
  EXPECT_TRUE(has_word("/proc/filesystems", "proc"));
  EXPECT_FALSE(has_word("/proc/filesystems", "pro"));
  EXPECT_FALSE(has_word("/proc/nothing", "x"));
  EXPECT_EQ(first_line("/proc/nothing"), "");
  EXPECT_EQ(first_line("/proc/self/comm"), "lint_tests");
}

}  // namespace
}  // namespace cella::lint
