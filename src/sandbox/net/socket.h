// Socket: one end of a communication, socket(2): a vfs::File with operations of its own, and what all families have in
// common: options of level SOL_SOCKET, buffers' sizes, timeouts, the pending error. socket(7).
//
// send() and receive() never sleep, as read() and write() of any file; accept() neither. connect() may. Who waits does
// so at queue() for what ready() says, with send_timeout() and receive_timeout().
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/fs/filesystem.h"
#include "sandbox/vfs/file.h"

namespace cella::sandbox::net {

class Socket;
using SocketPtr = std::shared_ptr<Socket>;
using vfs::Caller;
using vfs::IoVector;

inline std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// A sockaddr of any family, as long as `size` says; 0: none.
struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  int family() const { return size >= sizeof(sa_family_t) ? storage.ss_family : AF_UNSPEC; }
  template <typename T>
  const T& as() const {
    return reinterpret_cast<const T&>(storage);
  }
  template <typename T>
  static Address of(const T& value) {
    static_assert(sizeof(T) <= sizeof(sockaddr_storage));
    Address address;
    reinterpret_cast<T&>(address.storage) = value;
    address.size = sizeof value;
    return address;
  }
};

// Ancillary data besides descriptors and credentials, cmsg(3).
struct ControlItem {
  int level = 0, type = 0;
  std::string data;
};

// What goes out with one call. `flags`: MSG_*.
struct Outgoing {
  IoVector* data = nullptr;
  int flags = 0;
  const Address* to = nullptr;
  std::vector<vfs::FilePtr> rights;  // SCM_RIGHTS; taken by the send() that succeeds
  std::optional<ucred> credentials;  // SCM_CREDENTIALS, checked
  std::vector<ControlItem> control;
};

// What has come in. A receive() for somebody who has no room for ancillary data loses it.
struct Incoming {
  IoVector* data = nullptr;
  int flags = 0;         // MSG_*; MSG_DONTWAIT if the caller will not wait
  int result_flags = 0;  // MSG_TRUNC, MSG_EOR …
  size_t length = 0;     // of the whole message, for MSG_TRUNC
  Address from;
  std::optional<ucred> credentials;
  std::vector<vfs::FilePtr> rights;
  std::vector<ControlItem> control;
};

// What setsockopt(2) sets of level SOL_SOCKET. Flags are 0 or 1.
struct SocketOptions {
  int debug = 0, reuse_address = 0, reuse_port = 0, keep_alive = 0, broadcast = 0, dont_route = 0,
      out_of_band_inline = 0, no_check = 0, priority = 0, mark = 0, pass_credentials = 0, pass_security = 0,
      receive_low_water = 1, overflow_count = 0, busy_poll = 0, incoming_cpu = -1, select_error_queue = 0,
      zero_copy = 0;
  int timestamp = 0;  // 0, or the option that asked for it: SO_TIMESTAMP …
  int send_buffer = 212992, receive_buffer = 212992;
  core::Nanoseconds send_timeout = core::kNever, receive_timeout = core::kNever;
  struct linger linger = {};
  std::string device;  // SO_BINDTODEVICE
};

class Socket : public vfs::File {
 public:
  // `flags`: O_NONBLOCK or nothing. The inode belongs to the caller.
  Socket(Caller& caller, int socket_domain, int socket_type, int socket_protocol, int open_flags);

  const int domain, type, protocol;
  SocketOptions options;

  // --- errors as of the system calls of these names
  virtual SysResult<void> bind(Caller& caller, const Address& address) = 0;
  virtual SysResult<void> connect(Caller& caller, const Address& address) = 0;
  virtual SysResult<void> listen(Caller&, int /*backlog*/) { return fail(EOPNOTSUPP); }
  virtual SysResult<SocketPtr> accept(Caller&, int /*open_flags*/) { return fail(EOPNOTSUPP); }
  virtual SysResult<void> shutdown(Caller&, int /*how*/) { return fail(EOPNOTSUPP); }
  virtual SysResult<Address> local_address() = 0;
  virtual SysResult<Address> peer_address() = 0;
  // Who has connected to one that has just been accepted, and may have gone again.
  virtual SysResult<Address> accepted_from() { return peer_address(); }
  virtual SysResult<size_t> send(Caller& caller, Outgoing& message) = 0;
  virtual SysResult<size_t> receive(Caller& caller, Incoming& message) = 0;
  // A value as getsockopt(2) gives it, at most `size` bytes of which are wanted; `given`: what was there, for those
  // few options that look.
  SysResult<std::string> option(Caller& caller, int level, int name, std::string_view given);
  SysResult<void> set_option(Caller& caller, int level, int name, std::string_view value);

  // Are messages kept apart: does a buffer that is too small lose data?
  bool keeps_messages() const { return type != SOCK_STREAM; }
  // The pending error, which is then none.
  virtual int take_error() { return std::exchange(error_, 0); }
  // Sleeps until `queue` has one of `events`: EAGAIN at the deadline; EINTR, or ERESTARTSYS when there is none.
  static SysResult<void> wait(Caller& caller, core::WaitQueue& queue, uint32_t events, core::Nanoseconds deadline);
  core::Nanoseconds send_deadline() const { return core::add_time(core::now(), options.send_timeout); }

  // --- vfs::File
  bool is_socket() const final { return true; }
  core::Nanoseconds patience(bool reading) const final {
    return reading ? options.receive_timeout : options.send_timeout;
  }
  SysResult<size_t> read(Caller& caller, IoVector& io) override;
  SysResult<size_t> write(Caller& caller, IoVector& io) override;
  SysResult<size_t> peek(Caller& caller, IoVector& io) override;
  core::WaitQueue* queue() override { return &queue_; }

 protected:
  virtual bool is_listening() const { return false; }
  virtual int shown_type() const { return type; }
  virtual ucred peer_credentials() const { return {0, ~0u, ~0u}; }
  virtual bool may_pass_credentials() const { return false; }
  // Options of other levels.
  virtual SysResult<std::string> level_option(Caller&, int /*level*/, int /*name*/, std::string_view) {
    return fail(EOPNOTSUPP);
  }
  virtual SysResult<void> set_level_option(Caller&, int /*level*/, int /*name*/, std::string_view) {
    return fail(EOPNOTSUPP);
  }
  // Called after options have been changed that others look at: sizes of buffers.
  virtual SysResult<void> options_changed(int /*name*/) { return {}; }
  // SO_TIMESTAMP: the time at which it came.
  void add_timestamp(Incoming& message, const timespec& time) const;

  core::WaitQueue queue_;
  int error_ = 0;

 private:
  SysResult<std::string> socket_option(Caller& caller, int name);
  SysResult<void> set_socket_option(Caller& caller, int name, std::string_view value);
};

// ENOTSOCK.
SysResult<SocketPtr> socket_of(const vfs::FilePtr& file);

// Values of options.
template <typename T>
std::string option_bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
// EINVAL: it is shorter.
template <typename T>
SysResult<T> option_value(std::string_view bytes) {
  T value;
  if (bytes.size() < sizeof value) return fail(EINVAL);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace cella::sandbox::net
