#include "cgroup/writer.h"

#include <gtest/gtest.h>

namespace cella::cgroup {
namespace {

TEST(WriterTest, WhatUndoesAWrite) {
  struct Case {
    const char *text, *value, *reset, *expected;
  };
  constexpr Case kCases[] = {
      {"67108864\n", "33554432", "", "67108864"},
      {"max\n", "12", "", "max"},
      {"\n", "0-1", "", ""},
      {"50000 100000\n", "max 100000", "", "50000 100000"},
      // A line for each device: its own, or what takes it out.
      {"8:0 100\n8:16 200\n", "8:16 5", "8:16 0", "8:16 200"},
      {"8:160 200\n", "8:16 5", "8:16 0", "8:16 0"},
      {"", "8:16 5", "8:16 0", "8:16 0"},
      {"8:0 rbps=max wbps=7 riops=max wiops=max\n", "8:0 wbps=9", "8:0 wbps=max",
       "8:0 rbps=max wbps=7 riops=max wiops=max"},
      {"lo 0\neth0 5\n", "eth0 7", "", "eth0 5"},
      // The default weight among those of devices.
      {"default 100\n8:0 200\n", "300", "", "default 100"},
      {"oom_kill_disable 1\nunder_oom 0\noom_kill 0\n", "0", "", "1"},
  };
  for (const Case& c : kCases) EXPECT_EQ(undo_text(c.text, c.value, c.reset), c.expected) << c.text << c.value;
}

}  // namespace
}  // namespace cella::cgroup
