#include "sandbox/net/socket.h"

#include <linux/capability.h>

#include "base/result.h"
#include "sandbox/core/restart.h"

namespace cella::sandbox::net {
namespace {

class SocketInode final : public fs::MemoryInode {
 public:
  using MemoryInode::MemoryInode;
  SysResult<vfs::FilePtr> open(Caller&, const vfs::Path&, int) override { return fail(ENXIO); }
  long magic() const override { return 0x534f434b; }  // SOCKFS_MAGIC
};

vfs::Path new_path(Caller& caller) {
  static const uint64_t kDevice = fs::new_device_number();
  const vfs::Credentials& who = caller.credentials();
  auto inode = std::make_shared<SocketInode>(kDevice, S_IFSOCK | 0777, who.fsuid, who.fsgid);
  return fs::anonymous_path(inode, fmt::format("socket:[{}]", inode->attributes()->st_ino));
}

}  // namespace

Socket::Socket(Caller& caller, int socket_domain, int socket_type, int socket_protocol, int open_flags)
    : File(new_path(caller), O_RDWR | open_flags),
      domain(socket_domain),
      type(socket_type),
      protocol(socket_protocol) {}

SysResult<void> Socket::wait(Caller& caller, core::WaitQueue& queue, uint32_t events, core::Nanoseconds deadline) {
  SysResult<void> slept = caller.sleep_on(queue, events, deadline);
  if (slept) return {};
  if (slept.error().value == ETIMEDOUT) return fail(EAGAIN);
  // What would wait anew for the whole time is not restarted, signal(7).
  return slept.error().value == core::kRestartSys && deadline != core::kNever ? fail(EINTR) : slept;
}

SysResult<size_t> Socket::read(Caller& caller, IoVector& io) {
  if (io.left() == 0) return 0;
  Incoming message;
  message.data = &io;
  if (is_nonblocking()) message.flags = MSG_DONTWAIT;
  return receive(caller, message);
}

SysResult<size_t> Socket::write(Caller& caller, IoVector& io) {
  Outgoing message;
  message.data = &io;
  SysResult<size_t> sent = send(caller, message);
  if (!sent && sent.error().value == EPIPE && type == SOCK_STREAM) caller.send_signal_to_self(SIGPIPE);
  return sent;
}

SysResult<size_t> Socket::peek(Caller& caller, IoVector& io) {
  if (keeps_messages()) return fail(EINVAL);
  Incoming message;
  message.data = &io;
  message.flags = MSG_PEEK | (is_nonblocking() ? MSG_DONTWAIT : 0);
  return receive(caller, message);
}

void Socket::add_timestamp(Incoming& message, const timespec& time) const {
  switch (options.timestamp) {
    case SO_TIMESTAMP:
    case SO_TIMESTAMP_NEW:
      message.control.push_back(
          {SOL_SOCKET, options.timestamp, option_bytes(timeval{time.tv_sec, time.tv_nsec / 1000})});
      break;
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMPNS_NEW:
      message.control.push_back({SOL_SOCKET, options.timestamp, option_bytes(time)});
      break;
    default:
      break;
  }
}

SysResult<SocketPtr> socket_of(const vfs::FilePtr& file) {
  if (!file->is_socket()) return fail(ENOTSOCK);
  return std::static_pointer_cast<Socket>(file);
}

}  // namespace cella::sandbox::net
