#include "cli/duration.h"

#include <gtest/gtest.h>

namespace cella::cli {
namespace {

using namespace std::chrono_literals;

TEST(Duration, WhatIsOne) {
  struct Case {
    const char* text;
    std::chrono::nanoseconds value;
  };
  const Case kCases[] = {
      {"0", 0ns},        {"0s", 0ns},     {"5s", 5s},       {"+5s", 5s},  {"-5s", -5s},
      {"1m30s", 90s},    {"1.5h", 90min}, {"300ms", 300ms}, {"2us", 2us}, {"2\u00b5s", 2us},
      {"2\u03bcs", 2us}, {"7ns", 7ns},    {".5s", 500ms},   {"1.s", 1s},  {"3h2m1s", 3h + 2min + 1s},
  };
  for (const Case& c : kCases) EXPECT_EQ(parse_duration(c.text), c.value) << c.text;
}

TEST(Duration, WhatIsNone) {
  for (const char* text : {"", "5", "s", "-", "+", ".s", "5 s", " 5s", "5s ", "5x", "1e3s", "--5s", "5s-2s", "inf",
                           "nans", "99999999999h"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace cella::cli
