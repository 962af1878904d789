// UdpSocket: datagrams over the loopback, udp(7).
#pragma once

#include <deque>

#include "sandbox/net/inet/inet_socket.h"

namespace cella::sandbox::net {

class UdpSocket final : public InetSocket {
 public:
  UdpSocket(Caller& caller, std::shared_ptr<PortTable> ports, int socket_domain, int open_flags);

  SysResult<void> connect(Caller& caller, const Address& address) override;
  SysResult<void> shutdown(Caller& caller, int how) override;
  SysResult<Address> peer_address() override;
  SysResult<size_t> send(Caller& caller, Outgoing& message) override;
  SysResult<size_t> receive(Caller& caller, Incoming& message) override;
  uint32_t ready(Caller& caller) override;
  SysResult<uint64_t> ioctl(Caller& caller, uint32_t request, uint64_t argument) override;
  SocketLine line() const override;

 private:
  struct Datagram {
    std::vector<char> data;
    IpEndpoint from;
    IpAddress to;
    timespec time = {};
    int hops = 0, traffic_class = 0;
  };
  // What a message's ancillary data asks for.
  struct Wishes {
    std::optional<IpAddress> source;
    std::optional<int> hops, traffic_class;
  };

  SysResult<Wishes> wishes_of(const Outgoing& message) const;
  // Who gets what is sent from `from` to `to`; null: nobody is there.
  UdpSocket* find_receiver(const IpEndpoint& from, const IpEndpoint& to) const;
  bool is_connected() const { return remote_.port != 0; }
  void add_extras(const Datagram& datagram, Incoming& message) const;

  std::deque<Datagram> datagrams_;
  size_t queued_ = 0;  // bytes, with the kernel's overhead
  bool shut_receive_ = false, shut_send_ = false;
};

}  // namespace cella::sandbox::net
