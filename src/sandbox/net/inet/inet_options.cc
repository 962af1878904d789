#include "sandbox/net/inet/inet_options.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

namespace cella::sandbox::net {
namespace {

constexpr int kAny = 0x7fffffff;

constexpr InetOption flag(int level, int name, int initial = 0) {
  return {level, name, initial, -kAny, kAny, true};
}
constexpr InetOption number(int level, int name, int initial, int least, int most) {
  return {level, name, initial, least, most};
}
constexpr InetOption guarded(int level, int name) {
  return {level, name, 0, -kAny, kAny, true, false, CAP_NET_ADMIN};
}

// What <netinet/*.h> may not know yet.
constexpr int kTcpInq = 36, kIpv6MulticastAll = 29, kIpv6FreeBind = 78;

constexpr InetOption kOptions[] = {
    number(SOL_IP, IP_TOS, 0, 0, 255),
    number(SOL_IP, IP_TTL, 64, 1, 255),
    number(SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT),
    number(SOL_IP, IP_MULTICAST_TTL, 1, -1, 255),
    number(SOL_IP, IP_MINTTL, 0, 0, 255),
    flag(SOL_IP, IP_MULTICAST_LOOP, 1),
    flag(SOL_IP, IP_MULTICAST_ALL, 1),
    flag(SOL_IP, IP_RECVTTL),
    flag(SOL_IP, IP_RECVTOS),
    flag(SOL_IP, IP_PKTINFO),
    flag(SOL_IP, IP_RECVERR),
    flag(SOL_IP, IP_RECVORIGDSTADDR),
    flag(SOL_IP, IP_FREEBIND),
    flag(SOL_IP, IP_BIND_ADDRESS_NO_PORT),
    guarded(SOL_IP, IP_TRANSPARENT),
    flag(SOL_IPV6, IPV6_V6ONLY),
    number(SOL_IPV6, IPV6_UNICAST_HOPS, 64, -1, 255),
    number(SOL_IPV6, IPV6_MULTICAST_HOPS, 1, -1, 255),
    number(SOL_IPV6, IPV6_TCLASS, 0, -1, 255),
    number(SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT, IPV6_PMTUDISC_DONT, IPV6_PMTUDISC_OMIT),
    flag(SOL_IPV6, IPV6_MULTICAST_LOOP, 1),
    flag(SOL_IPV6, kIpv6MulticastAll, 1),
    flag(SOL_IPV6, IPV6_RECVPKTINFO),
    flag(SOL_IPV6, IPV6_RECVHOPLIMIT),
    flag(SOL_IPV6, IPV6_RECVTCLASS),
    flag(SOL_IPV6, IPV6_RECVERR),
    flag(SOL_IPV6, IPV6_RECVPATHMTU),
    flag(SOL_IPV6, IPV6_RECVORIGDSTADDR),
    flag(SOL_IPV6, IPV6_DONTFRAG),
    flag(SOL_IPV6, IPV6_AUTOFLOWLABEL, 1),
    flag(SOL_IPV6, kIpv6FreeBind),
    guarded(SOL_IPV6, IPV6_TRANSPARENT),
    flag(SOL_TCP, TCP_NODELAY),
    flag(SOL_TCP, TCP_CORK),
    flag(SOL_TCP, TCP_QUICKACK, 1),
    flag(SOL_TCP, TCP_FASTOPEN_CONNECT),
    flag(SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS),
    flag(SOL_TCP, TCP_SAVE_SYN),
    flag(SOL_TCP, kTcpInq),
    number(SOL_TCP, TCP_MAXSEG, 536, 88, 32767),
    number(SOL_TCP, TCP_KEEPIDLE, 7200, 1, 32767),
    number(SOL_TCP, TCP_KEEPINTVL, 75, 1, 32767),
    number(SOL_TCP, TCP_KEEPCNT, 9, 1, 127),
    number(SOL_TCP, TCP_SYNCNT, 6, 1, 127),
    number(SOL_TCP, TCP_LINGER2, 60, -kAny, kAny),
    number(SOL_TCP, TCP_DEFER_ACCEPT, 0, -kAny, kAny),
    number(SOL_TCP, TCP_WINDOW_CLAMP, 0, 0, kAny),
    number(SOL_TCP, TCP_USER_TIMEOUT, 0, 0, kAny),
    number(SOL_TCP, TCP_FASTOPEN, 0, 0, kAny),
    number(SOL_TCP, TCP_NOTSENT_LOWAT, 0, -kAny, kAny),
};

}  // namespace

const InetOption* inet_option(int level, int name) {
  for (const InetOption& option : kOptions)
    if (option.level == level && option.name == name) return &option;
  return nullptr;
}

}  // namespace cella::sandbox::net
