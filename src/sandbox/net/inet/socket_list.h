// /proc/net/tcp, tcp6, udp and udp6, proc_net(5): a line a socket.
#pragma once

#include <functional>

#include "sandbox/fs/generated/generated.h"
#include "sandbox/net/inet/ip.h"

namespace cella::sandbox::net {

struct SocketLine {
  int domain = 0, type = 0;
  IpEndpoint local, remote;
  int state = 0;  // TCP_* of tcp(7)
  size_t queued = 0;
  uint32_t user = 0;
  uint64_t inode = 0;
};
// Calls what it is given for every socket.
using ListSockets = std::function<void(const std::function<void(const SocketLine&)>&)>;

void add_socket_files(fs::FixedDirectory& directory, const ListSockets& list);

}  // namespace cella::sandbox::net
