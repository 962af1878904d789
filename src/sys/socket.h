// Unix sockets and the descriptors that travel over them, unix(7); sockets of rtnetlink(7).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::sys {

// socketpair(2) of SOCK_SEQPACKET, close-on-exec.
SysResult<std::pair<FileDescriptor, FileDescriptor>> packet_pair();
// Connects a stream socket to a path of any length. `type_flags`: SOCK_NONBLOCK for EAGAIN while more of them wait to
// be accepted than the other side lets.
SysResult<FileDescriptor> connect_unix(const std::string& path, int type_flags = 0);
// A stream socket that listens at a path which is not there yet; only its owner may connect.
SysResult<FileDescriptor> listen_unix(const std::string& path);
// One message with descriptors (at most 64), MSG_NOSIGNAL.
SysResult<void> send_message(int socket, std::string_view bytes, std::span<const int> fds = {});

// A socket of NETLINK_ROUTE, netlink(7), whose errors come with the kernel's words (NETLINK_EXT_ACK) and without the
// request (NETLINK_CAP_ACK). In the network namespace of the descriptor `netns`, or in the calling thread's own (-1).
// The thread stays where it is: a child goes there, and is waited for.
SysResult<FileDescriptor> route_socket(int netns = -1);

}  // namespace cella::sys
