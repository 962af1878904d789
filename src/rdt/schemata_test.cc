#include "rdt/schemata.h"

#include <gtest/gtest.h>

namespace cella::rdt {
namespace {

constexpr char kExisting[] = "    L3:0=7ff;1=0f0\n    MB:0= 30;1=100\nL3CODE:0=f\n";

TEST(Difference, IsNoneWhereWritingChangesNothing) {
  for (const char* wanted : {"", "L3:0=7ff;1=f0", "L3:1=f0;0=7ff", "L3: 0 = 07ff ; 1 = f0 ;", "L3:1=0xF0", "MB:0=30",
                             "MB:0=21;1=91", "L3:0=7ff\nMB:1=100\n", "\n", "L3:;;", "L3CODE:0=f"}) {
    EXPECT_EQ(difference(wanted, kExisting, 10), std::nullopt) << wanted;
  }
}

TEST(Difference, IsToldOtherwise) {
  struct Case {
    const char *wanted, *said;
  };
  for (const Case& one : {Case{"L3:0=7fe", "L3 of 0 is 7ff, not 7fe"},
                          {"L3:0=7ff;1=f", "L3 of 1 is 0f0, not f"},
                          {"MB:0=31", "MB of 0 is 30, not 31"},
                          {"MB:0=20", "MB of 0 is 30, not 20"},
                          {"MB:0=1e", "MB of 0 is 30, not 1e"},
                          {"L3:2=7ff", "it has no L3 of 2"},
                          {"L3:0", "L3 of 0 is 7ff, not "},
                          {"L2:0=f", "it has no L2"},
                          {"L3:0=7ff\nMB:1=50", "MB of 1 is 100, not 50"},
                          {"L3", "\"L3\" is not of the form L3:0=7f0;1=1f"},
                          {"L3:0=-1", "L3 of 0 is 7ff, not -1"},
                          {"L3:0=fffffffffffffffff", "L3 of 0 is 7ff, not fffffffffffffffff"}}) {
    EXPECT_EQ(difference(one.wanted, kExisting, 10), one.said);
  }
  EXPECT_EQ(difference("MB:0=21", kExisting, 0), "MB of 0 is 30, not 21") << "in MB/s nothing is rounded";
}

}  // namespace
}  // namespace cella::rdt
