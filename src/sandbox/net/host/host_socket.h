// HostSocket: a guest's socket that is one of the host's: TCP or UDP in the network namespace of this process.
//
// The host's socket never blocks; who waits here is woken by the HostPoller. Nothing of the guest's goes to the host
// but buffers, addresses that have been taken apart, and options, ioctls and ancillary data that are in a list
// (host_options.h); nothing comes back but what is in those lists. There is no waiting in close(2): SO_LINGER with a
// time is remembered, and means nothing.
#pragma once

#include <set>

#include "sandbox/fs/host/host_fd.h"
#include "sandbox/net/inet/socket_list.h"
#include "sys/fd.h"

namespace cella::sandbox::net {

class HostSocket;

// What those of one kernel have in common.
struct HostSockets {
  fs::HostPoller& poller;
  uint32_t first_unprivileged_port;
  std::set<HostSocket*> all;
};

class HostSocket final : public Socket {
 public:
  // `fd`: does not block.
  HostSocket(Caller& caller, std::shared_ptr<HostSockets> sockets, sys::FileDescriptor fd, int socket_domain,
             int socket_type, int socket_protocol, int open_flags);
  ~HostSocket() override;

  SysResult<void> bind(Caller& caller, const Address& address) override;
  SysResult<void> connect(Caller& caller, const Address& address) override;
  SysResult<void> listen(Caller& caller, int backlog) override;
  SysResult<SocketPtr> accept(Caller& caller, int open_flags) override;
  SysResult<void> shutdown(Caller& caller, int how) override;
  SysResult<Address> local_address() override;
  SysResult<Address> peer_address() override;
  SysResult<Address> accepted_from() override { return from_; }
  SysResult<size_t> send(Caller& caller, Outgoing& message) override;
  SysResult<size_t> receive(Caller& caller, Incoming& message) override;
  uint32_t ready(Caller& caller) override;
  SysResult<uint64_t> ioctl(Caller& caller, uint32_t request, uint64_t argument) override;
  int take_error() override;
  SocketLine line();

 protected:
  bool is_listening() const override { return listening_; }
  SysResult<std::string> level_option(Caller& caller, int level, int name, std::string_view given) override;
  SysResult<void> set_level_option(Caller& caller, int level, int name, std::string_view value) override;
  SysResult<void> options_changed(int name) override;

 private:
  // For the host: of our family, or of none where that means something.
  SysResult<Address> checked(const Address& address) const;

  // What the host has made of them.
  void read_buffer_sizes();

  std::shared_ptr<HostSockets> sockets_;
  uint32_t user_;
  sys::FileDescriptor fd_;
  bool listening_ = false;
  Address from_;  // of an accepted one
};

}  // namespace cella::sandbox::net
