// Names of unix sockets: sockaddr_un, and the nodes that stand for sockets in filesystems.
#pragma once

#include "sandbox/net/socket.h"

namespace cella::sandbox::net {

// What is in sun_path: a path, or a NUL and an abstract name; "" for an address that is the family alone. EINVAL.
SysResult<std::string> unix_name(const Address& address);
Address unix_address(const std::string& name);

// A new node for a socket with the mode of `socket`: EADDRINUSE.
SysResult<vfs::Path> make_socket_node(Caller& caller, const std::string& path, vfs::Inode& socket);
// One that the caller may write to. ECONNREFUSED: not a socket.
SysResult<vfs::Path> find_socket_node(Caller& caller, const std::string& path);

}  // namespace cella::sandbox::net
