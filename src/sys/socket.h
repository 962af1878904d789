// Unix sockets and the descriptors that travel over them, unix(7).
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
// Connects a stream socket to a path of any length.
SysResult<FileDescriptor> connect_unix(const std::string& path);
// One message with descriptors (at most 64), MSG_NOSIGNAL.
SysResult<void> send_message(int socket, std::string_view bytes, std::span<const int> fds = {});

}  // namespace cella::sys
