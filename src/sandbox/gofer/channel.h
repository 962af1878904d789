// One message of the file protocol, sent and received: SOCK_SEQPACKET of unix(7), so that a message is one or is none,
// and either side sees at once that the other has ended.
#pragma once

#include <span>
#include <string_view>

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::sandbox::gofer {

// Blocks. EPIPE: nobody is there any more.
SysResult<void> send(int socket, std::string_view bytes, int descriptor = -1);
// Blocks; the bytes of one message, 0: the other side has ended. `descriptor`: where to put one that comes with it;
// null: none is taken, whatever is sent. EMSGSIZE: more bytes than `buffer` holds; EPROTO: more descriptors than one.
SysResult<size_t> receive(int socket, std::span<char> buffer, sys::FileDescriptor* descriptor);

}  // namespace cella::sandbox::gofer
