// The stack of network "none".
#include "base/result.h"
#include "sandbox/net/inet/tcp_socket.h"
#include "sandbox/net/inet/udp_socket.h"
#include "sandbox/net/interfaces.h"
#include "sandbox/net/netlink/netlink_socket.h"
#include "sandbox/net/stack.h"

namespace cella::sandbox::net {
namespace {

class LoopbackStack final : public Stack {
 public:
  explicit LoopbackStack(const StackOptions& options)
      : tcp_(std::make_shared<PortTable>(options.first_unprivileged_port)),
        udp_(std::make_shared<PortTable>(options.first_unprivileged_port)) {}
  SysResult<uint64_t> interface_ioctl(Caller& caller, uint32_t request, uint64_t argument) override {
    return net::interface_ioctl(caller, network_, request, argument);
  }
  void add_proc_files(fs::FixedDirectory& directory) override;
  void add_sys_files(fs::FixedDirectory& directory) override { add_interface_directories(directory, network_); }

 protected:
  SysResult<SocketPtr> make_inet(Caller& caller, int domain, int type, int protocol, int open_flags) override {
    TRY(check_inet_type(caller, type, protocol));
    if (type == SOCK_STREAM) return std::make_shared<TcpSocket>(caller, tcp_, domain, open_flags);
    return std::make_shared<UdpSocket>(caller, udp_, domain, open_flags);
  }
  SysResult<SocketPtr> make_netlink(Caller& caller, int type, int protocol, int open_flags) override {
    TRY(check_netlink_type(type, protocol));
    return std::make_shared<NetlinkSocket>(
        caller, netlink_, [network = network_]() -> SysResult<Network> { return network; }, type, protocol, open_flags);
  }

 private:
  const Network network_ = loopback_network();
  std::shared_ptr<PortTable> tcp_, udp_;
  std::shared_ptr<NetlinkPorts> netlink_ = std::make_shared<NetlinkPorts>();
};

void LoopbackStack::add_proc_files(fs::FixedDirectory& directory) {
  Stack::add_proc_files(directory);
  add_interface_files(directory, [network = network_]() -> SysResult<Network> { return network; });
  add_socket_files(directory, [tcp = tcp_, udp = udp_](const std::function<void(const SocketLine&)>& visit) {
    for (const PortTable* ports : {tcp.get(), udp.get()}) {
      for (const auto& [port, sockets] : ports->users())
        for (const InetSocket* socket : sockets) visit(socket->line());
    }
  });
}

}  // namespace

std::shared_ptr<Stack> make_loopback_stack(const StackOptions& options) {
  return std::make_shared<LoopbackStack>(options);
}

}  // namespace cella::sandbox::net
