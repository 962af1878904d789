#include "cli/size.h"

#include <gtest/gtest.h>

namespace cella::cli {
namespace {

TEST(Size, WhatIsOne) {
  struct Case {
    const char* text;
    int64_t bytes;
  };
  constexpr Case kCases[] = {
      {"0", 0},
      {"32", 32},
      {"32b", 32},
      {"32B", 32},
      {"32k", 32 << 10},
      {"32K", 32 << 10},
      {"32kb", 32 << 10},
      {"32Kb", 32 << 10},
      {"32kib", 32 << 10},
      {"32KiB", 32 << 10},
      {"512m", 512 << 20},
      {"1.5g", 3LL << 29},
      {"32 mb", 32 << 20},
      {"1t", 1LL << 40},
      {"2p", 2LL << 50},
      {".5k", 512},
      {"1e3", 1000},
      {"0.3", 0},
      {"32.5k", 33280},
  };
  for (const Case& c : kCases) EXPECT_EQ(parse_size(c.text), c.bytes) << c.text;
}

TEST(Size, WhatIsNone) {
  for (const char* text :
       {"",        "m",     "-1",  "-32k", "+1",    "32x", "32mm", "32bb", "32kx",  "32kbb",
        "32kibb",  "32  k", " 32", "32k ", "1.2.3", "nan", "inf",  "0x10", "hello", "9223372036854775808",
        "9999999p"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace cella::cli
