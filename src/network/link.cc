#include "network/link.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>

namespace cella::network {
namespace {

// What was asked for when the address was made; the rest of IFA_F_* is the kernel's.
constexpr uint32_t kAskedFor =
    IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;

std::string text_of(int family, std::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  const size_t size = family == AF_INET ? sizeof(in_addr) : family == AF_INET6 ? sizeof(in6_addr) : 0;
  if (size == 0 || bytes.size() != size || ::inet_ntop(family, bytes.data(), text, sizeof text) == nullptr) return {};
  return text;
}

// The bytes of an address in network order; empty: it is none.
std::string bytes_of(int family, const std::string& text) {
  std::string bytes(family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr), '\0');
  if (::inet_pton(family, text.c_str(), bytes.data()) != 1) bytes.clear();
  return bytes;
}

std::string mac_text(std::string_view bytes) {
  std::string text;
  for (char byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : ":", static_cast<unsigned char>(byte));
  return text;
}

std::string mac_bytes(std::string_view text) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  std::string bytes;
  if (text.size() % 3 != 2) return {};
  for (size_t i = 0; i < text.size(); i += 3) {
    if (i + 2 < text.size() && text[i + 2] != ':') return {};
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

// IFLA_LINKINFO.
std::string kind_of(std::string_view info) {
  while (std::optional<Attribute> attribute = next_attribute(info)) {
    if (attribute->type == IFLA_INFO_KIND) return std::string(attribute->text());
  }
  return {};
}

// IFLA_PROP_LIST.
std::vector<std::string> other_names_of(std::string_view properties) {
  std::vector<std::string> names;
  while (std::optional<Attribute> attribute = next_attribute(properties)) {
    if (attribute->type == IFLA_ALT_IFNAME) names.emplace_back(attribute->text());
  }
  return names;
}

ifinfomsg header_of(int index) {
  ifinfomsg header = {};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  return header;
}

Request change_link(int index) {
  return {RTM_NEWLINK, NLM_F_ACK, header_of(index)};
}

}  // namespace

bool Link::is_up() const {
  return (flags & IFF_UP) != 0;
}
bool Link::is_loopback() const {
  return (flags & IFF_LOOPBACK) != 0;
}

bool Address::is_permanent() const {
  return (flags & IFA_F_PERMANENT) != 0;
}
std::string Address::text() const {
  return fmt::format("{}/{}", address, prefix);
}

std::optional<Link> parse_link(const Message& message) {
  std::optional<ifinfomsg> header = message.header<ifinfomsg>();
  if (message.type != RTM_NEWLINK || !header) return std::nullopt;
  Link link;
  link.index = header->ifi_index;
  link.flags = header->ifi_flags;
  std::string_view rest = message.attributes<ifinfomsg>();
  while (std::optional<Attribute> attribute = next_attribute(rest)) {
    switch (attribute->type) {
      case IFLA_IFNAME:
        link.name = attribute->text();
        break;
      case IFLA_PROP_LIST:
        link.other_names = other_names_of(attribute->value);
        break;
      case IFLA_LINKINFO:
        link.kind = kind_of(attribute->value);
        break;
      case IFLA_MASTER:
        link.master = static_cast<int>(attribute->number());
        break;
      case IFLA_MTU:
        link.mtu = attribute->number();
        break;
      case IFLA_ADDRESS:
        link.mac = mac_text(attribute->value);
        break;
      default:
        break;
    }
  }
  return link;
}

std::optional<Address> parse_address(const Message& message, int& index) {
  std::optional<ifaddrmsg> header = message.header<ifaddrmsg>();
  if (message.type != RTM_NEWADDR || !header) return std::nullopt;
  Address result;
  index = static_cast<int>(header->ifa_index);
  result.prefix = header->ifa_prefixlen;
  result.scope = header->ifa_scope;
  result.flags = header->ifa_flags;
  std::string local, remote;
  std::string_view rest = message.attributes<ifaddrmsg>();
  while (std::optional<Attribute> attribute = next_attribute(rest)) {
    switch (attribute->type) {
      case IFA_LOCAL:
        local = text_of(header->ifa_family, attribute->value);
        break;
      case IFA_ADDRESS:
        remote = text_of(header->ifa_family, attribute->value);
        break;
      case IFA_BROADCAST:
        result.broadcast = text_of(header->ifa_family, attribute->value);
        break;
      case IFA_LABEL:
        result.label = attribute->text();
        break;
      case IFA_FLAGS:  // all 32 bits of them
        result.flags = attribute->number();
        break;
      case IFA_RT_PRIORITY:
        result.metric = attribute->number();
        break;
      case IFA_CACHEINFO: {
        ifa_cacheinfo times;
        if (attribute->value.size() < sizeof times) break;
        std::memcpy(&times, attribute->value.data(), sizeof times);
        result.preferred = times.ifa_prefered;
        break;
      }
      default:
        break;
    }
  }
  // IFA_ADDRESS is the other end where there is one, and otherwise the address once more, or for IPv6 the only one.
  result.address = local.empty() ? remote : local;
  if (remote != result.address) result.peer = remote;
  if (result.address.empty()) return std::nullopt;
  return result;
}

Request list_links() {
  return {RTM_GETLINK, NLM_F_DUMP, header_of(0)};
}

Request list_addresses() {
  return {RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}};
}

Request move_link(int index, int netns, const std::string& name, int new_index) {
  return change_link(index)
      .add_number(IFLA_NET_NS_FD, static_cast<uint32_t>(netns))
      .add_text(IFLA_IFNAME, name)
      .add_number(IFLA_NEW_IFINDEX, static_cast<uint32_t>(new_index));
}

Request set_link_up(int index, bool up) {
  ifinfomsg header = header_of(index);
  header.ifi_change = IFF_UP;
  header.ifi_flags = up ? IFF_UP : 0;
  return {RTM_NEWLINK, NLM_F_ACK, header};
}

Request set_link_mtu(int index, uint32_t mtu) {
  return change_link(index).add_number(IFLA_MTU, mtu);
}

std::optional<Request> set_link_mac(int index, const std::string& mac) {
  std::string bytes = mac_bytes(mac);
  if (bytes.empty()) return std::nullopt;
  return change_link(index).add(IFLA_ADDRESS, bytes);
}

std::optional<Request> add_address(int index, const Address& address) {
  ifaddrmsg header = {};
  header.ifa_family = address.is_ipv6() ? AF_INET6 : AF_INET;
  header.ifa_prefixlen = static_cast<uint8_t>(address.prefix);
  header.ifa_scope = static_cast<uint8_t>(address.scope);
  header.ifa_index = static_cast<uint32_t>(index);
  Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, header);

  const std::pair<uint16_t, const std::string&> parts[] = {
      {IFA_LOCAL, address.address},
      {IFA_ADDRESS, address.peer.empty() ? address.address : address.peer},
      {IFA_BROADCAST, address.broadcast},
  };
  for (const auto& [attribute, text] : parts) {
    if (text.empty() && attribute == IFA_BROADCAST) continue;
    std::string bytes = bytes_of(header.ifa_family, text);
    if (bytes.empty()) return std::nullopt;
    request.add(attribute, bytes);
  }
  if (!address.label.empty()) request.add_text(IFA_LABEL, address.label);
  request.add_number(IFA_FLAGS, address.flags & kAskedFor);
  if (address.metric != 0) request.add_number(IFA_RT_PRIORITY, address.metric);
  if (address.preferred != kForEver) {
    ifa_cacheinfo times = {};
    times.ifa_prefered = address.preferred;
    times.ifa_valid = kForEver;
    request.add(IFA_CACHEINFO, {reinterpret_cast<const char*>(&times), sizeof times});
  }
  return request;
}

}  // namespace cella::network
