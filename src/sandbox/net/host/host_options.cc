#include "sandbox/net/host/host_options.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <algorithm>

#include "sandbox/net/inet/inet_options.h"

namespace cella::sandbox::net {
namespace {

constexpr HostOption only_get(int level, int name, size_t most) {
  return {level, name, 0, most, false};
}
constexpr HostOption only_set(int level, int name, size_t least, size_t most) {
  return {level, name, least, most, true, false};
}

constexpr size_t kInt = sizeof(int);
// Those of inet_options.h besides.
constexpr HostOption kOptions[] = {
    {SOL_TCP, TCP_CONGESTION, 1, 16},
    only_get(SOL_TCP, TCP_INFO, sizeof(tcp_info)),
    only_get(SOL_IP, IP_MTU, kInt),
    only_get(SOL_IPV6, IPV6_MTU, kInt),
    {SOL_IP, IP_MULTICAST_IF, sizeof(in_addr), sizeof(ip_mreqn)},
    {SOL_IPV6, IPV6_MULTICAST_IF, kInt, kInt},
    only_set(SOL_IP, IP_ADD_MEMBERSHIP, sizeof(ip_mreq), sizeof(ip_mreqn)),
    only_set(SOL_IP, IP_DROP_MEMBERSHIP, sizeof(ip_mreq), sizeof(ip_mreqn)),
    only_set(SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, sizeof(ip_mreq_source), sizeof(ip_mreq_source)),
    only_set(SOL_IP, IP_DROP_SOURCE_MEMBERSHIP, sizeof(ip_mreq_source), sizeof(ip_mreq_source)),
    only_set(SOL_IP, MCAST_JOIN_GROUP, sizeof(group_req), sizeof(group_req)),
    only_set(SOL_IP, MCAST_LEAVE_GROUP, sizeof(group_req), sizeof(group_req)),
    only_set(SOL_IPV6, IPV6_ADD_MEMBERSHIP, sizeof(ipv6_mreq), sizeof(ipv6_mreq)),
    only_set(SOL_IPV6, IPV6_DROP_MEMBERSHIP, sizeof(ipv6_mreq), sizeof(ipv6_mreq)),
    only_set(SOL_IPV6, MCAST_JOIN_GROUP, sizeof(group_req), sizeof(group_req)),
    only_set(SOL_IPV6, MCAST_LEAVE_GROUP, sizeof(group_req), sizeof(group_req)),
    {SOL_UDP, UDP_CORK, kInt, kInt},
    {SOL_UDP, UDP_SEGMENT, kInt, kInt},
    {SOL_UDP, UDP_GRO, kInt, kInt},
};

constexpr HostSocketOption kSocketOptions[] = {
    {SO_REUSEADDR, &SocketOptions::reuse_address},
    {SO_REUSEPORT, &SocketOptions::reuse_port},
    {SO_KEEPALIVE, &SocketOptions::keep_alive},
    {SO_BROADCAST, &SocketOptions::broadcast},
    {SO_DONTROUTE, &SocketOptions::dont_route},
    {SO_OOBINLINE, &SocketOptions::out_of_band_inline},
    {SO_RXQ_OVFL, &SocketOptions::overflow_count},
    {SO_PRIORITY, &SocketOptions::priority},
    {SO_MARK, &SocketOptions::mark},
    {SO_RCVLOWAT, &SocketOptions::receive_low_water},
};

struct Control {
  int level, type;
  size_t most;
};
constexpr Control kSent[] = {
    {SOL_IP, IP_PKTINFO, sizeof(in_pktinfo)},
    {SOL_IP, IP_TTL, kInt},
    {SOL_IP, IP_TOS, kInt},
    {SOL_IPV6, IPV6_PKTINFO, sizeof(in6_pktinfo)},
    {SOL_IPV6, IPV6_HOPLIMIT, kInt},
    {SOL_IPV6, IPV6_TCLASS, kInt},
    {SOL_IPV6, IPV6_DONTFRAG, kInt},
    {SOL_UDP, UDP_SEGMENT, sizeof(uint16_t)},
};
constexpr size_t kMostError = sizeof(sock_extended_err) + sizeof(sockaddr_in6);
constexpr int kTcpInq = 36;
constexpr Control kReceived[] = {
    {SOL_SOCKET, SO_TIMESTAMP_OLD, sizeof(timeval)},
    {SOL_SOCKET, SO_TIMESTAMPNS_OLD, sizeof(timespec)},
    {SOL_SOCKET, SO_TIMESTAMP_NEW, sizeof(timeval)},
    {SOL_SOCKET, SO_TIMESTAMPNS_NEW, sizeof(timespec)},
    {SOL_SOCKET, SO_RXQ_OVFL, sizeof(uint32_t)},
    {SOL_IP, IP_PKTINFO, sizeof(in_pktinfo)},
    {SOL_IP, IP_TTL, kInt},
    {SOL_IP, IP_TOS, kInt},
    {SOL_IP, IP_RECVERR, kMostError},
    {SOL_IP, IP_ORIGDSTADDR, sizeof(sockaddr_in)},
    {SOL_IPV6, IPV6_PKTINFO, sizeof(in6_pktinfo)},
    {SOL_IPV6, IPV6_HOPLIMIT, kInt},
    {SOL_IPV6, IPV6_TCLASS, kInt},
    {SOL_IPV6, IPV6_RECVERR, kMostError},
    {SOL_IPV6, IPV6_ORIGDSTADDR, sizeof(sockaddr_in6)},
    {SOL_IPV6, IPV6_PATHMTU, sizeof(ip6_mtuinfo)},
    {SOL_UDP, UDP_GRO, kInt},
    {SOL_TCP, kTcpInq, kInt},
};

bool is_in(std::span<const Control> list, const ControlItem& item) {
  return std::ranges::any_of(list, [&](const Control& one) {
    return one.level == item.level && one.type == item.type && item.data.size() <= one.most;
  });
}

}  // namespace

const HostOption* host_option(int level, int name) {
  static constexpr HostOption kNumber = {0, 0, 1, kInt};
  for (const HostOption& option : kOptions)
    if (option.level == level && option.name == name) return &option;
  return inet_option(level, name) != nullptr ? &kNumber : nullptr;
}

std::span<const HostSocketOption> host_socket_options() {
  return kSocketOptions;
}

bool may_send_control(const ControlItem& item) {
  return is_in(kSent, item);
}
bool may_receive_control(const ControlItem& item) {
  return is_in(kReceived, item);
}

}  // namespace cella::sandbox::net
