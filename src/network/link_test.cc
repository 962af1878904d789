#include "network/link.h"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>

namespace cella::network {
namespace {

// The bytes of a request are those of an answer with the same content, which is how these tests make the kernel's.
Message message_of(const std::string& bytes) {
  std::string_view rest = bytes;
  return *next_message(rest);
}

std::string nested(uint16_t type, std::string_view text) {
  Request request(0, 0, char{});
  std::string bytes = request.add_text(type, text).bytes(0);
  return bytes.substr(NLMSG_HDRLEN + NLMSG_ALIGN(1));
}

// Attributes of a request by type.
std::string value_of(const Request& request, uint16_t type) {
  const std::string bytes = request.bytes(1);
  const Message message = message_of(bytes);
  std::string_view rest =
      message.type == RTM_NEWADDR ? message.attributes<ifaddrmsg>() : message.attributes<ifinfomsg>();
  while (std::optional<Attribute> attribute = next_attribute(rest))
    if (attribute->type == type) return std::string(attribute->value);
  return "none";
}

TEST(ParseLink, ReadsWhatIsTold) {
  ifinfomsg header = {};
  header.ifi_index = 5;
  header.ifi_flags = IFF_UP | IFF_BROADCAST;
  Request request(RTM_NEWLINK, 0, header);
  request.add_text(IFLA_IFNAME, "eth0")
      .add_number(IFLA_MTU, 1400)
      .add_number(IFLA_MASTER, 3)
      .add(IFLA_ADDRESS, std::string_view("\x02\x00\x00\xab\x00\xff", 6))
      .add(IFLA_LINKINFO | NLA_F_NESTED, nested(IFLA_INFO_KIND, "veth"))
      .add(IFLA_PROP_LIST | NLA_F_NESTED, nested(IFLA_ALT_IFNAME, "one") + nested(IFLA_ALT_IFNAME, "other"))
      .add(0x3fff, "something new");
  const std::string bytes = request.bytes(1);
  std::optional<Link> link = parse_link(message_of(bytes));
  ASSERT_TRUE(link);
  EXPECT_EQ(*link, (Link{5, "eth0", {"one", "other"}, "veth", IFF_UP | IFF_BROADCAST, 3, 1400, "02:00:00:ab:00:ff"}));
  EXPECT_TRUE(link->is_up());
  EXPECT_FALSE(link->is_loopback());
}

TEST(ParseLink, IsNothingOfAnotherKindOrDamaged) {
  EXPECT_FALSE(parse_link(message_of(Request(RTM_NEWADDR, 0, ifinfomsg{}).bytes(1))));
  EXPECT_FALSE(parse_link(message_of(Request(RTM_NEWLINK, 0, char{}).bytes(1))));
}

TEST(ParseLink, OfHardwareHasNoKind) {
  EXPECT_EQ(parse_link(message_of(Request(RTM_NEWLINK, 0, ifinfomsg{}).bytes(1)))->kind, "");
}

// --- addresses: what is sent for one reads as the same one

Address address_of(const char* text, int prefix) {
  Address address;
  address.address = text;
  address.prefix = prefix;
  return address;
}

TEST(Address, GoesAndComesBack) {
  Address plain = address_of("192.0.2.1", 24);
  Address rich = address_of("192.0.2.1", 32);
  rich.peer = "192.0.2.200";
  rich.broadcast = "192.0.2.255";
  rich.label = "eth0:1";
  rich.scope = RT_SCOPE_LINK;
  rich.flags = IFA_F_NOPREFIXROUTE;
  rich.metric = 77;
  rich.preferred = 0;
  Address six = address_of("2001:db8::1", 64);
  six.flags = IFA_F_NODAD | IFA_F_MANAGETEMPADDR;
  Address six_peer = address_of("2001:db8::1", 128);
  six_peer.peer = "2001:db8::2";
  for (const Address& address : {plain, rich, six, six_peer}) {
    std::optional<Request> request = add_address(9, address);
    ASSERT_TRUE(request) << address.text();
    int index = 0;
    const std::string bytes = request->bytes(1);
    std::optional<Address> back = parse_address(message_of(bytes), index);
    ASSERT_TRUE(back) << address.text();
    EXPECT_EQ(*back, address) << address.text();
    EXPECT_EQ(index, 9);
  }
}

TEST(Address, LeavesOutWhatTheKernelFindsOut) {
  Address address = address_of("2001:db8::1", 64);
  address.flags = IFA_F_PERMANENT | IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_SECONDARY | IFA_F_NODAD;
  const uint32_t expected = IFA_F_NODAD;
  EXPECT_EQ(value_of(*add_address(1, address), IFA_FLAGS),
            std::string(reinterpret_cast<const char*>(&expected), sizeof expected));
  EXPECT_EQ(value_of(*add_address(1, address), IFA_CACHEINFO), "none");
}

TEST(Address, MustBeOne) {
  for (const char* text : {"", "192.0.2", "192.0.2.256", "x", "2001:db8::g", "192.0.2.1/24"}) {
    EXPECT_FALSE(add_address(1, address_of(text, 24))) << text;
  }
  Address address = address_of("192.0.2.1", 24);
  address.peer = "2001:db8::1";
  EXPECT_FALSE(add_address(1, address)) << "of another family";
}

TEST(ParseAddress, TakesAllBitsOfTheFlags) {
  ifaddrmsg header = {};
  header.ifa_family = AF_INET6;
  header.ifa_prefixlen = 64;
  header.ifa_flags = IFA_F_PERMANENT;
  header.ifa_scope = RT_SCOPE_LINK;
  Request request(RTM_NEWADDR, 0, header);
  request.add(IFA_ADDRESS, std::string_view("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\5", 16))
      .add_number(IFA_FLAGS, IFA_F_PERMANENT | IFA_F_STABLE_PRIVACY);
  int index = 0;
  const std::string bytes = request.bytes(1);
  std::optional<Address> address = parse_address(message_of(bytes), index);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->text(), "fe80::5/64");
  EXPECT_EQ(address->flags, uint32_t{IFA_F_PERMANENT | IFA_F_STABLE_PRIVACY});
  EXPECT_TRUE(address->is_permanent());
  EXPECT_TRUE(address->is_ipv6());
  EXPECT_FALSE(address->is_global());
}

TEST(ParseAddress, IsNothingWithoutAnAddress) {
  int index = 0;
  ifaddrmsg header = {};
  header.ifa_family = AF_INET;
  Request cut(RTM_NEWADDR, 0, header);
  cut.add(IFA_LOCAL, "abc").add(IFA_CACHEINFO, "abc");
  EXPECT_FALSE(parse_address(message_of(cut.bytes(1)), index));
  EXPECT_FALSE(parse_address(message_of(Request(RTM_NEWLINK, 0, header).bytes(1)), index));
  EXPECT_FALSE(parse_address(message_of(Request(RTM_NEWADDR, 0, char{}).bytes(1)), index));
  header.ifa_family = AF_DECnet;
  Request other(RTM_NEWADDR, 0, header);
  other.add(IFA_LOCAL, "ab");
  EXPECT_FALSE(parse_address(message_of(other.bytes(1)), index));
}

TEST(MoveLink, SaysWhereAndAsWhat) {
  Request request = move_link(5, 7, "eth0", 2);
  EXPECT_EQ(message_of(request.bytes(1)).header<ifinfomsg>()->ifi_index, 5);
  EXPECT_EQ(value_of(request, IFLA_NET_NS_FD), std::string("\7\0\0\0", 4));
  EXPECT_EQ(value_of(request, IFLA_IFNAME), std::string("eth0\0", 5));
  EXPECT_EQ(value_of(request, IFLA_NEW_IFINDEX), std::string("\2\0\0\0", 4));
}

TEST(SetLinkUp, ChangesThatFlagAlone) {
  for (bool up : {true, false}) {
    ifinfomsg header = *message_of(set_link_up(5, up).bytes(1)).header<ifinfomsg>();
    EXPECT_EQ(header.ifi_change, unsigned{IFF_UP});
    EXPECT_EQ(header.ifi_flags, up ? unsigned{IFF_UP} : 0u);
  }
}

TEST(SetLinkMac, TakesBytesWithColons) {
  EXPECT_EQ(value_of(*set_link_mac(5, "02:00:00:ab:00:ff"), IFLA_ADDRESS), std::string("\x02\x00\x00\xab\x00\xff", 6));
  for (const char* text : {"", "0", "02:", "02:0", "02-00", "0x:00", "02:00:"}) {
    EXPECT_FALSE(set_link_mac(5, text)) << text;
  }
}

}  // namespace
}  // namespace cella::network
