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
  std::shared_ptr<PortTable> tcp_ = std::make_shared<PortTable>(), udp_ = std::make_shared<PortTable>();
  std::shared_ptr<NetlinkPorts> netlink_ = std::make_shared<NetlinkPorts>();
};

constexpr char kTcpHead[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
constexpr char kUdpHead[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
    "drops";

void LoopbackStack::add_proc_files(fs::FixedDirectory& directory) {
  Stack::add_proc_files(directory);
  add_interface_files(directory, [network = network_]() -> SysResult<Network> { return network; });
  struct File {
    const char* name;
    const char* head;
    std::shared_ptr<PortTable> ports;
    int domain;
  };
  const File files[] = {{"tcp", kTcpHead, tcp_, AF_INET},
                        {"tcp6", kTcpHead, tcp_, AF_INET6},
                        {"udp", kUdpHead, udp_, AF_INET},
                        {"udp6", kUdpHead, udp_, AF_INET6}};
  constexpr uint32_t kMode = 0444;
  for (const File& file : files) {
    directory.add(file.name, fs::make_text_file(directory.super(), kMode, [file](Caller&) -> SysResult<std::string> {
                    std::string text = std::string(file.head) + '\n';
                    int number = 0;
                    for (const auto& [port, sockets] : file.ports->users()) {
                      for (const InetSocket* socket : sockets)
                        if (socket->domain == file.domain) text += fmt::format("{:4}: {}\n", number++, socket->line());
                    }
                    return text;
                  }));
  }
}

}  // namespace

std::shared_ptr<Stack> make_loopback_stack() {
  return std::make_shared<LoopbackStack>();
}

}  // namespace cella::sandbox::net
