#include "cli/signals.h"

#include <gtest/gtest.h>

#include <csignal>

namespace cella::cli {
namespace {

TEST(SignalsTest, Names) {
  EXPECT_EQ(parse_signal("KILL"), SIGKILL);
  EXPECT_EQ(parse_signal("SIGKILL"), SIGKILL);
  EXPECT_EQ(parse_signal("sigterm"), SIGTERM);
  EXPECT_EQ(parse_signal("IOT"), SIGABRT);
  EXPECT_EQ(parse_signal("CLD"), SIGCHLD);
  EXPECT_EQ(parse_signal("SYS"), SIGSYS);
}

TEST(SignalsTest, Numbers) {
  EXPECT_EQ(parse_signal("9"), 9);
  EXPECT_EQ(parse_signal("0"), 0);
  EXPECT_EQ(parse_signal("64"), 64);
}

TEST(SignalsTest, RealTime) {
  EXPECT_EQ(parse_signal("RTMIN"), 34);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
  EXPECT_EQ(parse_signal("rtmax-1"), 63);
  EXPECT_EQ(parse_signal("RTMAX"), 64);
  EXPECT_EQ(parse_signal("RTMIN+30"), 64);
}

TEST(SignalsTest, Refused) {
  for (const char* text :
       {"", "SIG", "65", "-9", "9x", "NOPE", "SIGSIGKILL", "RTMIN+31", "RTMIN-1", "RTMIN+", "RTMAX+1", "4294967305"}) {
    EXPECT_EQ(parse_signal(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace cella::cli
