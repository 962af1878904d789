// Messages of rtnetlink(7) about a Network: what answers a dump, and for a network of the host's what a dump says.
#pragma once

#include <linux/netlink.h>

#include "sandbox/net/interfaces.h"

namespace cella::sandbox::net {

// What a request is about: of nothing more than what is set here.
struct RouteQuery {
  uint16_t type = 0;  // RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE
  int family = AF_UNSPEC;
  int interface = 0;            // 0: all
  std::string name;             // of an interface; "": all
  std::optional<IpAddress> to;  // RTM_GETROUTE: the way there
};
// EOPNOTSUPP: another type; EINVAL.
SysResult<RouteQuery> parse_route_query(std::string_view request);

// Messages with this sequence number and port, and these NLM_F_* flags.
std::vector<std::string> route_messages(const Network& network, const RouteQuery& query, uint32_t sequence,
                                        uint32_t port, uint16_t flags);
// Adds what RTM_NEWLINK, RTM_NEWADDR and RTM_NEWROUTE say; others are passed over, as is what is not well-formed.
void add_route_messages(std::string_view messages, Network& network);

}  // namespace cella::sandbox::net
