// TcpSocket: a stream over the loopback, tcp(7). Two ends know each other; what one sends is in the other's queue at
// once. No packets, no time waits: a port is free when its last socket is closed.
#pragma once

#include <deque>

#include "sandbox/net/inet/byte_queue.h"
#include "sandbox/net/inet/inet_socket.h"

namespace cella::sandbox::net {

class TcpSocket final : public InetSocket {
 public:
  TcpSocket(Caller& caller, std::shared_ptr<PortTable> ports, int socket_domain, int open_flags);
  ~TcpSocket() override;

  SysResult<void> connect(Caller& caller, const Address& address) override;
  SysResult<void> listen(Caller& caller, int backlog) override;
  SysResult<SocketPtr> accept(Caller& caller, int open_flags) override;
  SysResult<void> shutdown(Caller& caller, int how) override;
  SysResult<Address> peer_address() override;
  SysResult<Address> accepted_from() override { return address_of(remote_, domain); }
  SysResult<size_t> send(Caller& caller, Outgoing& message) override;
  SysResult<size_t> receive(Caller& caller, Incoming& message) override;
  uint32_t ready(Caller& caller) override;
  SysResult<uint64_t> ioctl(Caller& caller, uint32_t request, uint64_t argument) override;
  bool listens() const override { return state_ == State::kListening; }
  SocketLine line() const override;

 protected:
  bool is_listening() const override { return listens(); }
  SysResult<std::string> level_option(Caller& caller, int level, int name, std::string_view given) override;
  SysResult<void> set_level_option(Caller& caller, int level, int name, std::string_view value) override;

 private:
  enum class State {
    kClosed,
    kListening,
    kConnecting,  // waits for room in a listener's backlog
    kConnected,
    kReset,  // was connected
  };

  TcpSocket* find_listener(const IpEndpoint& to) const;
  SysResult<void> start_connecting(Caller& caller, const IpEndpoint& to);
  SysResult<void> finish_connecting(Caller& caller);
  bool has_backlog() const { return connections_.size() <= backlog_; }
  // Makes the listener's end of a connection.
  void establish(Caller& caller, TcpSocket& client);
  void stop_connecting();
  void stop_listening();
  // The other end goes away: all that it had to say is here, or not even that.
  void peer_has_closed();
  void peer_has_reset();
  // This end goes away.
  void close_connection(bool reset);
  size_t room() const;
  int state_number() const;  // TCP_* of tcp(7)

  State state_ = State::kClosed;
  bool told_connected_ = true;  // false: connect(2) has not said yet how it went
  bool shut_receive_ = false, shut_send_ = false;
  bool end_received_ = false;  // the peer sends no more
  TcpSocket* peer_ = nullptr;  // null: it is closed, or there was none
  ByteQueue received_;

  std::deque<std::shared_ptr<TcpSocket>> connections_;  // not accepted yet
  std::deque<TcpSocket*> waiting_;                      // for room in there
  size_t backlog_ = 0;
  TcpSocket* target_ = nullptr;  // whom it waits for itself
};

}  // namespace cella::sandbox::net
