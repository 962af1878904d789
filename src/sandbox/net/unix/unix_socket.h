// UnixSocket: a socket between processes of the same kernel, unix(7): streams, datagrams, and sequenced packets.
//
// A message lies in the queue of who is to receive it, and counts against the send buffer of who has sent it until
// then. A connection that has not been accepted is a socket without a descriptor in the listener's queue. Sockets know
// each other weakly: one is closed when its last descriptor and the last message with it are gone.
#pragma once

#include <deque>

#include "sandbox/net/socket.h"
#include "sandbox/net/unix/unix_domain.h"

namespace cella::sandbox::net {

class UnixSocket final : public Socket {
 public:
  UnixSocket(Caller& caller, std::shared_ptr<UnixDomain> of, int socket_type, int socket_protocol, int open_flags);
  ~UnixSocket() override;

  // socketpair(2).
  static void join(Caller& caller, UnixSocket& one, UnixSocket& other);

  SysResult<void> bind(Caller& caller, const Address& address) override;
  SysResult<void> connect(Caller& caller, const Address& address) override;
  SysResult<void> listen(Caller& caller, int backlog) override;
  SysResult<SocketPtr> accept(Caller& caller, int open_flags) override;
  SysResult<void> shutdown(Caller& caller, int how) override;
  SysResult<Address> local_address() override { return shown_name(); }
  SysResult<Address> peer_address() override;
  SysResult<size_t> send(Caller& caller, Outgoing& message) override;
  SysResult<size_t> receive(Caller& caller, Incoming& message) override;
  uint32_t ready(Caller& caller) override;
  SysResult<uint64_t> ioctl(Caller& caller, uint32_t request, uint64_t argument) override;

  // --- for InFlight: the files in messages that wait here, or at connections that wait here
  void for_each_in_flight(const std::function<void(vfs::File&)>& visit) const;
  void take_in_flight(std::vector<vfs::FilePtr>& files);
  // Its line of /proc/net/unix.
  std::string line() const;

 protected:
  bool is_listening() const override { return state_ == State::kListening; }
  ucred peer_credentials() const override { return peer_credentials_; }
  bool may_pass_credentials() const override { return true; }

 private:
  enum class State { kUnconnected, kListening, kConnected };

  // How much a socket has sent that has not been received; outlives the socket.
  struct Account {
    size_t used = 0;
    core::WaitQueue* queue = nullptr;  // of the sender; null: it is closed
  };
  // A message's part of it.
  class Charge {
   public:
    Charge(std::shared_ptr<Account> account, size_t size) : account_(std::move(account)), size_(size) {
      account_->used += size_;
    }
    Charge(Charge&&) noexcept = default;
    Charge& operator=(Charge&&) = delete;
    ~Charge();

   private:
    std::shared_ptr<Account> account_;
    size_t size_;
  };
  struct Message {
    std::vector<char> data;
    size_t start = 0;  // of what has not been read
    std::unique_ptr<Rights> rights;
    ucred writer = {};
    Address from;
    timespec time = {};
    Charge charge;
    size_t left() const { return data.size() - start; }
  };
  // Tells a sender that its receiver has room again.
  class RoomWaiter final : public core::Waiter {
   public:
    explicit RoomWaiter(core::WaitQueue& sender) : sender_(sender) {}
    void on_event(uint32_t) override {
      leave();
      sender_.notify(POLLOUT | POLLWRNORM);
    }

   private:
    core::WaitQueue& sender_;
  };

  bool is_stream() const { return type == SOCK_STREAM; }
  bool is_connection() const { return type != SOCK_DGRAM; }
  Address shown_name() const;
  SysResult<void> bind_path(Caller& caller, const std::string& name);
  SysResult<void> bind_abstract(const std::string& name);
  SysResult<void> bind_automatically();
  // Who is bound to that name and has our type. ECONNREFUSED, EPROTOTYPE, and errors of the walk.
  SysResult<std::shared_ptr<UnixSocket>> find(Caller& caller, const Address& address) const;
  SysResult<void> connect_stream(Caller& caller, const Address& address);
  SysResult<void> connect_datagram(Caller& caller, const Address& address);

  SysResult<size_t> send_stream(Caller& caller, Outgoing& message);
  SysResult<size_t> send_datagram(Caller& caller, Outgoing& message);
  SysResult<size_t> receive_stream(Incoming& message);
  SysResult<size_t> receive_datagram(Incoming& message);
  SysResult<std::unique_ptr<Rights>> take_rights(Caller& caller, Outgoing& message);
  ucred writer_for(Caller& caller, const Outgoing& message, const UnixSocket& receiver) const;
  void deliver(Message message, UnixSocket& receiver) const;
  bool has_room() const { return account_->used < static_cast<size_t>(options.send_buffer); }
  // Has this one so many datagrams that `sender` has to wait?
  bool is_full_for(const UnixSocket& sender) const;
  void wait_for_room_of(UnixSocket& receiver);
  // What a message brings besides its data.
  void give_extras(Message& from, Incoming& message, bool peek) const;
  size_t unread() const;  // bytes, as FIONREAD has it
  void be_told(uint32_t events) { queue_.notify(events); }

  std::shared_ptr<UnixDomain> domain_;
  State state_ = State::kUnconnected;
  bool shut_receive_ = false, shut_send_ = false;
  std::optional<std::string> name_;  // sun_path: with a NUL before it an abstract one
  vfs::Path bound_path_;             // keeps the inode that leads here
  std::weak_ptr<vfs::File> peer_;
  std::shared_ptr<UnixSocket> peer() const;
  std::optional<Address> gone_peer_name_;  // of a connection that the peer has closed
  ucred peer_credentials_ = {0, ~0u, ~0u};
  std::shared_ptr<Account> account_ = std::make_shared<Account>();
  std::deque<Message> messages_;

  std::deque<std::shared_ptr<UnixSocket>> connections_;  // not accepted yet
  size_t backlog_ = 0;
  ucred listener_credentials_ = {};
  core::WaitQueue room_;  // who waits for room in messages_ or connections_
  std::map<UnixSocket*, std::unique_ptr<RoomWaiter>> room_waiters_;
};

}  // namespace cella::sandbox::net
