#include "sandbox/net/unix/unix_socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/result.h"
#include "sandbox/net/unix/unix_names.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::net {
namespace {

constexpr size_t kMostConnections = 4096;  // net.core.somaxconn

ucred own_credentials(Caller& caller) {
  auto& task = static_cast<task::Task&>(caller);
  return {task.group->id, task.creds.euid, task.creds.egid};
}

}  // namespace

UnixSocket::Charge::~Charge() {
  if (account_ == nullptr) return;
  account_->used -= size_;
  if (account_->queue != nullptr) account_->queue->notify(POLLOUT | POLLWRNORM | POLLWRBAND);
}

UnixSocket::UnixSocket(Caller& caller, std::shared_ptr<UnixDomain> of, int socket_type, int socket_protocol,
                       int open_flags)
    : Socket(caller, AF_UNIX, socket_type, socket_protocol, open_flags), domain_(std::move(of)) {
  account_->queue = &queue_;
  domain_->sockets.insert(this);
}

UnixSocket::~UnixSocket() {
  account_->queue = nullptr;
  domain_->sockets.erase(this);
  if (name_ && name_->starts_with('\0')) domain_->abstract_names.erase({type, name_->substr(1)});
  if (std::shared_ptr<UnixSocket> other = peer(); other != nullptr && is_connection()) {
    other->shut_receive_ = other->shut_send_ = true;
    other->gone_peer_name_ = shown_name();
    if (!messages_.empty()) other->error_ = ECONNRESET;
    other->be_told(~0u);
  }
  // Those who have connected and were not accepted.
  for (const std::shared_ptr<UnixSocket>& connection : connections_) {
    if (std::shared_ptr<UnixSocket> other = connection->peer()) other->error_ = ECONNRESET;
  }
  connections_.clear();
  messages_.clear();
  room_.notify(~0u);
  if (domain_.use_count() > 1) domain_->in_flight.collect();
}

std::shared_ptr<UnixSocket> UnixSocket::peer() const {
  return std::static_pointer_cast<UnixSocket>(peer_.lock());
}

void UnixSocket::join(Caller& caller, UnixSocket& one, UnixSocket& other) {
  one.peer_ = other.weak_from_this();
  other.peer_ = one.weak_from_this();
  one.peer_credentials_ = other.peer_credentials_ = own_credentials(caller);
  if (one.is_connection()) one.state_ = other.state_ = State::kConnected;
}

// --- names

Address UnixSocket::shown_name() const {
  return name_ ? unix_address(*name_) : unix_address({});
}

SysResult<Address> UnixSocket::peer_address() {
  std::shared_ptr<UnixSocket> other = peer();
  if (other != nullptr) return other->shown_name();
  return gone_peer_name_ ? SysResult<Address>(*gone_peer_name_) : fail(ENOTCONN);
}

SysResult<void> UnixSocket::bind(Caller& caller, const Address& address) {
  const std::string name = TRY(unix_name(address));
  if (address.size == sizeof(sa_family_t)) return name_ ? SysResult<void>() : bind_automatically();
  if (name_) return fail(EINVAL);
  return name.starts_with('\0') ? bind_abstract(name) : bind_path(caller, name);
}

SysResult<void> UnixSocket::bind_path(Caller& caller, const std::string& name) {
  vfs::Path place = TRY(make_socket_node(caller, name, path.inode()));
  bound_path_ = place;
  place.inode().bound_socket = std::static_pointer_cast<UnixSocket>(shared_from_this());
  name_ = name;
  return {};
}

SysResult<void> UnixSocket::bind_abstract(const std::string& name) {
  if (!domain_->abstract_names.emplace(std::pair(type, name.substr(1)), this).second) return fail(EADDRINUSE);
  name_ = name;
  return {};
}

// Five hexadecimal digits, unix(7).
SysResult<void> UnixSocket::bind_automatically() {
  constexpr uint32_t kNames = 1 << 20;
  for (uint32_t tries = 0; tries < kNames; ++tries) {
    const std::string name = fmt::format("{:05x}", domain_->next_automatic_name++ % kNames);
    if (!domain_->abstract_names.contains({type, name})) return bind_abstract(std::string(1, '\0') + name);
  }
  return fail(ENOSPC);
}

SysResult<std::shared_ptr<UnixSocket>> UnixSocket::find(Caller& caller, const Address& address) const {
  const std::string name = TRY(unix_name(address));
  if (name.empty()) return fail(EINVAL);
  std::shared_ptr<UnixSocket> found;
  if (name.starts_with('\0')) {
    auto known = domain_->abstract_names.find({type, name.substr(1)});
    if (known != domain_->abstract_names.end()) {
      found = std::static_pointer_cast<UnixSocket>(known->second->weak_from_this().lock());
    }
  } else {
    vfs::Path place = TRY(find_socket_node(caller, name));
    found = std::static_pointer_cast<UnixSocket>(place.inode().bound_socket.lock());
  }
  if (found == nullptr) return fail(ECONNREFUSED);
  if (found->type != type) return fail(EPROTOTYPE);
  return found;
}

// --- connections

SysResult<void> UnixSocket::connect(Caller& caller, const Address& address) {
  return is_connection() ? connect_stream(caller, address) : connect_datagram(caller, address);
}

SysResult<void> UnixSocket::connect_datagram(Caller& caller, const Address& address) {
  std::shared_ptr<UnixSocket> other;
  if (address.size < sizeof(sa_family_t)) return fail(EINVAL);
  if (address.family() != AF_UNSPEC) {
    TRY(unix_name(address));
    if (options.pass_credentials && !name_) TRY(bind_automatically());
    other = TRY(find(caller, address));
    std::shared_ptr<UnixSocket> its = other->peer();
    if (its != nullptr && its.get() != this) return fail(EPERM);
  }
  // What others have sent is not for who talks to this one.
  if (std::shared_ptr<UnixSocket> before = peer(); before != nullptr && before != other) {
    messages_.clear();
    room_.notify(POLLOUT);
  }
  peer_ = other;
  queue_.notify(POLLOUT | POLLWRNORM);
  return {};
}

SysResult<void> UnixSocket::connect_stream(Caller& caller, const Address& address) {
  TRY(unix_name(address));
  if (options.pass_credentials && !name_) TRY(bind_automatically());
  const core::Nanoseconds deadline = send_deadline();
  std::shared_ptr<UnixSocket> listener;
  for (;;) {
    listener = TRY(find(caller, address));
    if (listener->state_ != State::kListening || listener->shut_receive_) return fail(ECONNREFUSED);
    if (listener->connections_.size() <= listener->backlog_) break;
    if (is_nonblocking()) return fail(EAGAIN);
    core::WaitQueue& room = listener->room_;
    listener.reset();  // or it would not be closed
    TRY(wait(caller, room, ~0u, deadline));
  }
  if (state_ == State::kConnected) return fail(EISCONN);
  if (state_ == State::kListening) return fail(EINVAL);
  auto connection = std::make_shared<UnixSocket>(caller, domain_, type, protocol, 0);
  connection->state_ = state_ = State::kConnected;
  connection->name_ = listener->name_;
  connection->bound_path_ = listener->bound_path_;
  connection->peer_ = weak_from_this();
  connection->peer_credentials_ = own_credentials(caller);
  connection->options.pass_credentials = listener->options.pass_credentials;
  peer_ = connection;
  peer_credentials_ = listener->listener_credentials_;
  listener->connections_.push_back(std::move(connection));
  listener->be_told(POLLIN | POLLRDNORM);
  return {};
}

SysResult<void> UnixSocket::listen(Caller& caller, int backlog) {
  if (!is_connection()) return fail(EOPNOTSUPP);
  if (!name_ || state_ == State::kConnected) return fail(EINVAL);
  backlog_ = std::min<size_t>(static_cast<unsigned>(backlog), kMostConnections);
  state_ = State::kListening;
  listener_credentials_ = own_credentials(caller);
  room_.notify(~0u);
  return {};
}

SysResult<SocketPtr> UnixSocket::accept(Caller& caller, int open_flags) {
  if (!is_connection()) return fail(EOPNOTSUPP);
  if (state_ != State::kListening || shut_receive_) return fail(EINVAL);
  if (connections_.empty()) return fail(EAGAIN);
  std::shared_ptr<UnixSocket> connection = std::move(connections_.front());
  connections_.pop_front();
  room_.notify(~0u);
  connection->flags |= open_flags;
  vfs::AttributeChange change;
  change.uid = caller.credentials().fsuid;
  change.gid = caller.credentials().fsgid;
  (void)connection->path.inode().set_attributes(change);
  return connection;
}

SysResult<void> UnixSocket::shutdown(Caller&, int how) {
  const bool receive = how != SHUT_WR, send = how != SHUT_RD;
  shut_receive_ |= receive;
  shut_send_ |= send;
  if (std::shared_ptr<UnixSocket> other = peer(); other != nullptr && is_connection()) {
    other->shut_send_ |= receive;
    other->shut_receive_ |= send;
    other->be_told(~0u);
  }
  be_told(~0u);
  room_.notify(~0u);
  return {};
}

// --- readiness

uint32_t UnixSocket::ready(Caller&) {
  uint32_t events = 0;
  if (error_ != 0) events |= POLLERR;
  if (shut_receive_ && shut_send_) events |= POLLHUP;
  if (shut_receive_) events |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (!messages_.empty() || !connections_.empty()) events |= POLLIN | POLLRDNORM;
  if (is_connection() && state_ == State::kUnconnected) events |= POLLHUP;
  bool writable = state_ != State::kListening && account_->used * 4 <= static_cast<size_t>(options.send_buffer);
  if (writable && !is_connection()) {
    std::shared_ptr<UnixSocket> other = peer();
    if (other != nullptr && other->is_full_for(*this)) {
      wait_for_room_of(*other);
      writable = false;
    }
  }
  return writable ? events | POLLOUT | POLLWRNORM | POLLWRBAND : events;
}

size_t UnixSocket::unread() const {
  if (!is_stream()) return messages_.empty() ? 0 : messages_.front().left();
  size_t size = 0;
  for (const Message& message : messages_) size += message.left();
  return size;
}

SysResult<uint64_t> UnixSocket::ioctl(Caller& caller, uint32_t request, uint64_t argument) {
  switch (request) {
    case SIOCINQ:
      if (state_ == State::kListening) return fail(EINVAL);
      TRY(caller.memory().write<int>(argument, static_cast<int>(unread())));
      return 0;
    case SIOCOUTQ:
      TRY(caller.memory().write<int>(argument, static_cast<int>(account_->used)));
      return 0;
    default:
      return fail(ENOTTY);
  }
}

// --- the files in messages

void UnixSocket::for_each_in_flight(const std::function<void(vfs::File&)>& visit) const {
  for (const Message& message : messages_) {
    if (message.rights == nullptr) continue;
    for (const vfs::FilePtr& file : message.rights->files()) visit(*file);
  }
  for (const std::shared_ptr<UnixSocket>& connection : connections_) connection->for_each_in_flight(visit);
}

void UnixSocket::take_in_flight(std::vector<vfs::FilePtr>& files) {
  for (Message& message : messages_) {
    if (message.rights == nullptr) continue;
    for (vfs::FilePtr& file : message.rights->take()) files.push_back(std::move(file));
  }
  for (const std::shared_ptr<UnixSocket>& connection : connections_) connection->take_in_flight(files);
}

// --- proc

std::string UnixSocket::line() const {
  constexpr int kUnconnected = 1, kConnected = 3;  // SS_*
  constexpr unsigned kAccepts = 1 << 16;
  const auto attributes = path.dentry->inode->attributes();
  std::string text = fmt::format("{:016x}: {:08X} {:08X} {:08X} {:04X} {:02X} {:5}", 0, 2, 0,
                                 state_ == State::kListening ? kAccepts : 0, type,
                                 state_ == State::kConnected ? kConnected : kUnconnected, attributes->st_ino);
  if (name_) {
    text += ' ';
    for (const char c : *name_) text += c == '\0' ? '@' : c;
  }
  return text + '\n';
}

std::string UnixDomain::text() const {
  std::string text = "Num       RefCount Protocol Flags    Type St Inode Path\n";
  for (const UnixSocket* socket : sockets) text += socket->line();
  return text;
}

}  // namespace cella::sandbox::net
