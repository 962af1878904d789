#include "network/devices.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <cerrno>

namespace cella::network {
namespace {

Link link_of(int index, const char* name, const char* kind = "veth") {
  Link link;
  link.index = index;
  link.name = name;
  link.kind = kind;
  link.mtu = 1500;
  link.mac = "02:00:00:00:00:01";
  return link;
}

Link loopback() {
  Link link = link_of(1, "lo", "");
  link.flags = IFF_LOOPBACK | IFF_UP;
  return link;
}

using Wanted = std::map<std::string, config::NetDevice>;

TEST(FreeName, IsTheOneWantedOrNone) {
  Link other = link_of(3, "b");
  other.other_names = {"c"};
  const std::vector<Link> links = {link_of(2, "a"), other};
  EXPECT_EQ(free_name(links, "d"), "d");
  for (const char* taken : {"a", "b", "c"}) EXPECT_EQ(free_name(links, taken), "") << taken;
}

TEST(FreeName, TakesTheLeastNumber) {
  const std::vector<Link> links = {link_of(2, "eth0"), link_of(3, "eth1"), link_of(4, "eth3"), link_of(5, "0x")};
  EXPECT_EQ(free_name(links, "eth%d"), "eth2");
  EXPECT_EQ(free_name(links, "%dx"), "1x");
  EXPECT_EQ(free_name(links, "%d.%d"), "0.%d") << "one number alone, as the kernel has it";
}

TEST(FreeName, FindsANumberEvenWhenOtherNamesHaveTheFirst) {
  Link link = link_of(2, "a");
  link.other_names = {"eth0", "eth1", "eth2", "eth3", "eth4"};
  EXPECT_EQ(free_name({link}, "eth%d"), "eth5");
}

TEST(FreeIndex, IsTheOneWantedOrAfterTheLast) {
  const std::vector<Link> links = {loopback(), link_of(7, "a")};
  EXPECT_EQ(free_index(links, 2), 2);
  EXPECT_EQ(free_index(links, 7), 8);
  EXPECT_EQ(free_index({}, 7), 7);
}

TEST(ChooseDevices, TakesNameAndIndexAlong) {
  Link link = link_of(5, "a");
  link.flags = IFF_UP;
  Result<std::vector<Device>> devices = choose_devices(Wanted{{"a", {}}}, {loopback(), link}, {loopback()});
  ASSERT_TRUE(devices);
  EXPECT_EQ(*devices, (std::vector<Device>{{"a", 5, "a", 5, "veth", true, 1500, "02:00:00:00:00:01", {}}}));
}

TEST(ChooseDevices, KeepsThemApart) {
  const std::vector<Link> host = {loopback(), link_of(5, "a"), link_of(6, "b"), link_of(7, "c")};
  const std::vector<Link> inside = {loopback(), link_of(5, "x"), link_of(6, "eth0")};
  Result<std::vector<Device>> devices =
      choose_devices(Wanted{{"a", {"b"}}, {"b", {"eth%d"}}, {"c", {"eth%d"}}}, host, inside);
  ASSERT_TRUE(devices);
  std::vector<std::pair<std::string, int>> chosen;
  for (const Device& device : *devices) chosen.emplace_back(device.name, device.index);
  EXPECT_EQ(chosen, (std::vector<std::pair<std::string, int>>{{"b", 7}, {"eth1", 8}, {"eth2", 9}}));
}

TEST(ChooseDevices, RefusesByName) {
  Link port = link_of(5, "port");
  port.master = 6;
  Link lost = link_of(7, "lost");
  lost.master = 99;
  const std::vector<Link> host = {loopback(), link_of(2, "a"), port, link_of(6, "br0"), lost};
  const std::vector<Link> inside = {loopback(), link_of(2, "eth0")};
  struct Case {
    Wanted wanted;
    int errno_value;
    const char* text;
  };
  const Case cases[] = {
      {{{"b", {}}}, ENODEV, "moving network device b: no such device"},
      {{{"lo", {}}}, 0, "moving network device lo: every network namespace has a loopback interface of its own"},
      {{{"port", {}}}, EBUSY, "moving network device port: it is a port of br0: device or resource busy"},
      {{{"lost", {}}}, EBUSY, "moving network device lost: it is a port of another one: device or resource busy"},
      {{{"a", {"eth0"}}}, EEXIST, "moving network device a: calling it eth0 in the container: file exists"},
      {{{"a", {"lo"}}}, EEXIST, "moving network device a: calling it lo in the container: file exists"},
      {{{"a", {"x"}}, {"br0", {"x"}}}, EEXIST, "moving network device br0: calling it x in the container: file exists"},
  };
  for (const Case& one : cases) {
    Result<std::vector<Device>> devices = choose_devices(one.wanted, host, inside);
    ASSERT_FALSE(devices) << one.text;
    EXPECT_EQ(devices.error().text(), one.text);
    EXPECT_EQ(devices.error().errno_value, one.errno_value);
  }
}

TEST(FindInside, LooksForIndexAndKind) {
  Device device;
  device.index = 5;
  device.kind = "veth";
  EXPECT_EQ(find_inside(device, {loopback(), link_of(4, "a")}), nullptr);
  EXPECT_EQ(find_inside(device, {link_of(5, "a", "dummy")}), nullptr);
  const std::vector<Link> links = {loopback(), link_of(5, "renamed")};
  EXPECT_EQ(find_inside(device, links), &links[1]);
  device.index = 1;
  device.kind = "";
  EXPECT_EQ(find_inside(device, links), nullptr) << "the loopback interface is nobody's";
}

std::vector<Device> two_devices() {
  return {{"a", 5, "eth0", 2, "veth", true, 1500, "", {}}, {"b", 6, "eth1", 3, "veth", true, 1500, "", {}}};
}

TEST(ChoosePlaces, AreTheOldOnesIfFree) {
  std::vector<Device> devices = two_devices();
  std::vector<std::string> warnings;
  EXPECT_FALSE(
      choose_places(devices, {loopback(), link_of(7, "c")}, {link_of(2, "eth0"), link_of(3, "eth1")}, warnings));
  EXPECT_EQ(devices, two_devices());
  EXPECT_TRUE(warnings.empty());
}

TEST(ChoosePlaces, GiveWayAndSaySo) {
  std::vector<Device> devices = two_devices();
  devices[0].addresses.emplace_back().label = "a:1";
  std::vector<std::string> warnings;
  const std::vector<Link> host = {loopback(), link_of(4, "dev0"), link_of(5, "a"), link_of(9, "b")};
  EXPECT_TRUE(choose_places(devices, host, {link_of(2, "eth0"), link_of(3, "eth1")}, warnings));
  EXPECT_EQ(devices[0].host_name, "dev1");
  EXPECT_EQ(devices[0].host_index, 10);
  EXPECT_EQ(devices[0].addresses[0].label, "");
  EXPECT_EQ(devices[1].host_name, "dev2");
  EXPECT_EQ(devices[1].host_index, 6);
  EXPECT_EQ(warnings, (std::vector<std::string>{"network device a comes back as dev1, because its name is taken",
                                                "network device b comes back as dev2, because its name is taken"}));
}

TEST(ChoosePlaces, LeaveADeviceAloneThatIsBack) {
  std::vector<Device> devices = two_devices();
  std::vector<std::string> warnings;
  EXPECT_FALSE(choose_places(devices, {loopback(), link_of(5, "a")}, {link_of(3, "eth1")}, warnings));
  EXPECT_EQ(devices, two_devices());
}

TEST(Record, ComesBackAsWritten) {
  std::vector<Device> devices = two_devices();
  Address address;
  address.address = "192.0.2.1";
  address.prefix = 24;
  address.flags = 0x80;
  devices[0].addresses = {address};
  address.peer = "192.0.2.2";
  address.broadcast = "192.0.2.255";
  address.label = "a:1";
  address.scope = 253;
  address.metric = 7;
  address.preferred = 0;
  devices[0].addresses.push_back(address);
  Result<std::vector<Device>> back = parse_devices(to_json(devices));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, devices);
}

TEST(Record, IsRefusedWhenItIsDamaged) {
  for (const char* text : {"", "{}", "[{}]", R"([{"host_name":"a","host_index":1,"name":"b"}])", "[1"}) {
    Result<std::vector<Device>> devices = parse_devices(text);
    ASSERT_FALSE(devices) << text;
    EXPECT_EQ(devices.error().code, ErrorCode::kConfigInvalid);
    EXPECT_FALSE(devices.error().findings.empty()) << text;
  }
}

}  // namespace
}  // namespace cella::network
