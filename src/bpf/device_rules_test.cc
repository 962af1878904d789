#include "bpf/device_rules.h"

#include <gtest/gtest.h>

namespace cella::bpf {
namespace {

using Lines = std::vector<DeviceLine>;

TEST(DeviceRules, Lines) {
  struct Case {
    const char* name;
    std::vector<DeviceRule> rules;
    Lines lines;
  };
  const DeviceRule none = {'a', -1, -1, "rwm", false}, all = {'a', -1, -1, "rwm", true};
  const Case cases[] = {
      {"nothing", {}, {{false, "a"}}},
      {"all", {all}, {{true, "a"}}},
      {"sorted",
       {none, {'c', 5, 2, "rw", true}, {'b', -1, -1, "m", true}, {'c', 1, 3, "mrw", true}},
       {{false, "a"}, {true, "b *:* m"}, {true, "c 1:3 rwm"}, {true, "c 5:2 rw"}}},
      {"merged", {none, {'c', 1, 3, "r", true}, {'c', 1, 3, "w", true}}, {{false, "a"}, {true, "c 1:3 rw"}}},
      {"taken back", {none, {'c', 1, 3, "rw", true}, {'c', 1, 3, "w", false}}, {{false, "a"}, {true, "c 1:3 r"}}},
      {"taken back whole", {none, {'c', 1, 3, "rw", true}, {'c', 1, 3, "rwm", false}}, {{false, "a"}}},
      {"taken back by a wider one",
       {none, {'c', 1, 3, "rw", true}, {'c', 1, -1, "r", false}},
       {{false, "a"}, {true, "c 1:3 w"}}},
      {"denied from all", {all, {'b', 8, 0, "w", false}}, {{true, "a"}, {false, "b 8:0 w"}}},
      {"the default forgets", {{'c', 1, 3, "rw", true}, none}, {{false, "a"}}},
      {"'a' that is not all", {none, {'a', 1, -1, "r", true}}, {{false, "a"}, {true, "b 1:* r"}, {true, "c 1:* r"}}},
      {"a redundant rule", {none, {'c', 1, 3, "rw", false}}, {{false, "a"}}},
  };
  for (const Case& test : cases) {
    auto lines = device_lines(test.rules);
    ASSERT_TRUE(lines.has_value()) << test.name;
    EXPECT_EQ(*lines, test.lines) << test.name;
  }
}

TEST(DeviceRules, APartOfAWiderRuleIsAnErrorOnV1) {
  auto lines = device_lines({{'c', -1, -1, "rwm", true}, {'c', 1, 3, "r", false}});
  ASSERT_FALSE(lines.has_value());
  EXPECT_EQ(lines.error().text(), "device rule deny c 1:3 r: cgroup v1 cannot take it out of the wider rule c *:* rwm");
  EXPECT_FALSE(device_lines({{'a', -1, -1, "", true}, {'b', 8, -1, "w", false}, {'b', 8, 1, "w", true}}).has_value());
  EXPECT_FALSE(device_lines({{'c', -1, 3, "r", true}, {'c', 1, -1, "r", false}}).has_value());  // crossing, at c 1:3
  EXPECT_TRUE(device_lines({{'c', -1, -1, "m", true}, {'c', 1, 3, "r", false}}).has_value());
}

}  // namespace
}  // namespace cella::bpf
