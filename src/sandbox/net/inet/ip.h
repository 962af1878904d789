// IpAddress, IpEndpoint: addresses of both internet families in one: one of IPv4 is held as ::ffff:a.b.c.d, ipv6(7).
#pragma once

#include <netinet/in.h>

#include <array>
#include <compare>
#include <cstdint>

#include "sandbox/net/socket.h"

namespace cella::sandbox::net {

struct IpAddress {
  std::array<uint8_t, 16> bytes = {};  // in network order

  // `address` in host order.
  static IpAddress v4(uint32_t address);
  static IpAddress v6(const in6_addr& address);
  static IpAddress any(int domain) { return domain == AF_INET ? v4(INADDR_ANY) : IpAddress(); }
  static IpAddress loopback(bool is_v4);

  bool is_v4() const;
  uint32_t as_v4() const;  // in host order
  in6_addr as_v6() const;
  bool is_any() const { return *this == IpAddress() || *this == v4(INADDR_ANY); }
  bool is_loopback() const;
  bool is_multicast() const;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

struct IpEndpoint {
  IpAddress address;
  uint16_t port = 0;  // in host order
  friend auto operator<=>(const IpEndpoint&, const IpEndpoint&) = default;
};

// From a sockaddr for a socket of `domain`: EINVAL when it is too short, EAFNOSUPPORT. One of AF_INET6 takes addresses
// of AF_INET too where `mixed`.
SysResult<IpEndpoint> endpoint_from(const Address& address, int domain, bool mixed = false);
Address address_of(const IpEndpoint& endpoint, int domain);

}  // namespace cella::sandbox::net
