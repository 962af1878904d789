#include "sandbox/net/inet/tcp_socket.h"

#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "base/result.h"

namespace cella::sandbox::net {
namespace {

constexpr size_t kMostConnections = 4096;  // net.core.somaxconn
constexpr int kBuffer = 131072;
constexpr char kCongestion[] = "cubic";

}  // namespace

TcpSocket::TcpSocket(Caller& caller, std::shared_ptr<PortTable> table, int socket_domain, int open_flags)
    : InetSocket(caller, std::move(table), socket_domain, SOCK_STREAM, IPPROTO_TCP, open_flags) {
  options.send_buffer = options.receive_buffer = kBuffer;
}

TcpSocket::~TcpSocket() {
  stop_connecting();
  stop_listening();
  const bool abandons = options.linger.l_onoff && options.linger.l_linger == 0;
  close_connection(abandons || !received_.is_empty());
}

// --- making connections

SysResult<void> TcpSocket::connect(Caller& caller, const Address& address) {
  if (address.size < sizeof(sa_family_t)) return fail(EINVAL);
  if (address.family() == AF_UNSPEC) {
    stop_connecting();
    stop_listening();
    close_connection(true);
    state_ = State::kClosed;
    received_.clear();
    shut_receive_ = shut_send_ = end_received_ = false;
    told_connected_ = true;
    error_ = 0;
    remote_ = {IpAddress::any(domain), 0};
    return {};
  }
  if (state_ == State::kConnecting) {
    if (is_nonblocking()) return fail(EALREADY);
    return finish_connecting(caller);
  }
  if (!told_connected_) {
    told_connected_ = true;
    if (state_ == State::kConnected) return {};
    return fail(error_ != 0 ? take_error() : ECONNABORTED);
  }
  if (state_ == State::kConnected || state_ == State::kListening) return fail(EISCONN);
  const IpEndpoint to = TRY(endpoint_from(address, domain));
  const IpEndpoint target = TRY(route(to));
  TRY(start_connecting(caller, target));
  if (!is_nonblocking()) return finish_connecting(caller);
  told_connected_ = false;
  return fail(EINPROGRESS);
}

TcpSocket* TcpSocket::find_listener(const IpEndpoint& to) const {
  // The one that says most about the address; of several that share it any.
  std::vector<TcpSocket*> best;
  int best_score = 0;
  for (InetSocket* user : ports().at(to.port)) {
    if (!user->listens()) continue;
    auto* listener = static_cast<TcpSocket*>(user);
    const IpAddress& own = listener->local_.address;
    int score = 0;
    if (own == to.address) {
      score = 3;
    } else if (own.is_any() && own.is_v4() == to.address.is_v4()) {
      score = 2;
    } else if (own.is_any() && !own.is_v4() && !listener->is_v6_only()) {
      score = 1;
    }
    if (score == 0 || score < best_score) continue;
    if (score > best_score) best.clear();
    best_score = score;
    best.push_back(listener);
  }
  return best.empty() ? nullptr : best[best.size() == 1 ? 0 : random_number() % best.size()];
}

SysResult<void> TcpSocket::start_connecting(Caller& caller, const IpEndpoint& to) {
  TRY(bind_for(to));
  for (const InetSocket* other : ports().at(local_.port)) {
    if (other != this && other->local() == local_ && other->remote() == to) return fail(EADDRNOTAVAIL);
  }
  TcpSocket* listener = find_listener(to);
  remote_ = to;
  shut_receive_ = shut_send_ = end_received_ = false;
  received_.clear();
  if (listener == nullptr) {
    state_ = State::kClosed;
    error_ = ECONNREFUSED;
    queue_.notify(~0u);
  } else if (listener->has_backlog()) {
    listener->establish(caller, *this);
  } else {
    state_ = State::kConnecting;
    target_ = listener;
    listener->waiting_.push_back(this);
  }
  return {};
}

SysResult<void> TcpSocket::finish_connecting(Caller& caller) {
  const core::Nanoseconds deadline = send_deadline();
  while (state_ == State::kConnecting) {
    told_connected_ = false;
    SysResult<void> slept = wait(caller, queue_, POLLOUT | POLLERR | POLLHUP, deadline);
    if (!slept) return slept.error().value == EAGAIN ? fail(EINPROGRESS) : slept;
  }
  told_connected_ = true;
  if (error_ == 0) return {};
  remote_ = {IpAddress::any(domain), 0};
  return fail(take_error());
}

void TcpSocket::establish(Caller& caller, TcpSocket& client) {
  auto connection = std::make_shared<TcpSocket>(caller, shared_ports(), domain, 0);
  connection->copy_options(*this);
  connection->set_local(client.remote_, true);
  connection->remote_ = client.local_;
  connection->state_ = client.state_ = State::kConnected;
  connection->peer_ = &client;
  client.peer_ = connection.get();
  connections_.push_back(std::move(connection));
  queue_.notify(POLLIN | POLLRDNORM);
  client.queue_.notify(POLLOUT | POLLWRNORM);
}

void TcpSocket::stop_connecting() {
  if (target_ != nullptr) std::erase(target_->waiting_, this);
  target_ = nullptr;
  if (state_ == State::kConnecting) state_ = State::kClosed;
}

void TcpSocket::stop_listening() {
  if (state_ != State::kListening) return;
  state_ = State::kClosed;
  for (TcpSocket* client : std::exchange(waiting_, {})) {
    client->target_ = nullptr;
    client->state_ = State::kClosed;
    client->error_ = ECONNREFUSED;
    client->queue_.notify(~0u);
  }
  for (const std::shared_ptr<TcpSocket>& connection : std::exchange(connections_, {}))
    connection->close_connection(true);
  queue_.notify(~0u);
}

SysResult<void> TcpSocket::listen(Caller&, int backlog) {
  if (state_ != State::kClosed && state_ != State::kListening) return fail(EINVAL);
  if (!is_bound()) {
    const IpEndpoint place = TRY(ports().bind(*this, {IpAddress::any(domain), 0}));
    set_local(place, false);
  }
  for (const InetSocket* other : ports().at(local_.port)) {
    const bool share = options.reuse_port && other->options.reuse_port && user() == other->user();
    if (other != this && other->listens() && !share &&
        PortTable::overlap(*this, local_.address, *other, other->local().address)) {
      return fail(EADDRINUSE);
    }
  }
  backlog_ = std::min<size_t>(static_cast<unsigned>(backlog), kMostConnections);
  state_ = State::kListening;
  return {};
}

SysResult<SocketPtr> TcpSocket::accept(Caller& caller, int open_flags) {
  if (state_ != State::kListening) return fail(EINVAL);
  if (connections_.empty()) return fail(EAGAIN);
  std::shared_ptr<TcpSocket> connection = std::move(connections_.front());
  connections_.pop_front();
  if (!waiting_.empty()) {
    TcpSocket* client = waiting_.front();
    waiting_.pop_front();
    client->target_ = nullptr;
    establish(caller, *client);
  }
  connection->flags |= open_flags;
  return connection;
}

// --- ending them

void TcpSocket::peer_has_closed() {
  peer_ = nullptr;
  end_received_ = true;
  queue_.notify(~0u);
}

void TcpSocket::peer_has_reset() {
  peer_ = nullptr;
  error_ = end_received_ ? EPIPE : ECONNRESET;
  state_ = State::kReset;
  shut_receive_ = shut_send_ = true;
  queue_.notify(~0u);
}

void TcpSocket::close_connection(bool reset) {
  if (TcpSocket* other = std::exchange(peer_, nullptr)) {
    if (reset) {
      other->peer_has_reset();
    } else {
      other->peer_has_closed();
    }
  }
}

SysResult<void> TcpSocket::shutdown(Caller&, int how) {
  if (state_ == State::kListening) {
    if (how != SHUT_WR) stop_listening();
    return {};
  }
  if (state_ == State::kConnecting) {
    stop_connecting();
    queue_.notify(~0u);
    return {};
  }
  if (state_ != State::kConnected || (end_received_ && shut_send_)) return fail(ENOTCONN);
  if (how != SHUT_WR) shut_receive_ = true;
  if (how != SHUT_RD && !shut_send_) {
    shut_send_ = true;
    if (peer_ != nullptr) {
      peer_->end_received_ = true;
      peer_->queue_.notify(~0u);
    }
  }
  queue_.notify(~0u);
  return {};
}

SysResult<Address> TcpSocket::peer_address() {
  if (state_ != State::kConnected || (end_received_ && shut_send_)) return fail(ENOTCONN);
  return address_of(remote_, domain);
}

// --- data

// What a receiver has not read lies in its buffer, and what does not fit there in the sender's.
size_t TcpSocket::room() const {
  if (peer_ == nullptr) return SIZE_MAX;
  const size_t most = static_cast<size_t>(peer_->options.receive_buffer) + static_cast<size_t>(options.send_buffer);
  return most - std::min(most, peer_->received_.size());
}

SysResult<size_t> TcpSocket::send(Caller&, Outgoing& message) {
  if (message.flags & (MSG_OOB | MSG_FASTOPEN)) return fail(EOPNOTSUPP);
  if (state_ == State::kConnecting) return fail(EAGAIN);
  if (error_ != 0) return fail(take_error());
  if (state_ != State::kConnected || shut_send_) return fail(EPIPE);
  if (peer_ == nullptr) {
    // It says that nobody is there any more, which is for the next call to hear.
    const size_t size = message.data->skip(message.data->left());
    if (size > 0) peer_has_reset();
    return size;
  }
  if (message.data->left() == 0) return 0;
  const size_t most = room();
  if (most == 0) return fail(EAGAIN);
  const size_t done = peer_->received_.append(*message.data, most);
  peer_->queue_.notify(POLLIN | POLLRDNORM);
  return done;
}

SysResult<size_t> TcpSocket::receive(Caller&, Incoming& message) {
  if (message.flags & MSG_OOB) return fail(EINVAL);
  if (message.flags & MSG_ERRQUEUE) return fail(EAGAIN);
  if (state_ == State::kListening) return fail(ENOTCONN);
  if (state_ == State::kConnecting) return fail(EAGAIN);
  const bool waits = !(message.flags & MSG_DONTWAIT);
  const size_t wanted = std::min<size_t>(message.data->left(), static_cast<size_t>(options.receive_low_water));
  const bool ended = end_received_ || shut_receive_;
  if (received_.is_empty() || (waits && received_.size() < wanted && !ended && error_ == 0)) {
    if (end_received_) return 0;
    if (error_ != 0) return fail(take_error());
    if (shut_receive_) return 0;
    return fail(state_ == State::kConnected ? EAGAIN : ENOTCONN);
  }
  const size_t n = message.flags & MSG_TRUNC ? message.data->skip(std::min(message.data->left(), received_.size()))
                                             : received_.look(*message.data);
  if (!(message.flags & MSG_PEEK)) {
    received_.drop(n);
    if (peer_ != nullptr) peer_->queue_.notify(POLLOUT | POLLWRNORM);
  }
  message.length = n;
  return n;
}

uint32_t TcpSocket::ready(Caller&) {
  if (state_ == State::kListening) return connections_.empty() ? 0 : POLLIN | POLLRDNORM;
  uint32_t events = error_ != 0 ? POLLERR : 0;
  if (state_ == State::kConnecting) return events;
  const bool ended = end_received_ || shut_receive_;
  if (state_ != State::kConnected || (shut_send_ && ended)) events |= POLLHUP;
  if (ended || (state_ == State::kClosed && error_ != 0)) events |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (received_.size() >= static_cast<size_t>(options.receive_low_water)) events |= POLLIN | POLLRDNORM;
  // As much has to be free as lies there already, of what the sender keeps.
  if (shut_send_ || state_ != State::kConnected || room() >= static_cast<size_t>(options.send_buffer) / 3) {
    events |= POLLOUT | POLLWRNORM;
  }
  return events;
}

SysResult<uint64_t> TcpSocket::ioctl(Caller& caller, uint32_t request, uint64_t argument) {
  int value = 0;
  switch (request) {
    case SIOCINQ:
      if (state_ == State::kListening) return fail(EINVAL);
      value = static_cast<int>(received_.size());
      break;
    case SIOCOUTQ:
      if (state_ == State::kListening) return fail(EINVAL);
      if (peer_ != nullptr) {
        const auto taken = static_cast<size_t>(peer_->options.receive_buffer);
        value = static_cast<int>(peer_->received_.size() - std::min(taken, peer_->received_.size()));
      }
      break;
    case SIOCATMARK:
      break;
    default:
      return fail(ENOTTY);
  }
  TRY(caller.memory().write(argument, value));
  return 0;
}

// --- what it says of itself

int TcpSocket::state_number() const {
  switch (state_) {
    case State::kListening:
      return TCP_LISTEN;
    case State::kConnecting:
      return TCP_SYN_SENT;
    case State::kConnected:
      if (end_received_) return shut_send_ ? TCP_CLOSE : TCP_CLOSE_WAIT;
      return shut_send_ ? TCP_FIN_WAIT2 : TCP_ESTABLISHED;
    default:
      return TCP_CLOSE;
  }
}

SocketLine TcpSocket::line() const {
  return line_with(state_number(), listens() ? connections_.size() : received_.size());
}

SysResult<std::string> TcpSocket::level_option(Caller& caller, int level, int name, std::string_view given) {
  if (level == SOL_TCP && name == TCP_CONGESTION) return option_bytes(std::array<char, 16>{"cubic"});
  if (level == SOL_TCP && name == TCP_INFO) {
    tcp_info info = {};
    info.tcpi_state = static_cast<uint8_t>(state_number());
    info.tcpi_snd_mss = info.tcpi_rcv_mss = info.tcpi_advmss = 65483;  // of the loopback's MTU
    info.tcpi_pmtu = 65535;
    info.tcpi_snd_cwnd = 10;
    info.tcpi_unacked = listens() ? static_cast<uint32_t>(connections_.size()) : 0;
    info.tcpi_sacked = listens() ? static_cast<uint32_t>(backlog_) : 0;
    info.tcpi_rcv_space = static_cast<uint32_t>(options.receive_buffer);
    return option_bytes(info);
  }
  return InetSocket::level_option(caller, level, name, given);
}

SysResult<void> TcpSocket::set_level_option(Caller& caller, int level, int name, std::string_view value) {
  if (level == SOL_TCP && name == TCP_CONGESTION) {
    const std::string_view wanted = value.substr(0, value.find('\0'));
    return wanted == kCongestion || wanted == "reno" ? SysResult<void>() : fail(ENOENT);
  }
  return InetSocket::set_level_option(caller, level, name, value);
}

}  // namespace cella::sandbox::net
