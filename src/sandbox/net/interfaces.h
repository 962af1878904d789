// The network interfaces, addresses and routes of a stack, and who tells of them: netdevice(7), netlink(7), /proc/net.
#pragma once

#include <functional>
#include <vector>

#include "sandbox/fs/generated/generated.h"
#include "sandbox/net/inet/ip.h"

namespace cella::sandbox::net {

struct InterfaceAddress {
  IpAddress address;
  uint8_t prefix = 0;  // bits; of an IPv4 address up to 32
  uint8_t scope = 0;   // RT_SCOPE_*
  std::optional<IpAddress> broadcast;
};

struct Interface {
  int index = 0;
  std::string name;
  uint32_t flags = 0;  // IFF_*
  uint32_t mtu = 0;
  uint16_t type = 0;                      // ARPHRD_*
  std::vector<uint8_t> hardware_address;  // at most 32 bytes
  std::vector<InterfaceAddress> addresses;
};

struct Route {
  bool is_v4 = true;
  IpAddress to;
  uint8_t prefix = 0;
  std::optional<IpAddress> gateway, source;
  int interface = 0;
  uint32_t table = 0, metric = 0;
  uint8_t scope = 0, type = 0, protocol = 0;
};

struct Network {
  std::vector<Interface> interfaces;
  std::vector<Route> routes;
  const Interface* find(std::string_view name) const;
  const Interface* find(int index) const;
};
// As it is now.
using ReadNetwork = std::function<SysResult<Network>()>;

// lo, and no way out.
Network loopback_network();

// SIOCGIF…: ENOTTY for what is not about interfaces, EPERM for what changes them.
SysResult<uint64_t> interface_ioctl(Caller& caller, const Network& network, uint32_t request, uint64_t argument);
// dev, if_inet6, route.
void add_interface_files(fs::FixedDirectory& directory, const ReadNetwork& network);
// A directory for each interface, as it is when the directory is made.
void add_interface_directories(fs::FixedDirectory& directory, const Network& network);

}  // namespace cella::sandbox::net
