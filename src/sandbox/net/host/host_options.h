// What may go to a host socket besides data, and come back from it: options and ancillary data. Tables: what is in none
// of them does not exist.
#pragma once

#include <span>

#include "sandbox/net/socket.h"

namespace cella::sandbox::net {

// A value of a fixed shape without pointers.
struct HostOption {
  int level, name;
  size_t least, most;  // bytes
  bool can_be_set = true, can_be_got = true;
};
const HostOption* host_option(int level, int name);

// Of level SOL_SOCKET, those that a host socket is told of: numbers that SocketOptions keeps.
struct HostSocketOption {
  int name;
  int SocketOptions::* value;
};
std::span<const HostSocketOption> host_socket_options();

// Ancillary data: to the host in sendmsg(2), from it in recvmsg(2).
bool may_send_control(const ControlItem& item);
bool may_receive_control(const ControlItem& item);

}  // namespace cella::sandbox::net
