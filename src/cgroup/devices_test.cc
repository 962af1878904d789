#include "cgroup/devices.h"

#include <gtest/gtest.h>

namespace cella::cgroup {
namespace {

config::Device rule(bool allow, char type, int64_t major, int64_t minor, std::string permissions) {
  config::Device device;
  device.allow = allow;
  device.type = type;
  device.major = major;
  device.minor = minor;
  device.permissions = std::move(permissions);
  return device;
}
constexpr int64_t kAny = config::kWildcard;

std::vector<std::string> transition(const DeviceState& from, const DeviceState& to) {
  std::vector<std::string> lines;
  for (const DeviceLine& line : device_transition(from, to)) lines.push_back((line.allow ? "+" : "-") + line.line);
  return lines;
}
using Lines = std::vector<std::string>;

TEST(DeviceStateTest, DenyAllThenAllowed) {
  DeviceState state = *device_state({rule(false, 'a', kAny, kAny, "rwm"), rule(true, 'c', 1, 3, "rw"),
                                     rule(true, 'c', 1, 3, "m"), rule(true, 'b', kAny, kAny, "m")});
  EXPECT_FALSE(state.allow_by_default);
  EXPECT_EQ(transition({true, {}}, state), (Lines{"-a", "+b *:* m", "+c 1:3 rwm"}));
}

TEST(DeviceStateTest, ALaterDenyTakesAnAllowBack) {
  DeviceState state = *device_state({rule(true, 'c', 1, 3, "rwm"), rule(false, 'c', 1, 3, "w")});
  EXPECT_EQ(transition({true, {}}, state), (Lines{"-a", "+c 1:3 rm"}));
  state = *device_state({rule(true, 'c', 1, 3, "r"), rule(true, 'c', 1, 4, "r"), rule(false, 'c', 1, kAny, "rwm")});
  EXPECT_TRUE(state.exceptions.empty());
}

TEST(DeviceStateTest, AHoleInAWildcardIsRefused) {
  Result<DeviceState> state = device_state({rule(true, 'c', kAny, kAny, "rwm"), rule(false, 'c', 1, 3, "w")});
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(device_state({rule(true, 'c', kAny, kAny, "m"), rule(false, 'c', 1, 3, "w")}));
}

TEST(DeviceStateTest, BadRulesAreRefused) {
  EXPECT_FALSE(device_state({rule(true, 'p', 1, 3, "r")}));
  EXPECT_FALSE(device_state({rule(true, 'c', 1, 3, "x")}));
  EXPECT_FALSE(device_state({rule(true, 'c', 1, 3, "")}));
  EXPECT_FALSE(device_state({rule(true, 'c', -2, 3, "r")}));
}

TEST(DeviceStateTest, ARuleForBothTypesIsADefaultOnlyWhenItIsAboutEverything) {
  EXPECT_TRUE(device_state({rule(true, 'a', kAny, kAny, "")})->allow_by_default);
  DeviceState state = *device_state({rule(true, 'a', kAny, kAny, "r"), rule(true, 'a', 7, 1, "")});
  EXPECT_FALSE(state.allow_by_default);
  EXPECT_EQ(transition({}, state), (Lines{"+b *:* r", "+b 7:1 rwm", "+c *:* r", "+c 7:1 rwm"}));
}

TEST(DeviceStateTest, AllowAllWithExceptions) {
  DeviceState state = *device_state({rule(true, 'a', kAny, kAny, "rwm"), rule(false, 'c', 1, 5, "rw")});
  EXPECT_TRUE(state.allow_by_default);
  EXPECT_EQ(transition({false, {}}, state), (Lines{"+a", "-c 1:5 rw"}));
}

TEST(DeviceStateTest, OnlyTheDifferenceIsWrittenToAnExistingGroup) {
  DeviceState from = *parse_device_list("c 1:3 rwm\nc 1:5 rwm\nb *:* m\n");
  DeviceState to = *device_state({rule(true, 'c', 1, 3, "rwm"), rule(true, 'c', 1, 5, "r"), rule(true, 'c', 1, 7, "r"),
                                  rule(true, 'b', kAny, kAny, "m")});
  EXPECT_EQ(transition(from, to), (Lines{"+c 1:7 r", "-c 1:5 wm"}));
  EXPECT_TRUE(transition(to, to).empty());
  EXPECT_TRUE(parse_device_list("a *:* rwm\n")->allow_by_default);
  EXPECT_FALSE(parse_device_list("nonsense"));
}

}  // namespace
}  // namespace cella::cgroup
