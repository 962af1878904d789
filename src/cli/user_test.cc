#include "cli/user.h"

#include <gtest/gtest.h>

namespace cella::cli {
namespace {

TEST(UserTest, UidAndGid) {
  User user;
  EXPECT_EQ(store_value(user, "1000"), nullptr);
  EXPECT_EQ(user.uid, 1000u);
  EXPECT_EQ(user.gid, std::nullopt);
  EXPECT_EQ(store_value(user, "0:5"), nullptr);
  EXPECT_EQ(user.uid, 0u);
  EXPECT_EQ(user.gid, 5u);
}

// A number with something behind it must not be taken for the number: "0x3e8" is not user 0.
TEST(UserTest, TheWholeTextMustMatch) {
  for (const char* text : {"", ":", "1:", ":1", "root", "1000x", "0x3e8", "1:2:3", "1: 2", "-1", "4294967295",
                           "1:4294967295", "4294967296"}) {
    User user;
    EXPECT_NE(store_value(user, text), nullptr) << text;
    EXPECT_FALSE(user.uid) << text;
  }
}

}  // namespace
}  // namespace cella::cli
