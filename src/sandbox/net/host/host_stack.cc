// The stack of network "host".
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/result.h"
#include "sandbox/net/host/host_socket.h"
#include "sandbox/net/netlink/netlink_socket.h"
#include "sandbox/net/netlink/route_messages.h"
#include "sandbox/net/stack.h"

namespace cella::sandbox::net {
namespace {

// Asks the host for its interfaces and routes, through one socket that is made with the stack.
class HostNetwork {
 public:
  HostNetwork() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    // The host answers at once. It is not to keep us here if it should not.
    const timeval limit = {1, 0};
    if (fd_) (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  SysResult<Network> read() {
    if (!fd_) return fail(ENETDOWN);
    Network network;
    for (const uint16_t type : {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE}) TRY(dump(type, network));
    return network;
  }

 private:
  SysResult<void> dump(uint16_t type, Network& network) {
    struct {
      nlmsghdr head;
      rtgenmsg body;
    } request = {};
    request.head.nlmsg_len = NLMSG_LENGTH(sizeof request.body);
    request.head.nlmsg_type = type;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.head.nlmsg_seq = ++sequence_;
    request.body.rtgen_family = AF_UNSPEC;
    if (::send(fd_.get(), &request, request.head.nlmsg_len, 0) < 0) return std::unexpected(Errno{errno});
    for (;;) {
      constexpr size_t kPiece = 32768;
      std::string bytes(kPiece, '\0');
      const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
      if (n < 0) return std::unexpected(Errno{errno});
      if (static_cast<size_t>(n) < sizeof(nlmsghdr)) return fail(EPROTO);
      bytes.resize(static_cast<size_t>(n));
      nlmsghdr first;
      std::memcpy(&first, bytes.data(), sizeof first);
      if (first.nlmsg_seq != sequence_) continue;  // of a dump that was given up
      if (first.nlmsg_type == NLMSG_ERROR) return fail(EOPNOTSUPP);
      add_route_messages(bytes, network);
      if (ends(bytes)) return {};
    }
  }
  static bool ends(std::string_view bytes) {
    while (bytes.size() >= sizeof(nlmsghdr)) {
      nlmsghdr head;
      std::memcpy(&head, bytes.data(), sizeof head);
      if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_len < sizeof head) return true;
      bytes.remove_prefix(std::min<size_t>(NLMSG_ALIGN(head.nlmsg_len), bytes.size()));
    }
    return false;
  }

  sys::FileDescriptor fd_;
  uint32_t sequence_ = 0;
};

class HostStack final : public Stack {
 public:
  HostStack(fs::HostPoller& poller, const StackOptions& options)
      : sockets_(std::make_shared<HostSockets>(HostSockets{poller, options.first_unprivileged_port, {}})) {}

  SysResult<uint64_t> interface_ioctl(Caller& caller, uint32_t request, uint64_t argument) override {
    constexpr uint32_t kFirst = 0x8900, kLast = 0x89ff;  // SIOC… of sockets
    if (request < kFirst || request > kLast) return fail(ENOTTY);
    const Network network = TRY(network_->read());
    return net::interface_ioctl(caller, network, request, argument);
  }
  void add_proc_files(fs::FixedDirectory& directory) override {
    Stack::add_proc_files(directory);
    add_interface_files(directory, [network = network_] { return network->read(); });
    add_socket_files(directory, [sockets = sockets_](const std::function<void(const SocketLine&)>& visit) {
      for (HostSocket* socket : sockets->all) visit(socket->line());
    });
  }
  void add_sys_files(fs::FixedDirectory& directory) override {
    if (SysResult<Network> network = network_->read()) add_interface_directories(directory, *network);
  }

 protected:
  SysResult<SocketPtr> make_inet(Caller& caller, int domain, int type, int protocol, int open_flags) override {
    TRY(check_inet_type(caller, type, protocol));
    protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    sys::FileDescriptor fd(::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (!fd) return std::unexpected(Errno{errno});
    return std::make_shared<HostSocket>(caller, sockets_, std::move(fd), domain, type, protocol, open_flags);
  }
  SysResult<SocketPtr> make_netlink(Caller& caller, int type, int protocol, int open_flags) override {
    TRY(check_netlink_type(type, protocol));
    return std::make_shared<NetlinkSocket>(
        caller, netlink_, [network = network_] { return network->read(); }, type, protocol, open_flags);
  }

 private:
  std::shared_ptr<HostSockets> sockets_;
  std::shared_ptr<HostNetwork> network_ = std::make_shared<HostNetwork>();
  std::shared_ptr<NetlinkPorts> netlink_ = std::make_shared<NetlinkPorts>();
};

}  // namespace

std::shared_ptr<Stack> make_host_stack(fs::HostPoller& poller, const StackOptions& options) {
  return std::make_shared<HostStack>(poller, options);
}

}  // namespace cella::sandbox::net
