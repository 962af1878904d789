// UnixDomain: what the unix sockets of one kernel have in common: abstract names, and the files on their way.
#pragma once

#include <map>
#include <set>
#include <string>

#include "sandbox/net/unix/rights.h"

namespace cella::sandbox::net {

class UnixSocket;

struct UnixDomain {
  InFlight in_flight;
  // Abstract names without the NUL before them; each type of socket has its own.
  std::map<std::pair<int, std::string>, UnixSocket*> abstract_names;
  std::set<UnixSocket*> sockets;
  uint32_t next_automatic_name = 0;

  // proc_net(5), /proc/net/unix.
  std::string text() const;
};

}  // namespace cella::sandbox::net
