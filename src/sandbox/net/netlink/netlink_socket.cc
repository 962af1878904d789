#include "sandbox/net/netlink/netlink_socket.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/result.h"
#include "sandbox/net/netlink/route_messages.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::net {
namespace {

constexpr size_t kPiece = 16384;  // of a dump, in one message to the reader

// NLMSG_ERROR; 0: an acknowledgement.
std::string error_message(const nlmsghdr& request, uint32_t port, int error) {
  nlmsgerr body = {};
  body.error = -error;
  body.msg = request;
  nlmsghdr head = {};
  head.nlmsg_len = NLMSG_LENGTH(sizeof body);
  head.nlmsg_type = NLMSG_ERROR;
  head.nlmsg_flags = NLM_F_CAPPED;
  head.nlmsg_seq = request.nlmsg_seq;
  head.nlmsg_pid = port;
  return option_bytes(head) + option_bytes(body);
}

std::string done_message(const nlmsghdr& request, uint32_t port) {
  nlmsghdr head = {};
  head.nlmsg_len = NLMSG_LENGTH(sizeof(int));
  head.nlmsg_type = NLMSG_DONE;
  head.nlmsg_flags = NLM_F_MULTI;
  head.nlmsg_seq = request.nlmsg_seq;
  head.nlmsg_pid = port;
  return option_bytes(head) + option_bytes(0);
}

}  // namespace

NetlinkSocket::NetlinkSocket(Caller& caller, std::shared_ptr<NetlinkPorts> ports, ReadNetwork network, int socket_type,
                             int socket_protocol, int open_flags)
    : Socket(caller, AF_NETLINK, socket_type, socket_protocol, open_flags),
      ports_(std::move(ports)),
      network_(std::move(network)) {}

NetlinkSocket::~NetlinkSocket() {
  if (port_ != 0) ports_->users.erase(port_);
}

// The process's number, or one that nobody else has.
void NetlinkSocket::take_port(Caller& caller) {
  auto wanted = static_cast<uint32_t>(static_cast<task::Task&>(caller).group->id);
  constexpr uint32_t kFirstOther = 0xfffff000;
  for (uint32_t next = kFirstOther; !ports_->users.emplace(wanted, 1).second; --next) wanted = next;
  port_ = wanted;
}

SysResult<void> NetlinkSocket::bind(Caller& caller, const Address& address) {
  if (address.size < sizeof(sockaddr_nl) || address.family() != AF_NETLINK) return fail(EINVAL);
  const auto& wanted = address.as<sockaddr_nl>();
  if (port_ != 0 && wanted.nl_pid != port_ && wanted.nl_pid != 0) return fail(EINVAL);
  if (port_ == 0 && wanted.nl_pid != 0) {
    if (!ports_->users.emplace(wanted.nl_pid, 1).second) return fail(EADDRINUSE);
    port_ = wanted.nl_pid;
  }
  if (port_ == 0) take_port(caller);
  groups_ = wanted.nl_groups;
  return {};
}

SysResult<void> NetlinkSocket::connect(Caller& caller, const Address& address) {
  if (address.family() == AF_UNSPEC && address.size >= sizeof(sa_family_t)) return {};
  if (address.size < sizeof(sockaddr_nl) || address.family() != AF_NETLINK) return fail(EINVAL);
  // There is nobody but the kernel to talk to.
  if (address.as<sockaddr_nl>().nl_pid != 0) return fail(ECONNREFUSED);
  if (port_ == 0) take_port(caller);
  return {};
}

SysResult<Address> NetlinkSocket::local_address() {
  sockaddr_nl name = {};
  name.nl_family = AF_NETLINK;
  name.nl_pid = port_;
  name.nl_groups = groups_;
  return Address::of(name);
}
SysResult<Address> NetlinkSocket::peer_address() {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  return Address::of(kernel);
}

void NetlinkSocket::answer(std::string message) {
  queued_ += message.size();
  answers_.push_back(std::move(message));
}

void NetlinkSocket::handle(Caller& caller, std::string_view request) {
  nlmsghdr head;
  std::memcpy(&head, request.data(), sizeof head);
  if (!(head.nlmsg_flags & NLM_F_REQUEST) || head.nlmsg_type < NLMSG_MIN_TYPE) return;
  // Of four kinds of requests the third one asks.
  const bool asks = (head.nlmsg_type & 3) == 2;
  if (!asks) return answer(error_message(head, port_, caller.credentials().has(CAP_NET_ADMIN) ? EOPNOTSUPP : EPERM));
  SysResult<RouteQuery> query = parse_route_query(request);
  if (!query) return answer(error_message(head, port_, query.error().value));
  SysResult<Network> network = network_();
  if (!network) return answer(error_message(head, port_, network.error().value));
  const bool dump = (head.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (dump) {
    query->to.reset();
    // A filter that only strict askers mean.
    if (query->type != RTM_GETLINK || !numbers_[NETLINK_GET_STRICT_CHK]) query->interface = 0;
    query->name.clear();
  } else if (query->type == RTM_GETROUTE ? !query->to : query->interface == 0 && query->name.empty()) {
    return answer(error_message(head, port_, EINVAL));
  }
  const std::vector<std::string> messages =
      route_messages(*network, *query, head.nlmsg_seq, port_, dump ? NLM_F_MULTI : 0);
  if (!dump && messages.empty())
    return answer(error_message(head, port_, query->type == RTM_GETROUTE ? ENETUNREACH : ENODEV));
  std::string piece;
  for (const std::string& message : messages) {
    if (piece.size() + message.size() > kPiece) answer(std::exchange(piece, {}));
    piece += message;
  }
  if (!piece.empty()) answer(std::move(piece));
  if (dump) {
    answer(done_message(head, port_));
  } else if (head.nlmsg_flags & NLM_F_ACK) {
    answer(error_message(head, port_, 0));
  }
}

SysResult<size_t> NetlinkSocket::send(Caller& caller, Outgoing& message) {
  if (message.flags & MSG_OOB) return fail(EOPNOTSUPP);
  if (message.to != nullptr) {
    if (message.to->size < sizeof(sockaddr_nl) || message.to->family() != AF_NETLINK) return fail(EINVAL);
    if (message.to->as<sockaddr_nl>().nl_pid != 0) return fail(ECONNREFUSED);
  }
  if (port_ == 0) take_port(caller);
  const size_t size = message.data->left();
  if (size > static_cast<size_t>(options.send_buffer) - 32) return fail(EMSGSIZE);
  std::string bytes(size, '\0');
  message.data->take(bytes.data(), size);
  std::string_view rest = bytes;
  while (rest.size() >= sizeof(nlmsghdr)) {
    // Who asks and does not read the answers gets no more of them.
    if (queued_ > static_cast<size_t>(options.receive_buffer)) {
      error_ = ENOBUFS;
      break;
    }
    nlmsghdr head;
    std::memcpy(&head, rest.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) break;
    handle(caller, rest.substr(0, head.nlmsg_len));
    rest.remove_prefix(std::min<size_t>(NLMSG_ALIGN(head.nlmsg_len), rest.size()));
  }
  queue_.notify(POLLIN | POLLRDNORM);
  return size;
}

SysResult<size_t> NetlinkSocket::receive(Caller&, Incoming& message) {
  if (message.flags & MSG_OOB) return fail(EOPNOTSUPP);
  if (error_ != 0) return fail(take_error());
  if (answers_.empty()) return fail(EAGAIN);
  std::string& one = answers_.front();
  message.length = one.size();
  message.from = *peer_address();
  if (options.pass_credentials) message.credentials = ucred{0, 0, 0};
  const size_t done = message.data->put(one.data(), one.size());
  if (done < one.size()) message.result_flags |= MSG_TRUNC;
  if (!(message.flags & MSG_PEEK)) {
    queued_ -= one.size();
    answers_.pop_front();
  }
  return done;
}

uint32_t NetlinkSocket::ready(Caller&) {
  uint32_t events = POLLOUT | POLLWRNORM | POLLWRBAND;
  if (error_ != 0) events |= POLLERR;
  return answers_.empty() ? events : events | POLLIN | POLLRDNORM;
}

SysResult<std::string> NetlinkSocket::level_option(Caller&, int level, int name, std::string_view) {
  if (level != SOL_NETLINK) return fail(ENOPROTOOPT);
  auto found = numbers_.find(name);
  return option_bytes(found == numbers_.end() ? 0 : found->second);
}

SysResult<void> NetlinkSocket::set_level_option(Caller&, int level, int name, std::string_view value) {
  if (level != SOL_NETLINK) return fail(ENOPROTOOPT);
  const int number = TRY(option_value<int>(value));
  switch (name) {
    case NETLINK_ADD_MEMBERSHIP:
    case NETLINK_DROP_MEMBERSHIP:
      return number > 0 ? SysResult<void>() : fail(EINVAL);
    case NETLINK_PKTINFO:
    case NETLINK_BROADCAST_ERROR:
    case NETLINK_NO_ENOBUFS:
    case NETLINK_CAP_ACK:
    case NETLINK_EXT_ACK:
    case NETLINK_GET_STRICT_CHK:
      numbers_[name] = number != 0;
      return {};
    default:
      return fail(ENOPROTOOPT);
  }
}

}  // namespace cella::sandbox::net
