// NetlinkSocket: netlink(7) of the family NETLINK_ROUTE, rtnetlink(7), as far as asking goes: interfaces, addresses and
// routes. Whoever wants to change them is refused, and nobody is told of changes.
#pragma once

#include <deque>

#include "sandbox/net/interfaces.h"

namespace cella::sandbox::net {

// The port numbers in use in one kernel.
struct NetlinkPorts {
  std::map<uint32_t, int> users;
};

class NetlinkSocket final : public Socket {
 public:
  NetlinkSocket(Caller& caller, std::shared_ptr<NetlinkPorts> ports, ReadNetwork network, int socket_type,
                int socket_protocol, int open_flags);
  ~NetlinkSocket() override;

  SysResult<void> bind(Caller& caller, const Address& address) override;
  SysResult<void> connect(Caller& caller, const Address& address) override;
  SysResult<Address> local_address() override;
  SysResult<Address> peer_address() override;
  SysResult<size_t> send(Caller& caller, Outgoing& message) override;
  SysResult<size_t> receive(Caller& caller, Incoming& message) override;
  uint32_t ready(Caller& caller) override;
  SysResult<uint64_t> ioctl(Caller&, uint32_t, uint64_t) override { return fail(ENOTTY); }

 protected:
  bool may_pass_credentials() const override { return true; }
  SysResult<std::string> level_option(Caller& caller, int level, int name, std::string_view given) override;
  SysResult<void> set_level_option(Caller& caller, int level, int name, std::string_view value) override;

 private:
  void take_port(Caller& caller);
  // Answers one request.
  void handle(Caller& caller, std::string_view request);
  void answer(std::string message);

  std::shared_ptr<NetlinkPorts> ports_;
  ReadNetwork network_;
  uint32_t port_ = 0;  // 0: none yet
  uint32_t groups_ = 0;
  std::map<int, int> numbers_;  // SOL_NETLINK options
  std::deque<std::string> answers_;
  size_t queued_ = 0;
};

}  // namespace cella::sandbox::net
