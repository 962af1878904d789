// Options of the levels IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP and IPPROTO_UDP that are a number: ip(7), ipv6(7),
// tcp(7), udp(7). One table for the loopback stack, which keeps them, and the host stack, which passes them on.
#pragma once

#include <cella/error.h>

namespace cella::sandbox::net {

struct InetOption {
  int level, name;
  int initial;
  int least, most;
  bool is_flag = false;    // any number but 0 is 1
  bool read_only = false;  // ENOPROTOOPT
  int capability = -1;     // for another value than 0
};
// Null: there is none.
const InetOption* inet_option(int level, int name);

}  // namespace cella::sandbox::net
