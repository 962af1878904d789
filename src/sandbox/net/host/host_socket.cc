#include "sandbox/net/host/host_socket.h"

#include <limits.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "base/result.h"
#include "sandbox/net/host/host_options.h"
#include "sandbox/net/inet/ip.h"

namespace cella::sandbox::net {
namespace {

constexpr size_t kControl = 4096;  // room for ancillary data from the host

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}
SysResult<void> done(int result) {
  return result < 0 ? SysResult<void>(last_error()) : SysResult<void>();
}

const sockaddr* pointer(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

// An address that the host has given: nothing but one of the two families, of the length that it has there.
Address from_host(const sockaddr_storage& storage, socklen_t size, int domain) {
  Address address;
  address.storage = storage;
  address.size = std::min<socklen_t>(size, sizeof storage);
  const socklen_t whole = domain == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (address.family() != domain || address.size < whole) return {};
  address.size = whole;
  return address;
}

// Pieces of one message: the host takes so many at once, and a message is not to be cut.
class Pieces {
 public:
  Pieces(const IoVector& io, bool is_message, bool reading) : list_(io.rest()) {
    if (list_.size() <= IOV_MAX) return;
    if (!is_message) {
      list_.resize(IOV_MAX);
      return;
    }
    copy_.resize(io.left());
    if (!reading) {
      IoVector from = io;
      from.take(copy_.data(), copy_.size());
    }
    list_ = {{copy_.data(), copy_.size()}};
  }
  std::vector<iovec>& list() { return list_; }
  // After a read: `size` bytes are where they belong.
  void finish_read(IoVector& io, size_t size) {
    if (copy_.empty()) {
      io.skip(size);
    } else {
      io.put(copy_.data(), size);
    }
  }

 private:
  std::vector<iovec> list_;
  std::vector<char> copy_;
};

std::string control_bytes(const std::vector<ControlItem>& items) {
  std::string bytes;
  for (const ControlItem& item : items) {
    cmsghdr head = {};
    head.cmsg_len = CMSG_LEN(item.data.size());
    head.cmsg_level = item.level;
    head.cmsg_type = item.type;
    const size_t start = bytes.size();
    bytes += option_bytes(head);
    bytes += item.data;
    bytes.resize(start + CMSG_SPACE(item.data.size()));
  }
  return bytes;
}

}  // namespace

HostSocket::HostSocket(Caller& caller, std::shared_ptr<HostSockets> sockets, sys::FileDescriptor fd, int socket_domain,
                       int socket_type, int socket_protocol, int open_flags)
    : Socket(caller, socket_domain, socket_type, socket_protocol, open_flags),
      sockets_(std::move(sockets)),
      user_(caller.credentials().fsuid),
      fd_(std::move(fd)) {
  sockets_->all.insert(this);
  (void)sockets_->poller.add(fd_.get(), queue_);
  read_buffer_sizes();
}

HostSocket::~HostSocket() {
  sockets_->poller.remove(fd_.get());
  sockets_->all.erase(this);
}

// --- names and connections

SysResult<Address> HostSocket::checked(const Address& address) const {
  const bool mixed = domain == AF_INET6 && type == SOCK_DGRAM;
  const IpEndpoint endpoint = TRY(endpoint_from(address, domain, mixed));
  if (address.family() == AF_INET) return address_of(endpoint, AF_INET);
  Address result = address_of(endpoint, domain);
  const bool has_scope = address.size >= sizeof(sockaddr_in6);
  auto& in6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  in6.sin6_flowinfo = address.as<sockaddr_in6>().sin6_flowinfo;
  if (has_scope) in6.sin6_scope_id = address.as<sockaddr_in6>().sin6_scope_id;
  return result;
}

SysResult<void> HostSocket::bind(Caller& caller, const Address& address) {
  Address wanted = address;
  if (domain == AF_INET && address.family() == AF_UNSPEC && address.size >= sizeof(sockaddr_in) &&
      address.as<sockaddr_in>().sin_addr.s_addr == INADDR_ANY) {
    wanted.storage.ss_family = AF_INET;
  }
  const Address place = TRY(checked(wanted));
  const uint16_t port = ntohs(place.as<sockaddr_in>().sin_port);  // where sin6_port is too
  if (port != 0 && port < sockets_->first_unprivileged_port && !caller.credentials().has(CAP_NET_BIND_SERVICE)) {
    return fail(EACCES);
  }
  return done(::bind(fd_.get(), pointer(place), place.size));
}

SysResult<void> HostSocket::connect(Caller& caller, const Address& address) {
  if (address.size < sizeof(sa_family_t)) return fail(EINVAL);
  if (address.family() == AF_UNSPEC) {
    const sockaddr nowhere = {};
    listening_ = false;
    return done(::connect(fd_.get(), &nowhere, sizeof nowhere));
  }
  const Address to = TRY(checked(address));
  const core::Nanoseconds deadline = send_deadline();
  // How it went is told by asking again.
  for (;;) {
    if (::connect(fd_.get(), pointer(to), to.size) == 0) return {};
    if ((errno != EINPROGRESS && errno != EALREADY) || is_nonblocking()) return last_error();
    pollfd one = {fd_.get(), POLLOUT, 0};
    if (::poll(&one, 1, 0) > 0) continue;
    SysResult<void> slept = wait(caller, queue_, POLLOUT | POLLERR | POLLHUP, deadline);
    if (!slept) return slept.error().value == EAGAIN ? fail(EINPROGRESS) : slept;
  }
}

SysResult<void> HostSocket::listen(Caller&, int backlog) {
  TRY(done(::listen(fd_.get(), backlog)));
  listening_ = true;
  return {};
}

SysResult<SocketPtr> HostSocket::accept(Caller& caller, int open_flags) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  sys::FileDescriptor fd(
      ::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return last_error();
  auto accepted = std::make_shared<HostSocket>(caller, sockets_, std::move(fd), domain, type, protocol, open_flags);
  accepted->options = options;
  accepted->read_buffer_sizes();
  accepted->from_ = from_host(storage, size, domain);
  return accepted;
}

SysResult<void> HostSocket::shutdown(Caller&, int how) {
  TRY(done(::shutdown(fd_.get(), how)));
  if (listening_ && how != SHUT_WR) listening_ = false;
  queue_.notify(~0u);
  return {};
}

SysResult<Address> HostSocket::local_address() {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  TRY(done(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size)));
  return from_host(storage, size, domain);
}
SysResult<Address> HostSocket::peer_address() {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  TRY(done(::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size)));
  return from_host(storage, size, domain);
}

// --- data

SysResult<size_t> HostSocket::send(Caller&, Outgoing& message) {
  constexpr int kAllowed = MSG_OOB | MSG_DONTROUTE | MSG_EOR | MSG_MORE | MSG_CONFIRM;
  if (message.flags & MSG_FASTOPEN) return fail(EOPNOTSUPP);
  for (const ControlItem& item : message.control)
    if (!may_send_control(item)) return fail(EINVAL);
  Address to;
  // A stream has its peer.
  if (message.to != nullptr && type == SOCK_DGRAM) to = TRY(checked(*message.to));
  std::string control = control_bytes(message.control);
  Pieces pieces(*message.data, keeps_messages(), false);
  msghdr header = {};
  if (to.size > 0) {
    header.msg_name = &to.storage;
    header.msg_namelen = to.size;
  }
  header.msg_iov = pieces.list().data();
  header.msg_iovlen = pieces.list().size();
  if (!control.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
  const ssize_t n = ::sendmsg(fd_.get(), &header, (message.flags & kAllowed) | MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0) return last_error();
  return message.data->skip(static_cast<size_t>(n));
}

SysResult<size_t> HostSocket::receive(Caller&, Incoming& message) {
  constexpr int kAllowed = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE;
  constexpr int kShown = MSG_TRUNC | MSG_EOR | MSG_OOB | MSG_ERRQUEUE;
  sockaddr_storage from = {};
  alignas(cmsghdr) char control[kControl];
  Pieces pieces(*message.data, keeps_messages(), true);
  msghdr header = {};
  header.msg_name = &from;
  header.msg_namelen = sizeof from;
  header.msg_iov = pieces.list().data();
  header.msg_iovlen = pieces.list().size();
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(fd_.get(), &header, (message.flags & kAllowed) | MSG_DONTWAIT);
  if (n < 0) return last_error();
  message.length = static_cast<size_t>(n);
  const size_t got = std::min(message.length, message.data->left());
  pieces.finish_read(*message.data, got);
  message.result_flags = header.msg_flags & kShown;
  if (type == SOCK_DGRAM) message.from = from_host(from, header.msg_namelen, domain);
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
    ControlItem item = {one->cmsg_level, one->cmsg_type,
                        std::string(reinterpret_cast<char*>(CMSG_DATA(one)), one->cmsg_len - CMSG_LEN(0))};
    if (may_receive_control(item)) message.control.push_back(std::move(item));
  }
  return got;
}

uint32_t HostSocket::ready(Caller&) {
  constexpr short kAll = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND;
  pollfd one = {fd_.get(), kAll, 0};
  return ::poll(&one, 1, 0) > 0 ? static_cast<uint16_t>(one.revents) : 0;
}

SysResult<uint64_t> HostSocket::ioctl(Caller& caller, uint32_t request, uint64_t argument) {
  if (request != SIOCINQ && request != SIOCOUTQ && request != SIOCATMARK) return fail(ENOTTY);
  int value = 0;
  TRY(done(::ioctl(fd_.get(), request, &value)));
  TRY(caller.memory().write(argument, value));
  return 0;
}

SocketLine HostSocket::line() {
  SocketLine result = {domain, type, {IpAddress::any(domain), 0}, {IpAddress::any(domain), 0}, 0, 0, user_, 0};
  result.inode = path.inode().attributes()->st_ino;
  if (auto local = local_address()) result.local = endpoint_from(*local, domain).value_or(result.local);
  if (auto peer = peer_address()) result.remote = endpoint_from(*peer, domain).value_or(result.remote);
  constexpr int kConnected = 1, kClosed = 7;
  result.state = result.remote.port != 0 ? kConnected : kClosed;
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (type == SOCK_STREAM && ::getsockopt(fd_.get(), SOL_TCP, TCP_INFO, &info, &size) == 0)
    result.state = info.tcpi_state;
  return result;
}

// --- options

int HostSocket::take_error() {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

void HostSocket::read_buffer_sizes() {
  for (const auto& [name, value] : {std::pair(SO_SNDBUF, &options.send_buffer), {SO_RCVBUF, &options.receive_buffer}}) {
    socklen_t size = sizeof *value;
    (void)::getsockopt(fd_.get(), SOL_SOCKET, name, value, &size);
  }
}

SysResult<void> HostSocket::options_changed(int name) {
  const int fd = fd_.get();
  for (const HostSocketOption& option : host_socket_options()) {
    if (option.name != name) continue;
    const int value = options.*option.value;
    return done(::setsockopt(fd, SOL_SOCKET, name, &value, sizeof value));
  }
  switch (name) {
    case SO_SNDBUF:
    case SO_RCVBUF: {
      const int half = (name == SO_SNDBUF ? options.send_buffer : options.receive_buffer) / 2;
      TRY(done(::setsockopt(fd, SOL_SOCKET, name, &half, sizeof half)));
      read_buffer_sizes();
      return {};
    }
    case SO_LINGER: {
      // With a time, close(2) would wait in there.
      const bool abandons = options.linger.l_onoff && options.linger.l_linger == 0;
      const struct linger value = {abandons ? 1 : 0, 0};
      return done(::setsockopt(fd, SOL_SOCKET, name, &value, sizeof value));
    }
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW: {
      const int on = options.timestamp != 0;
      return done(::setsockopt(fd, SOL_SOCKET, name, &on, sizeof on));
    }
    case SO_BINDTODEVICE:
      return done(::setsockopt(fd, SOL_SOCKET, name, options.device.c_str(),
                               static_cast<socklen_t>(options.device.size() + 1)));
    default:
      return {};
  }
}

SysResult<std::string> HostSocket::level_option(Caller&, int level, int name, std::string_view given) {
  const HostOption* option = host_option(level, name);
  if (option == nullptr || !option->can_be_got) return fail(ENOPROTOOPT);
  std::string value(std::min(given.size(), option->most), '\0');
  auto size = static_cast<socklen_t>(value.size());
  TRY(done(::getsockopt(fd_.get(), level, name, value.data(), &size)));
  value.resize(std::min<size_t>(size, value.size()));
  return value;
}

SysResult<void> HostSocket::set_level_option(Caller&, int level, int name, std::string_view value) {
  const HostOption* option = host_option(level, name);
  if (option == nullptr || !option->can_be_set) return fail(ENOPROTOOPT);
  if (value.size() < option->least) return fail(EINVAL);
  value = value.substr(0, option->most);
  return done(::setsockopt(fd_.get(), level, name, value.data(), static_cast<socklen_t>(value.size())));
}

}  // namespace cella::sandbox::net
