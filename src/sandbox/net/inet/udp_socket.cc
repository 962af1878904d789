#include "sandbox/net/inet/udp_socket.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>

#include "base/result.h"

namespace cella::sandbox::net {
namespace {

constexpr size_t kOverhead = 768;  // of a datagram in a receiver's buffer: an sk_buff
constexpr size_t kMostV4 = 65535 - 20 - 8, kMostV6 = 65535 - 8;
constexpr uint32_t kBroadcast = 0x7fffffff;  // of 127.0.0.0/8
constexpr int kInterface = 1;                // lo's number

}  // namespace

UdpSocket::UdpSocket(Caller& caller, std::shared_ptr<PortTable> table, int socket_domain, int open_flags)
    : InetSocket(caller, std::move(table), socket_domain, SOCK_DGRAM, IPPROTO_UDP, open_flags) {}

SysResult<void> UdpSocket::connect(Caller&, const Address& address) {
  if (address.size < sizeof(sa_family_t)) return fail(EINVAL);
  if (address.family() == AF_UNSPEC) {
    remote_ = {IpAddress::any(domain), 0};
    shut_receive_ = shut_send_ = false;
    forget_choices();
    return {};
  }
  const IpEndpoint to = TRY(endpoint_from(address, domain, !is_v6_only()));
  const IpEndpoint target = TRY(route(to));
  if (target.address == IpAddress::v4(kBroadcast) && !options.broadcast) return fail(EACCES);
  TRY(bind_for(target));
  remote_ = target;
  return {};
}

SysResult<void> UdpSocket::shutdown(Caller&, int how) {
  if (!is_connected()) return fail(ENOTCONN);
  shut_receive_ |= how != SHUT_WR;
  shut_send_ |= how != SHUT_RD;
  queue_.notify(~0u);
  return {};
}

SysResult<Address> UdpSocket::peer_address() {
  if (!is_connected()) return fail(ENOTCONN);
  return address_of(remote_, domain);
}

SysResult<UdpSocket::Wishes> UdpSocket::wishes_of(const Outgoing& message) const {
  Wishes wishes;
  for (const ControlItem& item : message.control) {
    if (item.level == SOL_IP && item.type == IP_PKTINFO) {
      const auto info = TRY(option_value<in_pktinfo>(item.data));
      if (info.ipi_spec_dst.s_addr != INADDR_ANY) wishes.source = IpAddress::v4(ntohl(info.ipi_spec_dst.s_addr));
    } else if (item.level == SOL_IPV6 && item.type == IPV6_PKTINFO && domain == AF_INET6) {
      const auto info = TRY(option_value<in6_pktinfo>(item.data));
      const IpAddress source = IpAddress::v6(info.ipi6_addr);
      if (!source.is_any()) wishes.source = source;
    } else if ((item.level == SOL_IP && item.type == IP_TTL) ||
               (item.level == SOL_IPV6 && item.type == IPV6_HOPLIMIT)) {
      wishes.hops = TRY(option_value<int>(item.data));
      constexpr int kMostHops = 255;
      if (*wishes.hops < (item.level == SOL_IP ? 1 : -1) || *wishes.hops > kMostHops) return fail(EINVAL);
    } else if ((item.level == SOL_IP && item.type == IP_TOS) || (item.level == SOL_IPV6 && item.type == IPV6_TCLASS)) {
      wishes.traffic_class =
          item.data.size() == 1 ? static_cast<unsigned char>(item.data[0]) : TRY(option_value<int>(item.data))
      &0xff;
    } else if (item.level == SOL_IP || item.level == SOL_IPV6 || item.level == SOL_SOCKET || item.level == SOL_UDP) {
      return fail(EINVAL);
    }
  }
  if (wishes.source && !wishes.source->is_loopback()) return fail(EINVAL);
  return wishes;
}

UdpSocket* UdpSocket::find_receiver(const IpEndpoint& from, const IpEndpoint& to) const {
  std::vector<UdpSocket*> best;
  int best_score = 0;
  for (InetSocket* user : ports().at(to.port)) {
    auto* receiver = static_cast<UdpSocket*>(user);
    const IpAddress& own = receiver->local_.address;
    int score = 0;
    if (own == to.address) {
      score = 3;
    } else if (own.is_any() && own.is_v4() == to.address.is_v4()) {
      score = 2;
    } else if (own.is_any() && !own.is_v4() && !receiver->is_v6_only()) {
      score = 1;
    }
    if (score > 0 && receiver->is_connected()) {
      constexpr int kConnected = 4;
      score = receiver->remote_ == from ? score + kConnected : 0;
    }
    if (score == 0 || score < best_score) continue;
    if (score > best_score) best.clear();
    best_score = score;
    best.push_back(receiver);
  }
  if (best.empty()) return nullptr;
  // Of several that share the port any; of several that only reuse the address the latest.
  return best.front()->options.reuse_port ? best[random_number() % best.size()] : best.back();
}

SysResult<size_t> UdpSocket::send(Caller&, Outgoing& message) {
  if (message.flags & MSG_OOB) return fail(EOPNOTSUPP);
  const size_t size = message.data->left();
  IpEndpoint to = remote_;
  if (message.to != nullptr) {
    to = TRY(endpoint_from(*message.to, domain, !is_v6_only()));
    if (to.port == 0) return fail(EINVAL);
  } else if (!is_connected()) {
    return fail(EDESTADDRREQ);
  }
  if (size > (to.address.is_v4() ? kMostV4 : kMostV6)) return fail(EMSGSIZE);
  if (error_ != 0) return fail(take_error());
  const Wishes wishes = TRY(wishes_of(message));
  if (shut_send_) return fail(EPIPE);
  to = TRY(route(to));
  if (to.address == IpAddress::v4(kBroadcast) && !options.broadcast) return fail(EACCES);
  if (!is_bound()) {
    const IpEndpoint place = TRY(ports().bind(*this, {local_.address, 0}));
    set_local(place, false);
  }
  IpEndpoint from = local_;
  if (from.address.is_any()) from.address = IpAddress::loopback(to.address.is_v4());
  if (wishes.source) from.address = *wishes.source;

  UdpSocket* receiver = find_receiver(from, to);
  if (receiver == nullptr) {
    message.data->skip(size);
    // "Port unreachable" comes back to those who are connected.
    if (is_connected() && message.to == nullptr) {
      error_ = ECONNREFUSED;
      queue_.notify(~0u);
    }
    return size;
  }
  if (receiver->queued_ + size > static_cast<size_t>(receiver->options.receive_buffer)) return message.data->skip(size);
  Datagram datagram;
  datagram.data.resize(size);
  message.data->take(datagram.data.data(), size);
  datagram.from = from;
  datagram.to = to.address;
  datagram.time = core::to_timespec(core::now(CLOCK_REALTIME));
  const bool is_v4 = to.address.is_v4();
  datagram.hops = wishes.hops.value_or(is_v4 ? number(SOL_IP, IP_TTL) : number(SOL_IPV6, IPV6_UNICAST_HOPS));
  datagram.traffic_class =
      wishes.traffic_class.value_or(is_v4 ? number(SOL_IP, IP_TOS) : number(SOL_IPV6, IPV6_TCLASS));
  receiver->queued_ += size + kOverhead;
  receiver->datagrams_.push_back(std::move(datagram));
  receiver->queue_.notify(POLLIN | POLLRDNORM);
  return size;
}

void UdpSocket::add_extras(const Datagram& datagram, Incoming& message) const {
  if (options.timestamp != 0) add_timestamp(message, datagram.time);
  const bool is_v4 = datagram.to.is_v4();
  if (is_v4 && number(SOL_IP, IP_PKTINFO)) {
    in_pktinfo info = {};
    info.ipi_ifindex = kInterface;
    info.ipi_spec_dst.s_addr = info.ipi_addr.s_addr = htonl(datagram.to.as_v4());
    message.control.push_back({SOL_IP, IP_PKTINFO, option_bytes(info)});
  }
  if (domain == AF_INET6 && number(SOL_IPV6, IPV6_RECVPKTINFO)) {
    const in6_pktinfo info = {datagram.to.as_v6(), kInterface};
    message.control.push_back({SOL_IPV6, IPV6_PKTINFO, option_bytes(info)});
  }
  if (is_v4 && number(SOL_IP, IP_RECVTTL)) message.control.push_back({SOL_IP, IP_TTL, option_bytes(datagram.hops)});
  if (is_v4 && number(SOL_IP, IP_RECVTOS)) {
    message.control.push_back({SOL_IP, IP_TOS, std::string(1, static_cast<char>(datagram.traffic_class))});
  }
  if (is_v4 && number(SOL_IP, IP_RECVORIGDSTADDR)) {
    const Address to = address_of({datagram.to, local_.port}, AF_INET);
    message.control.push_back({SOL_IP, IP_ORIGDSTADDR, option_bytes(to.as<sockaddr_in>())});
  }
  if (!is_v4 && number(SOL_IPV6, IPV6_RECVHOPLIMIT)) {
    message.control.push_back({SOL_IPV6, IPV6_HOPLIMIT, option_bytes(datagram.hops)});
  }
  if (!is_v4 && number(SOL_IPV6, IPV6_RECVTCLASS)) {
    message.control.push_back({SOL_IPV6, IPV6_TCLASS, option_bytes(datagram.traffic_class)});
  }
}

SysResult<size_t> UdpSocket::receive(Caller&, Incoming& message) {
  if (message.flags & MSG_OOB) return fail(EINVAL);
  if (message.flags & MSG_ERRQUEUE) return fail(EAGAIN);
  if (error_ != 0) return fail(take_error());
  if (datagrams_.empty()) return shut_receive_ ? SysResult<size_t>(0) : fail(EAGAIN);
  Datagram& one = datagrams_.front();
  const size_t done = message.data->put(one.data.data(), one.data.size());
  message.length = one.data.size();
  message.from = address_of(one.from, domain);
  if (done < one.data.size()) message.result_flags |= MSG_TRUNC;
  add_extras(one, message);
  if (!(message.flags & MSG_PEEK)) {
    queued_ -= one.data.size() + kOverhead;
    datagrams_.pop_front();
  }
  return done;
}

uint32_t UdpSocket::ready(Caller&) {
  uint32_t events = POLLOUT | POLLWRNORM | POLLWRBAND;
  if (error_ != 0) events |= POLLERR;
  if (shut_receive_) events |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (shut_receive_ && shut_send_) events |= POLLHUP;
  if (!datagrams_.empty()) events |= POLLIN | POLLRDNORM;
  return events;
}

SysResult<uint64_t> UdpSocket::ioctl(Caller& caller, uint32_t request, uint64_t argument) {
  if (request != SIOCINQ && request != SIOCOUTQ) return fail(ENOTTY);
  const size_t waiting = request == SIOCOUTQ || datagrams_.empty() ? 0 : datagrams_.front().data.size();
  TRY(caller.memory().write(argument, static_cast<int>(waiting)));
  return 0;
}

SocketLine UdpSocket::line() const {
  constexpr int kConnected = 1, kClosed = 7;
  return line_with(is_connected() ? kConnected : kClosed, queued_);
}

}  // namespace cella::sandbox::net
