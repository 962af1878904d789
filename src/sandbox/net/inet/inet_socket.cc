#include "sandbox/net/inet/inet_socket.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include "base/result.h"
#include "sandbox/net/inet/inet_options.h"

namespace cella::sandbox::net {
namespace {

constexpr int kLoopbackMtu = 65536, kMostMtuV4 = 65535;

}  // namespace

InetSocket::InetSocket(Caller& caller, std::shared_ptr<PortTable> ports, int socket_domain, int socket_type,
                       int socket_protocol, int open_flags)
    : Socket(caller, socket_domain, socket_type, socket_protocol, open_flags),
      ports_(std::move(ports)),
      user_(caller.credentials().fsuid) {
  local_.address = remote_.address = IpAddress::any(domain);
}

InetSocket::~InetSocket() {
  unbind();
}

void InetSocket::unbind() {
  if (bound_) ports_->release(*this, local_.port);
  bound_ = fixed_address_ = fixed_port_ = false;
  local_ = {IpAddress::any(domain), 0};
}

void InetSocket::forget_choices() {
  if (bound_ && !fixed_port_) {
    ports_->release(*this, local_.port);
    local_.port = 0;
    bound_ = false;
  }
  if (!fixed_address_) local_.address = IpAddress::any(domain);
}

void InetSocket::set_local(const IpEndpoint& place, bool join) {
  local_ = place;
  bound_ = true;
  if (join) ports_->join(*this, place.port);
}

SysResult<void> InetSocket::check_address(const IpEndpoint& place) const {
  if (domain == AF_INET6 && place.address.is_v4() && is_v6_only()) return fail(EINVAL);
  const bool forced = number(SOL_IP, IP_FREEBIND) || number(SOL_IP, IP_TRANSPARENT);
  if (place.address.is_any() || place.address.is_loopback() || forced) return {};
  return type == SOCK_DGRAM && place.address.is_multicast() ? SysResult<void>() : fail(EADDRNOTAVAIL);
}

SysResult<void> InetSocket::bind(Caller& caller, const Address& address) {
  Address checked = address;
  // Old programs leave the family out.
  const bool old = domain == AF_INET && address.family() == AF_UNSPEC && address.size >= sizeof(sockaddr_in) &&
                   address.as<sockaddr_in>().sin_addr.s_addr == INADDR_ANY;
  if (old) checked.storage.ss_family = AF_INET;
  const IpEndpoint wanted = TRY(endpoint_from(checked, domain));
  TRY(check_address(wanted));
  if (!ports_->may_bind(caller.credentials(), wanted.port)) return fail(EACCES);
  if (bound_) return fail(EINVAL);
  const IpEndpoint place = TRY(ports_->bind(*this, wanted));
  set_local(place, false);
  fixed_address_ = !place.address.is_any();
  fixed_port_ = wanted.port != 0;
  return {};
}

SysResult<IpEndpoint> InetSocket::route(IpEndpoint to) const {
  if (to.address.is_any()) to.address = IpAddress::loopback(domain == AF_INET || to.address.is_v4());
  if (domain == AF_INET6 && to.address.is_v4() && is_v6_only()) return fail(ENETUNREACH);
  if (!to.address.is_loopback()) return fail(ENETUNREACH);
  // One that is bound to an address of one family does not speak the other.
  if (fixed_address_ && local_.address.is_v4() != to.address.is_v4()) return fail(EINVAL);
  return to;
}

SysResult<void> InetSocket::bind_for(const IpEndpoint& to) {
  if (!bound_) {
    SysResult<IpEndpoint> place = ports_->bind(*this, {local_.address, 0});
    if (!place) return fail(type == SOCK_STREAM ? EADDRNOTAVAIL : EAGAIN);
    set_local(*place, false);
  }
  if (local_.address.is_any()) local_.address = IpAddress::loopback(to.address.is_v4());
  return {};
}

void InetSocket::copy_options(const InetSocket& from) {
  options = from.options;
  numbers_ = from.numbers_;
  user_ = from.user_;
}

SocketLine InetSocket::line_with(int state, size_t queued) const {
  return {domain, type, local_, remote_, state, queued, user_, path.dentry->inode->attributes()->st_ino};
}

// --- options

int InetSocket::number(int level, int name) const {
  auto set = numbers_.find({level, name});
  if (set != numbers_.end()) return set->second;
  const InetOption* option = inet_option(level, name);
  return option != nullptr ? option->initial : 0;
}

bool InetSocket::knows_level(int level) const {
  return level == SOL_IP || (level == SOL_IPV6 && domain == AF_INET6) ||
         level == (type == SOCK_STREAM ? SOL_TCP : SOL_UDP);
}

SysResult<std::string> InetSocket::level_option(Caller&, int level, int name, std::string_view given) {
  if (!knows_level(level)) return fail(level == SOL_IPV6 ? ENOPROTOOPT : EOPNOTSUPP);
  const bool is_connected = remote_.port != 0;
  if ((level == SOL_IP && name == IP_MTU) || (level == SOL_IPV6 && name == IPV6_MTU)) {
    if (!is_connected) return fail(ENOTCONN);
    return option_bytes(level == SOL_IP ? kMostMtuV4 : kLoopbackMtu);
  }
  if (level == SOL_IP && name == IP_MULTICAST_IF) return option_bytes(in_addr{});
  if (level == SOL_IPV6 && name == IPV6_MULTICAST_IF) return option_bytes(0);
  if (level == SOL_IP && name == IP_OPTIONS) return std::string();
  if (inet_option(level, name) == nullptr) return fail(ENOPROTOOPT);
  const int value = number(level, name);
  // Who asks for less than a number gets a byte, if it fits.
  constexpr int kMostByte = 255;
  if (level == SOL_IP && !given.empty() && given.size() < sizeof value && value >= 0 && value <= kMostByte) {
    return std::string(1, static_cast<char>(value));
  }
  return option_bytes(value);
}

SysResult<void> InetSocket::set_level_option(Caller& caller, int level, int name, std::string_view value) {
  if (!knows_level(level)) return fail(ENOPROTOOPT);
  const bool joins = (level == SOL_IP && (name == IP_ADD_MEMBERSHIP || name == MCAST_JOIN_GROUP)) ||
                     (level == SOL_IPV6 && (name == IPV6_ADD_MEMBERSHIP || name == MCAST_JOIN_GROUP));
  if (joins) return fail(ENODEV);
  const InetOption* option = inet_option(level, name);
  if (option == nullptr || option->read_only) return fail(ENOPROTOOPT);
  int wanted;
  if (level == SOL_IP && value.size() < sizeof wanted) {
    if (value.empty()) return fail(EINVAL);
    wanted = static_cast<unsigned char>(value[0]);
  } else {
    wanted = TRY(option_value<int>(value));
  }
  if (level == SOL_IP && name == IP_TTL && wanted == -1) wanted = option->initial;
  if (wanted < option->least || wanted > option->most) return fail(EINVAL);
  if (option->is_flag) wanted = wanted != 0;
  if (option->capability >= 0 && wanted != 0 && !caller.credentials().has(option->capability)) return fail(EPERM);
  if (level == SOL_IPV6 && name == IPV6_V6ONLY && bound_) return fail(EINVAL);
  if (wanted == -1 && name != TCP_LINGER2) wanted = option->initial;
  numbers_[{level, name}] = wanted;
  return {};
}

SysResult<void> InetSocket::options_changed(int name) {
  if (name == SO_BINDTODEVICE && !options.device.empty() && options.device != "lo") {
    options.device.clear();
    return fail(ENODEV);
  }
  return {};
}

}  // namespace cella::sandbox::net
