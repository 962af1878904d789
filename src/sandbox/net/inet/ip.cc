#include "sandbox/net/inet/ip.h"

#include <arpa/inet.h>

namespace cella::sandbox::net {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr socklen_t kShortestV6 = 24;  // RFC 2133: without sin6_scope_id

}  // namespace

IpAddress IpAddress::v4(uint32_t address) {
  IpAddress result;
  std::copy(kMapped.begin(), kMapped.end(), result.bytes.begin());
  const uint32_t ordered = htonl(address);
  std::memcpy(&result.bytes[kMapped.size()], &ordered, sizeof ordered);
  return result;
}

IpAddress IpAddress::v6(const in6_addr& address) {
  IpAddress result;
  std::memcpy(result.bytes.data(), &address, sizeof address);
  return result;
}

IpAddress IpAddress::loopback(bool is_v4) {
  return is_v4 ? v4(INADDR_LOOPBACK) : v6(in6addr_loopback);
}

bool IpAddress::is_v4() const {
  return std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

uint32_t IpAddress::as_v4() const {
  uint32_t ordered;
  std::memcpy(&ordered, &bytes[kMapped.size()], sizeof ordered);
  return ntohl(ordered);
}

in6_addr IpAddress::as_v6() const {
  in6_addr result;
  std::memcpy(&result, bytes.data(), sizeof result);
  return result;
}

bool IpAddress::is_loopback() const {
  constexpr uint32_t kNetwork = 127;
  return is_v4() ? as_v4() >> 24 == kNetwork : *this == loopback(false);
}

bool IpAddress::is_multicast() const {
  return is_v4() ? IN_MULTICAST(as_v4()) : bytes[0] == 0xff;
}

SysResult<IpEndpoint> endpoint_from(const Address& address, int domain, bool mixed) {
  const bool is_v4 = domain == AF_INET || (mixed && address.family() == AF_INET);
  if (address.size < (is_v4 ? sizeof(sockaddr_in) : kShortestV6)) return fail(EINVAL);
  if (address.family() != (is_v4 ? AF_INET : AF_INET6)) return fail(EAFNOSUPPORT);
  if (is_v4) {
    const auto& in = address.as<sockaddr_in>();
    return IpEndpoint{IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  const auto& in6 = address.as<sockaddr_in6>();
  return IpEndpoint{IpAddress::v6(in6.sin6_addr), ntohs(in6.sin6_port)};
}

Address address_of(const IpEndpoint& endpoint, int domain) {
  if (domain == AF_INET) {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    in.sin_addr.s_addr = htonl(endpoint.address.as_v4());
    return Address::of(in);
  }
  sockaddr_in6 in6 = {};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(endpoint.port);
  in6.sin6_addr = endpoint.address.as_v6();
  return Address::of(in6);
}

}  // namespace cella::sandbox::net
