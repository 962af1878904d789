// Network devices and their addresses, and the rtnetlink messages about them, rtnetlink(7). Pure: see socket.h for who
// sends them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "network/message.h"

namespace cella::network {

struct Link {
  int index = 0;
  std::string name;
  std::vector<std::string> other_names;  // ip-link(8), "property add altname"
  std::string kind;                      // "veth", "bridge" …; empty: a device of hardware
  uint32_t flags = 0;                    // IFF_* of netdevice(7)
  int master = 0;                        // index of the bridge or bond that it is a port of; 0: none
  uint32_t mtu = 0;                      // bytes
  std::string mac;                       // "02:00:00:00:00:01"; empty: it has none

  bool is_up() const;
  bool is_loopback() const;
  friend bool operator==(const Link&, const Link&) = default;
};

inline constexpr uint32_t kForEver = ~0u;

struct Address {
  std::string address;            // "192.0.2.1", "2001:db8::1"
  int prefix = 0;                 // bits
  std::string peer;               // of a point-to-point link; empty: none
  std::string broadcast;          // IPv4 alone; empty: none
  std::string label;              // IPv4 alone: "eth0:1"
  int scope = 0;                  // RT_SCOPE_*; 0: global
  uint32_t flags = 0;             // IFA_F_*
  uint32_t metric = 0;            // of its prefix's route; 0: the kernel's choice
  uint32_t preferred = kForEver;  // seconds

  bool is_ipv6() const { return address.find(':') != std::string::npos; }
  bool is_permanent() const;
  bool is_global() const { return scope == RT_SCOPE_UNIVERSE; }
  // "192.0.2.1/24".
  std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

// Nullopt: the message is of another kind, or damaged.
std::optional<Link> parse_link(const Message& message);
// `index` gets the device's.
std::optional<Address> parse_address(const Message& message, int& index);

Request list_links();
Request list_addresses();
// Into the network namespace of the descriptor `netns`, where it is down, has no addresses, the name `name` and the
// index `new_index` (Linux 5.12). Needs CAP_NET_ADMIN over both namespaces.
Request move_link(int index, int netns, const std::string& name, int new_index);
Request set_link_up(int index, bool up);
Request set_link_mtu(int index, uint32_t mtu);
// Nullopt: `mac` is not hexadecimal bytes with colons between.
std::optional<Request> set_link_mac(int index, const std::string& mac);
// EEXIST when it is there. What the kernel finds out by itself, such as IFA_F_TENTATIVE, is left out. Nullopt: a field
// is not an address.
std::optional<Request> add_address(int index, const Address& address);

}  // namespace cella::network
