#include "sandbox/net/stack.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "base/result.h"
#include "sandbox/net/unix/unix_socket.h"

namespace cella::sandbox::net {
namespace {

// A raw unix socket has always been one for datagrams.
SysResult<int> unix_type(int type, int protocol) {
  if (protocol != 0 && protocol != PF_UNIX) return fail(EPROTONOSUPPORT);
  if (type == SOCK_RAW) return SOCK_DGRAM;
  if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) return fail(ESOCKTNOSUPPORT);
  return type;
}

SysResult<void> check_numbers(int domain, int type) {
  if (domain < 0 || domain >= AF_MAX) return fail(EAFNOSUPPORT);
  constexpr int kMostType = SOCK_PACKET;
  return type < 0 || type > kMostType ? SysResult<void>(fail(EINVAL)) : SysResult<void>();
}

}  // namespace

SysResult<SocketPtr> Stack::make_socket(Caller& caller, int domain, int type, int protocol, int open_flags) {
  TRY(check_numbers(domain, type));
  switch (domain) {
    case AF_UNIX:
      type = TRY(unix_type(type, protocol));
      return std::make_shared<UnixSocket>(caller, unix_, type, 0, open_flags);
    case AF_INET:
    case AF_INET6:
      return make_inet(caller, domain, type, protocol, open_flags);
    case AF_NETLINK:
      return make_netlink(caller, type, protocol, open_flags);
    default:
      return fail(EAFNOSUPPORT);
  }
}

SysResult<std::pair<SocketPtr, SocketPtr>> Stack::make_pair(Caller& caller, int domain, int type, int protocol,
                                                            int open_flags) {
  SocketPtr one = TRY(make_socket(caller, domain, type, protocol, open_flags));
  if (domain != AF_UNIX) return fail(EOPNOTSUPP);
  SocketPtr other = TRY(make_socket(caller, domain, type, protocol, open_flags));
  UnixSocket::join(caller, static_cast<UnixSocket&>(*one), static_cast<UnixSocket&>(*other));
  return std::pair(one, other);
}

// ping_group_range is "1 0": echo sockets are for nobody; raw ones are not there.
SysResult<void> Stack::check_inet_type(Caller& caller, int type, int protocol) {
  constexpr int kMostProtocol = 262;  // IPPROTO_MPTCP
  if (protocol < 0 || protocol > kMostProtocol) return fail(EINVAL);
  switch (type) {
    case SOCK_STREAM:
      return protocol == 0 || protocol == IPPROTO_TCP ? SysResult<void>() : fail(EPROTONOSUPPORT);
    case SOCK_DGRAM:
      if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) return fail(EACCES);
      return protocol == 0 || protocol == IPPROTO_UDP ? SysResult<void>() : fail(EPROTONOSUPPORT);
    case SOCK_RAW:
      return fail(caller.credentials().has(CAP_NET_RAW) ? EPROTONOSUPPORT : EPERM);
    default:
      return fail(ESOCKTNOSUPPORT);
  }
}

SysResult<void> Stack::check_netlink_type(int type, int protocol) {
  if (type != SOCK_RAW && type != SOCK_DGRAM) return fail(ESOCKTNOSUPPORT);
  return protocol == NETLINK_ROUTE ? SysResult<void>() : fail(EPROTONOSUPPORT);
}

void Stack::add_proc_files(fs::FixedDirectory& directory) {
  constexpr uint32_t kMode = 0444;
  directory.add("unix",
                fs::make_text_file(directory.super(), kMode,
                                   [domain = unix_](Caller&) -> SysResult<std::string> { return domain->text(); }));
}

}  // namespace cella::sandbox::net
