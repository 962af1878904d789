#include "sys/socket.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cella::sys {
namespace {

constexpr size_t kMaxDescriptors = 64;

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}

struct RouteSocket {
  int netns;
  int fd;  // or a negative errno
};

// Makes the socket; in a child that shares the descriptors when there is a namespace to enter for it.
int make_route_socket(void* argument) {
  RouteSocket& made = *static_cast<RouteSocket*>(argument);
  const bool there = made.netns < 0 || ::setns(made.netns, CLONE_NEWNET) == 0;
  made.fd = there ? ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) : -1;
  if (made.fd < 0) made.fd = -errno;
  return 0;
}

}  // namespace

SysResult<std::pair<FileDescriptor, FileDescriptor>> packet_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) return last_error();
  return std::pair(FileDescriptor(fds[0]), FileDescriptor(fds[1]));
}

SysResult<FileDescriptor> connect_unix(const std::string& path, int type_flags) {
  int raw = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
  if (raw < 0) return last_error();
  FileDescriptor socket(raw);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string name = path;
  FileDescriptor target;
  if (path.size() >= sizeof address.sun_path) {
    // Too long for an address: through the descriptor of the socket file itself.
    target = TRY(open(path.c_str(), O_PATH));
    name = "/proc/self/fd/" + std::to_string(target.get());
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  if (::connect(raw, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return last_error();
  return socket;
}

SysResult<FileDescriptor> listen_unix(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::unexpected(Errno{ENAMETOOLONG});
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return last_error();
  // Bound with the mode of the socket's own inode, unix(7): nobody may connect in between.
  if (::fchmod(socket.get(), 0600) < 0) return last_error();
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return last_error();
  if (::listen(socket.get(), 16) < 0) return last_error();
  return socket;
}

SysResult<void> send_message(int socket, std::string_view bytes, std::span<const int> fds) {
  if (fds.size() > kMaxDescriptors) return std::unexpected(Errno{E2BIG});
  iovec vector = {const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(item), fds.data(), fds.size_bytes());
  }
  ssize_t n;
  do n = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0) return last_error();
  return {};
}

SysResult<FileDescriptor> route_socket(int netns) {
  RouteSocket made = {netns, -1};
  if (netns < 0) {
    make_route_socket(&made);
  } else {
    // A child, so that no thread of ours is ever in another namespace, not even when coming back failed.
    SignalBlock block;
    CloneResult child = TRY(clone_vfork(CLONE_FILES, -1, make_route_socket, &made));
    TRY(wait_for(child.pid));
  }
  if (made.fd < 0) return std::unexpected(Errno{-made.fd});
  FileDescriptor socket(made.fd);
  constexpr int kOn = 1;
  for (int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    if (::setsockopt(made.fd, SOL_NETLINK, option, &kOn, sizeof kOn) < 0) return last_error();
  }
  return socket;
}

}  // namespace cella::sys
