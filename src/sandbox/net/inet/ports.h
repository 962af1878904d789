// PortTable: which sockets of one protocol are bound to which ports, and who may be beside whom: bind(2), SO_REUSEADDR
// and SO_REUSEPORT of socket(7).
#pragma once

#include <map>
#include <vector>

#include "sandbox/net/inet/ip.h"

namespace cella::sandbox::net {

class InetSocket;

class PortTable {
 public:
  // `first_unprivileged`: net.ipv4.ip_unprivileged_port_start.
  explicit PortTable(uint32_t first_unprivileged) : first_unprivileged_(first_unprivileged) {}

  bool may_bind(const vfs::Credentials& who, uint16_t port) const;
  // Puts `socket` at `wanted`, where it says it is from then on. Port 0: one that nobody has, at random. EADDRINUSE.
  SysResult<IpEndpoint> bind(InetSocket& socket, const IpEndpoint& wanted);
  // Beside a socket that is there: a connection at its listener's port.
  void join(InetSocket& socket, uint16_t port) { users_[port].push_back(&socket); }
  void release(InetSocket& socket, uint16_t port);
  const std::vector<InetSocket*>& at(uint16_t port) const;
  const std::map<uint16_t, std::vector<InetSocket*>>& users() const { return users_; }
  // Do two sockets get the same packets, as far as addresses go?
  static bool overlap(const InetSocket& one, const IpAddress& its, const InetSocket& other, const IpAddress& others);

 private:
  bool is_free(const InetSocket& socket, const IpEndpoint& wanted) const;
  uint32_t first_unprivileged_;
  std::map<uint16_t, std::vector<InetSocket*>> users_;
};

// From the host's generator.
uint32_t random_number();

}  // namespace cella::sandbox::net
