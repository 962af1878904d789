#include "sandbox/net/netlink/route_messages.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <random>

namespace cella::sandbox::net {
namespace {

RouteQuery query(uint16_t type, int family = AF_UNSPEC) {
  RouteQuery result;
  result.type = type;
  result.family = family;
  return result;
}

// lo, and an interface as a bridge gives it.
Network sample() {
  Network network = loopback_network();
  Interface eth;
  eth.index = 7;
  eth.name = "eth0";
  eth.flags = IFF_UP | IFF_RUNNING | IFF_BROADCAST;
  eth.mtu = 1500;
  eth.type = 1;
  eth.hardware_address = {2, 0x42, 0xac, 0x11, 0, 2};
  eth.addresses.push_back({IpAddress::v4(0xac110002), 16, RT_SCOPE_UNIVERSE, IpAddress::v4(0xac11ffff)});
  network.interfaces.push_back(eth);
  Route route;
  route.to = IpAddress::v4(0);
  route.gateway = IpAddress::v4(0xac110001);
  route.interface = 7;
  route.table = RT_TABLE_MAIN;
  route.type = RTN_UNICAST;
  route.protocol = RTPROT_BOOT;
  network.routes.push_back(route);
  return network;
}

std::string dump(const Network& network) {
  std::string all;
  for (uint16_t type : {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE})
    for (const std::string& message : route_messages(network, query(type), 5, 9, NLM_F_MULTI)) all += message;
  return all;
}

TEST(RouteMessages, SayWhatTheyAreReadAs) {
  const Network network = sample();
  Network read;
  add_route_messages(dump(network), read);
  ASSERT_EQ(read.interfaces.size(), 2u);
  const Interface& eth = read.interfaces[1];
  EXPECT_EQ(eth.name, "eth0");
  EXPECT_EQ(eth.index, 7);
  EXPECT_EQ(eth.mtu, 1500u);
  EXPECT_EQ(eth.flags, network.interfaces[1].flags);
  EXPECT_EQ(eth.hardware_address, network.interfaces[1].hardware_address);
  ASSERT_EQ(eth.addresses.size(), 1u);
  EXPECT_EQ(eth.addresses[0].address, IpAddress::v4(0xac110002));
  EXPECT_EQ(eth.addresses[0].prefix, 16);
  EXPECT_EQ(eth.addresses[0].broadcast, IpAddress::v4(0xac11ffff));
  ASSERT_EQ(read.routes.size(), network.routes.size());
  EXPECT_EQ(read.routes.back().gateway, IpAddress::v4(0xac110001));
  EXPECT_EQ(read.routes.back().table, uint32_t{RT_TABLE_MAIN});
  EXPECT_EQ(dump(read), dump(network));
}

TEST(RouteMessages, AreOfWhatIsAskedFor) {
  const Network network = sample();
  EXPECT_EQ(route_messages(network, query(RTM_GETADDR, AF_INET), 1, 1, 0).size(), 2u);
  EXPECT_EQ(route_messages(network, query(RTM_GETADDR, AF_INET6), 1, 1, 0).size(), 1u);
  RouteQuery one = query(RTM_GETLINK);
  one.name = "eth0";
  EXPECT_EQ(route_messages(network, one, 1, 1, 0).size(), 1u);
  one.name = "eth1";
  EXPECT_TRUE(route_messages(network, one, 1, 1, 0).empty());
}

// The most exact route: the default one only where there is no other.
TEST(RouteMessages, KnowTheWay) {
  const Network network = sample();
  auto way_to = [&](IpAddress address) {
    RouteQuery asked = query(RTM_GETROUTE);
    asked.to = address;
    Network found;
    for (const std::string& message : route_messages(network, asked, 1, 1, 0)) add_route_messages(message, found);
    return found.routes.size() == 1 ? found.routes[0].interface : 0;
  };
  EXPECT_EQ(way_to(IpAddress::v4(0x7f010203)), 1);
  EXPECT_EQ(way_to(IpAddress::v4(0x08080808)), 7);
  EXPECT_EQ(way_to(IpAddress::loopback(false)), 1);
  in6_addr away = {};
  away.s6_addr[0] = 0x20;
  EXPECT_EQ(way_to(IpAddress::v6(away)), 0);
}

TEST(RouteMessages, SurviveWhatIsNotWellFormed) {
  const std::string whole = dump(sample());
  for (size_t size = 0; size < whole.size(); ++size) {
    Network network;
    add_route_messages(std::string_view(whole).substr(0, size), network);
    (void)parse_route_query(std::string_view(whole).substr(0, size));
  }
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) {
    std::string broken = whole;
    for (int changes = 0; changes < 8; ++changes) broken[random() % broken.size()] = static_cast<char>(random());
    Network network;
    add_route_messages(broken, network);
    for (const Interface& interface : network.interfaces) {
      EXPECT_LT(interface.name.size(), size_t{IFNAMSIZ});
      EXPECT_LE(interface.hardware_address.size(), 32u);
      for (const InterfaceAddress& address : interface.addresses)
        EXPECT_LE(address.prefix, address.address.is_v4() ? 32 : 128);
    }
    for (const Route& route : network.routes) EXPECT_LE(route.prefix, route.is_v4 ? 32 : 128);
    (void)dump(network);
    broken.resize(std::min<size_t>(broken.size(), random() % 200));
    (void)parse_route_query(broken);
  }
}

}  // namespace
}  // namespace cella::sandbox::net
