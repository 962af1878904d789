// InetSocket: what TCP and UDP sockets of the loopback stack have in common: where they are bound, and their options.
//
// There are two networks, 127.0.0.0/8 and ::1, and no way out: other destinations are ENETUNREACH. An AF_INET6 socket
// speaks IPv4 too unless IPV6_V6ONLY says otherwise. What is sent is there at once; nothing is lost but what does not
// fit into a receiver's buffer.
#pragma once

#include "sandbox/net/inet/ports.h"
#include "sandbox/net/inet/socket_list.h"

namespace cella::sandbox::net {

class InetSocket : public Socket {
 public:
  InetSocket(Caller& caller, std::shared_ptr<PortTable> ports, int socket_domain, int socket_type, int socket_protocol,
             int open_flags);
  ~InetSocket() override;

  const IpEndpoint& local() const { return local_; }
  const IpEndpoint& remote() const { return remote_; }
  bool is_bound() const { return bound_; }
  bool is_v6_only() const { return number(SOL_IPV6, IPV6_V6ONLY) != 0; }
  uint32_t user() const { return user_; }
  virtual bool listens() const { return false; }
  // Its line of /proc/net/tcp and the like.
  virtual SocketLine line() const = 0;

  SysResult<void> bind(Caller& caller, const Address& address) override;
  SysResult<Address> local_address() override { return address_of(local_, domain); }

 protected:
  // The value of an option of another level than SOL_SOCKET.
  int number(int level, int name) const;
  // Where packets to `to` go: "any" means this machine. ENETUNREACH.
  SysResult<IpEndpoint> route(IpEndpoint to) const;
  // Binds it if it is not, for sending to `to`. EAGAIN becomes EADDRNOTAVAIL: no port is left.
  SysResult<void> bind_for(const IpEndpoint& to);
  // An end of connect(2) for datagrams: what bind(2) was not asked for by name is given back.
  void forget_choices();
  void unbind();
  PortTable& ports() const { return *ports_; }
  const std::shared_ptr<PortTable>& shared_ports() const { return ports_; }
  void set_local(const IpEndpoint& place, bool join);
  void copy_options(const InetSocket& from);
  SocketLine line_with(int state, size_t queued) const;

  SysResult<std::string> level_option(Caller& caller, int level, int name, std::string_view given) override;
  SysResult<void> set_level_option(Caller& caller, int level, int name, std::string_view value) override;
  SysResult<void> options_changed(int name) override;

  IpEndpoint local_, remote_;

 private:
  SysResult<void> check_address(const IpEndpoint& place) const;
  bool knows_level(int level) const;

  std::shared_ptr<PortTable> ports_;
  uint32_t user_;
  bool bound_ = false;
  bool fixed_address_ = false, fixed_port_ = false;  // bind(2) has said which
  std::map<std::pair<int, int>, int> numbers_;
};

}  // namespace cella::sandbox::net
