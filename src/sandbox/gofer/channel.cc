#include "sandbox/gofer/channel.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sys/socket.h"

namespace cella::sandbox::gofer {

SysResult<void> send(int socket, std::string_view bytes, int descriptor) {
  if (descriptor >= 0) return sys::send_message(socket, bytes, std::span(&descriptor, 1));
  // With nothing but bytes, so that the filter of the side that gives no descriptors need not let it.
  ssize_t n;
  do n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0) return std::unexpected(Errno{errno});
  return {};
}

SysResult<size_t> receive(int socket, std::span<char> buffer, sys::FileDescriptor* descriptor) {
  iovec vector = {buffer.data(), buffer.size()};
  // The padding has room for a second one, which is looked for.
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  ssize_t n;
  do {
    header.msg_control = descriptor != nullptr ? control : nullptr;
    header.msg_controllen = descriptor != nullptr ? sizeof control : 0;
    n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return std::unexpected(Errno{errno});
  size_t count = 0;
  if (descriptor != nullptr) {
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
      if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
      for (size_t at = 0; at + sizeof(int) <= item->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(item) + at, sizeof fd);
        sys::FileDescriptor owned(fd);
        if (count++ == 0) *descriptor = std::move(owned);
      }
    }
    if (count > 1 || (header.msg_flags & MSG_CTRUNC) != 0) return std::unexpected(Errno{EPROTO});
  }
  if ((header.msg_flags & MSG_TRUNC) != 0) return std::unexpected(Errno{EMSGSIZE});
  return static_cast<size_t>(n);
}

}  // namespace cella::sandbox::gofer
