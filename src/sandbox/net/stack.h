// Stack: the network of one kernel: makes its sockets. Unix sockets are the same in every one; what AF_INET, AF_INET6
// and AF_NETLINK are is what stacks differ in:
//
//   loopback stack   network "none": 127.0.0.0/8 and ::1 inside the kernel, and no other address
//   host stack       network "host": sockets of the host's, in the network namespace that this process is in
//
// A kernel gets one before its first task runs: task::Kernel::network. Without it there are no sockets, EAFNOSUPPORT.
#pragma once

#include <utility>

#include "sandbox/fs/generated/generated.h"
#include "sandbox/fs/host/host_fd.h"
#include "sandbox/net/socket.h"
#include "sandbox/net/unix/unix_domain.h"
#include "sandbox/task/kernel.h"

namespace cella::sandbox::net {

class Stack {
 public:
  Stack() = default;
  virtual ~Stack() = default;
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // socket(2). `type` without flags; `open_flags`: O_NONBLOCK or nothing.
  SysResult<SocketPtr> make_socket(Caller& caller, int domain, int type, int protocol, int open_flags);
  // socketpair(2).
  SysResult<std::pair<SocketPtr, SocketPtr>> make_pair(Caller& caller, int domain, int type, int protocol,
                                                       int open_flags);
  // ioctl(2) of any socket about network interfaces, netdevice(7). ENOTTY: not one of those.
  virtual SysResult<uint64_t> interface_ioctl(Caller& caller, uint32_t request, uint64_t argument) = 0;
  // Fills /proc/net and /sys/class/net: fs::ProcfsHooks and fs::SysfsHooks. The stack must outlive the directories.
  virtual void add_proc_files(fs::FixedDirectory& directory);
  virtual void add_sys_files(fs::FixedDirectory& directory) = 0;

 protected:
  virtual SysResult<SocketPtr> make_inet(Caller& caller, int domain, int type, int protocol, int open_flags) = 0;
  virtual SysResult<SocketPtr> make_netlink(Caller& caller, int type, int protocol, int open_flags) = 0;
  // What both stacks have: streams and datagrams; NETLINK_ROUTE. EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM, EACCES.
  static SysResult<void> check_inet_type(Caller& caller, int type, int protocol);
  static SysResult<void> check_netlink_type(int type, int protocol);

 private:
  std::shared_ptr<UnixDomain> unix_ = std::make_shared<UnixDomain>();
};

struct StackOptions {
  uint32_t first_unprivileged_port = 1024;  // net.ipv4.ip_unprivileged_port_start
};

std::shared_ptr<Stack> make_loopback_stack(const StackOptions& options = {});
// Makes sockets of the host's as guests ask for them: this process has to be allowed to in its seccomp filter:
// socket(2) of AF_INET and AF_INET6, bind, connect, listen, accept4, sendmsg, recvmsg, shutdown, getsockname,
// getpeername, getsockopt, setsockopt, ioctl with FIONREAD, SIOCOUTQ and SIOCATMARK, and what HostPoller needs. A low
// port takes a capability that the guest has, and one that this process has in its network namespace. `poller` must
// outlive it.
std::shared_ptr<Stack> make_host_stack(fs::HostPoller& poller, const StackOptions& options = {});

}  // namespace cella::sandbox::net
