#include "sys/seccomp.h"

#include <gtest/gtest.h>
#include <linux/seccomp.h>

namespace cella::sys {
namespace {

TEST(Seccomp, TheKernelTakesWhatItKnowsAlone) {
  EXPECT_TRUE(seccomp_takes(0));
  EXPECT_TRUE(seccomp_takes(SECCOMP_FILTER_FLAG_TSYNC));
  EXPECT_FALSE(seccomp_takes(1u << 31));
}

}  // namespace
}  // namespace cella::sys
