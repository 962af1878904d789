#include "sandbox/net/inet/ports.h"

#include <linux/capability.h>
#include <sys/random.h>

#include <algorithm>

#include "sandbox/net/inet/inet_socket.h"

namespace cella::sandbox::net {
namespace {

constexpr uint16_t kFirst = 32768, kLast = 60999;  // net.ipv4.ip_local_port_range

}  // namespace

uint32_t random_number() {
  uint32_t number = 0;
  (void)!::getrandom(&number, sizeof number, 0);
  return number;
}

bool PortTable::may_bind(const vfs::Credentials& who, uint16_t port) const {
  return port == 0 || port >= first_unprivileged_ || who.has(CAP_NET_BIND_SERVICE);
}

bool PortTable::overlap(const InetSocket& one, const IpAddress& its, const InetSocket& other, const IpAddress& others) {
  if (its == others) return true;
  // "::" takes packets of IPv4 too, unless it was asked not to.
  auto takes = [](const InetSocket& socket, const IpAddress& own, const IpAddress& packet) {
    if (!own.is_any()) return false;
    return own.is_v4() == packet.is_v4() || (!own.is_v4() && !socket.is_v6_only());
  };
  return takes(one, its, others) || takes(other, others, its);
}

bool PortTable::is_free(const InetSocket& socket, const IpEndpoint& wanted) const {
  return std::ranges::none_of(at(wanted.port), [&](const InetSocket* other) {
    if (!overlap(socket, wanted.address, *other, other->local().address)) return false;
    const bool both_reuse = socket.options.reuse_address && other->options.reuse_address && !other->listens();
    const bool both_share = socket.options.reuse_port && other->options.reuse_port && socket.user() == other->user();
    return !both_reuse && !both_share;
  });
}

SysResult<IpEndpoint> PortTable::bind(InetSocket& socket, const IpEndpoint& wanted) {
  IpEndpoint place = wanted;
  if (wanted.port == 0) {
    constexpr uint32_t kPorts = kLast - kFirst + 1;
    const uint32_t start = random_number() % kPorts;
    for (uint32_t i = 0; i < kPorts && place.port == 0; ++i) {
      const auto port = static_cast<uint16_t>(kFirst + (start + i) % kPorts);
      if (!users_.contains(port)) place.port = port;
    }
    if (place.port == 0) return fail(EADDRINUSE);
  } else if (!is_free(socket, wanted)) {
    return fail(EADDRINUSE);
  }
  users_[place.port].push_back(&socket);
  return place;
}

void PortTable::release(InetSocket& socket, uint16_t port) {
  auto found = users_.find(port);
  if (found == users_.end()) return;
  std::erase(found->second, &socket);
  if (found->second.empty()) users_.erase(found);
}

const std::vector<InetSocket*>& PortTable::at(uint16_t port) const {
  static const std::vector<InetSocket*> kNobody;
  auto found = users_.find(port);
  return found == users_.end() ? kNobody : found->second;
}

}  // namespace cella::sandbox::net
