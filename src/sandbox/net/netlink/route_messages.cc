#include "sandbox/net/netlink/route_messages.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/result.h"

namespace cella::sandbox::net {
namespace {

// --- writing

class MessageWriter {
 public:
  template <typename Body>
  MessageWriter(uint16_t type, uint16_t flags, uint32_t sequence, uint32_t port, const Body& body)
      : bytes_(sizeof(nlmsghdr), '\0') {
    head_.nlmsg_type = type;
    head_.nlmsg_flags = flags;
    head_.nlmsg_seq = sequence;
    head_.nlmsg_pid = port;
    bytes_ += option_bytes(body);
    pad();
  }
  void add(uint16_t type, std::string_view data) {
    const rtattr head = {static_cast<uint16_t>(RTA_LENGTH(data.size())), type};
    bytes_ += option_bytes(head);
    bytes_ += data;
    pad();
  }
  template <typename T>
  void add_value(uint16_t type, const T& value) {
    add(type, option_bytes(value));
  }
  void add_address(uint16_t type, const IpAddress& address) {
    if (address.is_v4()) {
      add_value(type, htonl(address.as_v4()));
    } else {
      add_value(type, address.as_v6());
    }
  }
  std::string finish() {
    head_.nlmsg_len = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &head_, sizeof head_);
    return std::move(bytes_);
  }

 private:
  void pad() { bytes_.resize(NLMSG_ALIGN(bytes_.size())); }
  nlmsghdr head_ = {};
  std::string bytes_;
};

struct Envelope {
  uint32_t sequence, port;
  uint16_t flags;
};

std::string link_message(const Interface& interface, const Envelope& envelope) {
  ifinfomsg body = {};
  body.ifi_family = AF_UNSPEC;
  body.ifi_type = interface.type;
  body.ifi_index = interface.index;
  body.ifi_flags = interface.flags;
  MessageWriter message(RTM_NEWLINK, envelope.flags, envelope.sequence, envelope.port, body);
  message.add(IFLA_IFNAME, interface.name + '\0');
  message.add_value<uint32_t>(IFLA_TXQLEN, 1000);
  const bool is_up = interface.flags & IFF_UP, is_loopback = interface.flags & IFF_LOOPBACK;
  constexpr uint8_t kUnknown = 0, kDown = 2, kUp = 6;  // IF_OPER_*
  message.add_value<uint8_t>(IFLA_OPERSTATE, is_loopback ? kUnknown : is_up ? kUp : kDown);
  message.add_value<uint8_t>(IFLA_LINKMODE, 0);
  message.add_value<uint32_t>(IFLA_MTU, interface.mtu);
  message.add_value<uint32_t>(IFLA_GROUP, 0);
  message.add_value<uint32_t>(IFLA_NUM_TX_QUEUES, 1);
  message.add_value<uint32_t>(IFLA_NUM_RX_QUEUES, 1);
  message.add(IFLA_QDISC, std::string("noqueue") + '\0');
  const std::string hardware(interface.hardware_address.begin(), interface.hardware_address.end());
  if (!hardware.empty()) {
    message.add(IFLA_ADDRESS, hardware);
    message.add(IFLA_BROADCAST, std::string(hardware.size(), is_loopback ? '\0' : '\xff'));
  }
  message.add_value(IFLA_STATS, rtnl_link_stats{});
  message.add_value(IFLA_STATS64, rtnl_link_stats64{});
  return message.finish();
}

std::string address_message(const Interface& interface, const InterfaceAddress& one, const Envelope& envelope) {
  ifaddrmsg body = {};
  body.ifa_family = one.address.is_v4() ? AF_INET : AF_INET6;
  body.ifa_prefixlen = one.prefix;
  body.ifa_flags = IFA_F_PERMANENT;
  body.ifa_scope = one.scope;
  body.ifa_index = static_cast<uint32_t>(interface.index);
  MessageWriter message(RTM_NEWADDR, envelope.flags, envelope.sequence, envelope.port, body);
  message.add_address(IFA_ADDRESS, one.address);
  if (one.address.is_v4()) {
    message.add_address(IFA_LOCAL, one.address);
    if (one.broadcast) message.add_address(IFA_BROADCAST, *one.broadcast);
    message.add(IFA_LABEL, interface.name + '\0');
  }
  message.add_value<uint32_t>(IFA_FLAGS, IFA_F_PERMANENT);
  ifa_cacheinfo forever = {};
  forever.ifa_prefered = forever.ifa_valid = UINT32_MAX;
  message.add_value(IFA_CACHEINFO, forever);
  return message.finish();
}

std::string route_message(const Route& route, const Envelope& envelope) {
  constexpr uint32_t kMostShort = 255;
  rtmsg body = {};
  body.rtm_family = route.is_v4 ? AF_INET : AF_INET6;
  body.rtm_dst_len = route.prefix;
  body.rtm_table = static_cast<uint8_t>(route.table > kMostShort ? uint32_t{RT_TABLE_COMPAT} : route.table);
  body.rtm_protocol = route.protocol;
  body.rtm_scope = route.scope;
  body.rtm_type = route.type;
  MessageWriter message(RTM_NEWROUTE, envelope.flags, envelope.sequence, envelope.port, body);
  message.add_value<uint32_t>(RTA_TABLE, route.table);
  if (route.prefix != 0) message.add_address(RTA_DST, route.to);
  if (route.metric != 0) message.add_value<uint32_t>(RTA_PRIORITY, route.metric);
  if (route.source) message.add_address(RTA_PREFSRC, *route.source);
  if (route.gateway) message.add_address(RTA_GATEWAY, *route.gateway);
  if (route.interface != 0) message.add_value<uint32_t>(RTA_OIF, static_cast<uint32_t>(route.interface));
  return message.finish();
}

bool matches(const IpAddress& address, const Route& route) {
  if (address.is_v4() != route.is_v4) return false;
  const size_t skip = route.is_v4 ? 96 : 0;
  for (size_t bit = skip; bit < skip + route.prefix; ++bit) {
    const int shift = 7 - static_cast<int>(bit % 8);
    if (((address.bytes[bit / 8] ^ route.to.bytes[bit / 8]) >> shift) & 1) return false;
  }
  return true;
}

// The most exact one.
const Route* way_to(const Network& network, const IpAddress& to) {
  const Route* best = nullptr;
  for (const Route& route : network.routes) {
    if (!matches(to, route)) continue;
    if (best == nullptr || route.prefix > best->prefix ||
        (route.prefix == best->prefix && route.metric < best->metric)) {
      best = &route;
    }
  }
  return best;
}

// --- reading

// The attributes behind a message's body, each with its type.
template <typename Visit>
void for_each_attribute(std::string_view bytes, Visit visit) {
  while (bytes.size() >= sizeof(rtattr)) {
    rtattr head;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > bytes.size()) return;
    visit(static_cast<uint16_t>(head.rta_type & NLA_TYPE_MASK), bytes.substr(sizeof head, head.rta_len - sizeof head));
    bytes.remove_prefix(std::min<size_t>(RTA_ALIGN(head.rta_len), bytes.size()));
  }
}
template <typename Body>
bool take_body(std::string_view& bytes, Body& body) {
  if (bytes.size() < sizeof body) return false;
  std::memcpy(&body, bytes.data(), sizeof body);
  bytes.remove_prefix(std::min<size_t>(NLMSG_ALIGN(sizeof body), bytes.size()));
  return true;
}
std::optional<IpAddress> address_from(std::string_view data) {
  if (data.size() == sizeof(uint32_t)) {
    uint32_t address;
    std::memcpy(&address, data.data(), sizeof address);
    return IpAddress::v4(ntohl(address));
  }
  if (data.size() != sizeof(in6_addr)) return std::nullopt;
  in6_addr address;
  std::memcpy(&address, data.data(), sizeof address);
  return IpAddress::v6(address);
}
uint32_t word_from(std::string_view data) {
  return option_value<uint32_t>(data).value_or(0);
}

void add_link(std::string_view bytes, Network& network) {
  ifinfomsg body;
  if (!take_body(bytes, body)) return;
  Interface interface;
  interface.index = body.ifi_index;
  interface.flags = body.ifi_flags;
  interface.type = body.ifi_type;
  for_each_attribute(bytes, [&](uint16_t type, std::string_view data) {
    constexpr size_t kMostHardware = 32;
    if (type == IFLA_IFNAME) interface.name = data.substr(0, std::min<size_t>(data.find('\0'), IFNAMSIZ - 1));
    if (type == IFLA_MTU) interface.mtu = word_from(data);
    if (type == IFLA_ADDRESS && data.size() <= kMostHardware)
      interface.hardware_address.assign(data.begin(), data.end());
  });
  if (!interface.name.empty()) network.interfaces.push_back(std::move(interface));
}

void add_address(std::string_view bytes, Network& network) {
  ifaddrmsg body;
  if (!take_body(bytes, body)) return;
  InterfaceAddress one;
  std::optional<IpAddress> address, local;
  for_each_attribute(bytes, [&](uint16_t type, std::string_view data) {
    if (type == IFA_ADDRESS) address = address_from(data);
    if (type == IFA_LOCAL) local = address_from(data);
    if (type == IFA_BROADCAST) one.broadcast = address_from(data);
  });
  if (!address && !local) return;
  one.address = local ? *local : *address;
  constexpr uint8_t kMostV4 = 32, kMostV6 = 128;
  one.prefix = std::min(body.ifa_prefixlen, one.address.is_v4() ? kMostV4 : kMostV6);
  one.scope = body.ifa_scope;
  for (Interface& interface : network.interfaces)
    if (interface.index == static_cast<int>(body.ifa_index)) interface.addresses.push_back(one);
}

void add_route(std::string_view bytes, Network& network) {
  rtmsg body;
  if (!take_body(bytes, body) || (body.rtm_family != AF_INET && body.rtm_family != AF_INET6)) return;
  Route route;
  route.is_v4 = body.rtm_family == AF_INET;
  route.to = IpAddress::any(body.rtm_family);
  constexpr uint8_t kMostV4 = 32, kMostV6 = 128;
  route.prefix = std::min(body.rtm_dst_len, route.is_v4 ? kMostV4 : kMostV6);
  route.table = body.rtm_table;
  route.scope = body.rtm_scope;
  route.type = body.rtm_type;
  route.protocol = body.rtm_protocol;
  for_each_attribute(bytes, [&](uint16_t type, std::string_view data) {
    if (type == RTA_DST) route.to = address_from(data).value_or(route.to);
    if (type == RTA_GATEWAY) route.gateway = address_from(data);
    if (type == RTA_PREFSRC) route.source = address_from(data);
    if (type == RTA_OIF) route.interface = static_cast<int>(word_from(data));
    if (type == RTA_PRIORITY) route.metric = word_from(data);
    if (type == RTA_TABLE) route.table = word_from(data);
  });
  if (route.to.is_v4() == route.is_v4) network.routes.push_back(route);
}

}  // namespace

SysResult<RouteQuery> parse_route_query(std::string_view request) {
  nlmsghdr head;
  if (!take_body(request, head)) return fail(EINVAL);
  RouteQuery query;
  query.type = head.nlmsg_type;
  // The shortest question is a family alone.
  if (!request.empty()) query.family = static_cast<unsigned char>(request[0]);
  switch (head.nlmsg_type) {
    case RTM_GETLINK: {
      ifinfomsg body;
      if (!take_body(request, body)) return query;
      query.interface = body.ifi_index;
      for_each_attribute(request, [&](uint16_t type, std::string_view data) {
        if (type == IFLA_IFNAME) query.name = data.substr(0, data.find('\0'));
      });
      return query;
    }
    case RTM_GETADDR: {
      ifaddrmsg body;
      if (take_body(request, body)) query.interface = static_cast<int>(body.ifa_index);
      return query;
    }
    case RTM_GETROUTE: {
      rtmsg body;
      if (!take_body(request, body)) return query;
      for_each_attribute(request, [&](uint16_t type, std::string_view data) {
        if (type == RTA_DST) query.to = address_from(data);
      });
      return query;
    }
    default:
      return fail(EOPNOTSUPP);
  }
}

std::vector<std::string> route_messages(const Network& network, const RouteQuery& query, uint32_t sequence,
                                        uint32_t port, uint16_t flags) {
  const Envelope envelope = {sequence, port, flags};
  std::vector<std::string> messages;
  const bool any_family = query.family != AF_INET && query.family != AF_INET6;
  auto is_wanted = [&](bool is_v4) { return any_family || is_v4 == (query.family == AF_INET); };
  if (query.type == RTM_GETROUTE) {
    const Route* way = query.to ? way_to(network, *query.to) : nullptr;
    for (const Route& route : network.routes) {
      if ((query.to && &route != way) || !is_wanted(route.is_v4)) continue;
      if (!query.to) {
        messages.push_back(route_message(route, envelope));
        continue;
      }
      Route there = route;
      there.to = *query.to;
      there.prefix = route.is_v4 ? 32 : 128;
      messages.push_back(route_message(there, envelope));
    }
    return messages;
  }
  for (const Interface& interface : network.interfaces) {
    if (query.interface != 0 && query.interface != interface.index) continue;
    if (!query.name.empty() && query.name != interface.name) continue;
    if (query.type == RTM_GETLINK) {
      messages.push_back(link_message(interface, envelope));
      continue;
    }
    for (const InterfaceAddress& address : interface.addresses)
      if (is_wanted(address.address.is_v4())) messages.push_back(address_message(interface, address, envelope));
  }
  return messages;
}

void add_route_messages(std::string_view messages, Network& network) {
  while (messages.size() >= sizeof(nlmsghdr)) {
    nlmsghdr head;
    std::memcpy(&head, messages.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > messages.size()) return;
    const std::string_view body = messages.substr(NLMSG_HDRLEN, head.nlmsg_len - NLMSG_HDRLEN);
    if (head.nlmsg_type == RTM_NEWLINK) add_link(body, network);
    if (head.nlmsg_type == RTM_NEWADDR) add_address(body, network);
    if (head.nlmsg_type == RTM_NEWROUTE) add_route(body, network);
    messages.remove_prefix(std::min<size_t>(NLMSG_ALIGN(head.nlmsg_len), messages.size()));
  }
}

}  // namespace cella::sandbox::net
