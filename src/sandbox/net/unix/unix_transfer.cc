// What goes through unix sockets.
#include "base/result.h"
#include "sandbox/net/unix/unix_names.h"
#include "sandbox/net/unix/unix_socket.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::net {
namespace {

// What a message counts besides its data, so that many empty ones are not for nothing: an sk_buff.
constexpr size_t kOverhead = 768;
constexpr size_t kMostMessages = 10;      // net.unix.max_dgram_qlen
constexpr size_t kMostPiece = 32 * 1024;  // of a stream, in one message

bool same_writer(const ucred& a, const ucred& b) {
  return a.pid == b.pid && a.uid == b.uid && a.gid == b.gid;
}

}  // namespace

// --- sending

SysResult<std::unique_ptr<Rights>> UnixSocket::take_rights(Caller& caller, Outgoing& message) {
  const uint64_t limit = static_cast<task::Task&>(caller).group->limit(RLIMIT_NOFILE);
  auto rights = TRY(domain_->in_flight.send(caller, limit, message.rights));
  message.rights.clear();
  return rights;
}

// Who has written it is told only where somebody wants to know at that time, unix(7) SO_PASSCRED.
ucred UnixSocket::writer_for(Caller& caller, const Outgoing& message, const UnixSocket& receiver) const {
  if (message.credentials) return *message.credentials;
  constexpr uint32_t kNobody = 65534;
  if (!options.pass_credentials && !receiver.options.pass_credentials) return {0, kNobody, kNobody};
  auto& task = static_cast<task::Task&>(caller);
  return {task.group->id, task.creds.uid, task.creds.gid};
}

void UnixSocket::deliver(Message message, UnixSocket& receiver) const {
  message.time = core::to_timespec(core::now(CLOCK_REALTIME));
  if (name_) message.from = shown_name();
  receiver.messages_.push_back(std::move(message));
  receiver.be_told(POLLIN | POLLRDNORM);
}

SysResult<size_t> UnixSocket::send(Caller& caller, Outgoing& message) {
  if (message.flags & MSG_OOB) return fail(EOPNOTSUPP);
  return is_stream() ? send_stream(caller, message) : send_datagram(caller, message);
}

SysResult<size_t> UnixSocket::send_stream(Caller& caller, Outgoing& message) {
  if (message.to != nullptr) return fail(state_ == State::kConnected ? EISCONN : EOPNOTSUPP);
  if (state_ != State::kConnected) return fail(ENOTCONN);
  if (shut_send_) return fail(EPIPE);
  std::shared_ptr<UnixSocket> other = peer();
  if (other == nullptr || other->shut_receive_) return fail(EPIPE);
  size_t done = 0;
  while (message.data->left() > 0) {
    if (!has_room()) return done > 0 ? SysResult<size_t>(done) : fail(EAGAIN);
    const size_t most = std::min(static_cast<size_t>(options.send_buffer) / 2 - 64, kMostPiece);
    std::unique_ptr<Rights> rights = TRY(take_rights(caller, message));
    std::vector<char> data(std::min(message.data->left(), most));
    message.data->take(data.data(), data.size());
    done += data.size();
    Charge charge(account_, data.size() + kOverhead);
    deliver({.data = std::move(data),
             .rights = std::move(rights),
             .writer = writer_for(caller, message, *other),
             .from = {},
             .charge = std::move(charge)},
            *other);
  }
  return done;
}

SysResult<size_t> UnixSocket::send_datagram(Caller& caller, Outgoing& message) {
  const bool connection = is_connection();
  if (connection && state_ != State::kConnected) return fail(ENOTCONN);
  if (message.to != nullptr && !connection) TRY(unix_name(*message.to));
  if (options.pass_credentials && !name_) TRY(bind_automatically());
  if (message.data->left() > static_cast<size_t>(options.send_buffer) - 32) return fail(EMSGSIZE);
  std::shared_ptr<UnixSocket> other;
  if (message.to != nullptr && !connection) {
    other = TRY(find(caller, *message.to));
  } else {
    other = peer();
    if (other == nullptr) {
      if (connection) return fail(EPIPE);
      // Its end is told once: then there is none.
      const bool had = peer_.owner_before(std::weak_ptr<vfs::File>()) || std::weak_ptr<vfs::File>().owner_before(peer_);
      peer_.reset();
      return fail(had ? ECONNREFUSED : ENOTCONN);
    }
  }
  std::shared_ptr<UnixSocket> its = other->peer();
  if (!connection && its != nullptr && its.get() != this) return fail(EPERM);
  if (shut_send_ || other->shut_receive_) return fail(EPIPE);
  if (other->is_full_for(*this)) {
    wait_for_room_of(*other);
    return fail(EAGAIN);
  }
  const size_t size = message.data->left();
  if (account_->used > 0 && account_->used + size > static_cast<size_t>(options.send_buffer)) return fail(EAGAIN);
  std::unique_ptr<Rights> rights = TRY(take_rights(caller, message));
  std::vector<char> data(size);
  message.data->take(data.data(), size);
  Charge charge(account_, size + kOverhead);
  deliver({.data = std::move(data),
           .rights = std::move(rights),
           .writer = writer_for(caller, message, *other),
           .from = {},
           .charge = std::move(charge)},
          *other);
  return size;
}

bool UnixSocket::is_full_for(const UnixSocket& sender) const {
  return this != &sender && peer().get() != &sender && messages_.size() > kMostMessages;
}

void UnixSocket::wait_for_room_of(UnixSocket& receiver) {
  std::erase_if(room_waiters_, [](const auto& waiter) { return !waiter.second->is_waiting(); });
  std::unique_ptr<RoomWaiter>& waiter = room_waiters_[&receiver];
  if (waiter != nullptr) return;
  waiter = std::make_unique<RoomWaiter>(queue_);
  receiver.room_.add(*waiter, ~0u);
}

// --- receiving

SysResult<size_t> UnixSocket::receive(Caller&, Incoming& message) {
  if (message.flags & MSG_OOB) return fail(is_stream() ? EINVAL : EOPNOTSUPP);
  if (message.flags & MSG_ERRQUEUE) return fail(EAGAIN);
  return is_stream() ? receive_stream(message) : receive_datagram(message);
}

void UnixSocket::give_extras(Message& from, Incoming& message, bool peek) const {
  if (options.pass_credentials) message.credentials = from.writer;
  if (from.rights != nullptr) message.rights = peek ? from.rights->files() : from.rights->take();
  if (options.timestamp != 0) add_timestamp(message, from.time);
}

// Reads on from message to message, but not from one writer's to another's where that is told, and not beyond one with
// descriptors.
SysResult<size_t> UnixSocket::receive_stream(Incoming& message) {
  if (state_ != State::kConnected) return fail(EINVAL);
  const bool peek = message.flags & MSG_PEEK;
  size_t done = 0;
  std::optional<ucred> writer;
  const size_t wanted = std::min<size_t>(message.data->left(), static_cast<size_t>(options.receive_low_water));
  if (messages_.empty() || (unread() < wanted && !(message.flags & MSG_DONTWAIT) && !shut_receive_)) {
    if (error_ != 0) return fail(take_error());
    if (shut_receive_) return 0;
    return fail(EAGAIN);
  }
  for (size_t at = 0; at < messages_.size();) {
    Message& one = messages_[at];
    if (writer && options.pass_credentials && !same_writer(*writer, one.writer)) break;
    if (done == 0) message.from = one.from;
    const bool has_rights = one.rights != nullptr && !one.rights->files().empty();
    if (!writer || has_rights) give_extras(one, message, peek);
    writer = one.writer;
    const size_t n = message.data->put(one.data.data() + one.start, one.left());
    done += n;
    if (peek) {
      ++at;
    } else {
      one.start += n;
      if (one.left() == 0) messages_.pop_front();
    }
    if (has_rights || message.data->left() == 0) break;
  }
  message.length = done;
  return done;
}

SysResult<size_t> UnixSocket::receive_datagram(Incoming& message) {
  if (is_connection() && state_ != State::kConnected) return fail(ENOTCONN);
  if (messages_.empty()) {
    if (error_ != 0) return fail(take_error());
    if (shut_receive_ && (is_connection() || !(message.flags & MSG_DONTWAIT))) return 0;
    return fail(EAGAIN);
  }
  const bool peek = message.flags & MSG_PEEK;
  Message& one = messages_.front();
  message.length = one.data.size();
  message.from = one.from;
  const size_t done = message.data->put(one.data.data(), one.data.size());
  if (done < one.data.size()) message.result_flags |= MSG_TRUNC;
  give_extras(one, message, peek);
  if (!peek) {
    messages_.pop_front();
    room_.notify(POLLOUT);
  }
  return done;
}

}  // namespace cella::sandbox::net
