// Messages through sockets, sendmsg(2) and recvmsg(2), and their ancillary data, cmsg(3).
#include <linux/capability.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/net/socket.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/syscall/user_io.h"

namespace cella::sandbox::syscall {

using net::Address;
using net::Incoming;
using net::Outgoing;
using net::SocketPtr;
using task::Task;

namespace {

constexpr size_t kMostRights = 253;          // SCM_MAX_FD
constexpr size_t kMostControl = 128 * 1024;  // net.core.optmem_max
constexpr unsigned kMostMessages = IOV_MAX;  // of sendmmsg(2)
constexpr uint32_t kCompat = 0x80000000;     // MSG_CMSG_COMPAT: not for 64-bit programs
constexpr size_t kHead = CMSG_LEN(0);

// --- ancillary data on its way out

SysResult<void> add_rights(Task& task, std::string_view data, Outgoing& message) {
  const size_t count = data.size() / sizeof(int);
  if (message.rights.size() + count > kMostRights) return fail(EINVAL);
  for (size_t i = 0; i < count; ++i) {
    int fd;
    std::memcpy(&fd, data.data() + i * sizeof fd, sizeof fd);
    message.rights.push_back(TRY(task.files->get(fd)));
  }
  return {};
}

// Who one says that one is, unix(7).
SysResult<void> set_credentials(Task& task, std::string_view data, Outgoing& message) {
  if (data.size() != sizeof(ucred)) return fail(EINVAL);
  const auto claimed = TRY(net::option_value<ucred>(data));
  const vfs::Credentials& who = task.creds;
  const bool pid = claimed.pid == task.group->id || who.has(CAP_SYS_ADMIN);
  const bool uid = claimed.uid == who.uid || claimed.uid == who.euid || claimed.uid == who.suid || who.has(CAP_SETUID);
  const bool gid = claimed.gid == who.gid || claimed.gid == who.egid || claimed.gid == who.sgid || who.has(CAP_SETGID);
  if (!pid || !uid || !gid) return fail(EPERM);
  if (task.kernel.group(claimed.pid) == nullptr) return fail(ESRCH);
  message.credentials = claimed;
  return {};
}

SysResult<void> parse_control(Task& task, const net::Socket& socket, std::string_view bytes, Outgoing& message) {
  while (bytes.size() >= kHead) {
    cmsghdr head;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.cmsg_len < kHead || head.cmsg_len > bytes.size()) return fail(EINVAL);
    const std::string_view data = bytes.substr(kHead, head.cmsg_len - kHead);
    bytes.remove_prefix(std::min(CMSG_ALIGN(head.cmsg_len), bytes.size()));
    if (socket.domain != AF_UNIX && socket.domain != AF_NETLINK) {
      // Those two mean nothing elsewhere, and do no harm.
      if (head.cmsg_level == SOL_SOCKET && (head.cmsg_type == SCM_RIGHTS || head.cmsg_type == SCM_CREDENTIALS))
        continue;
      message.control.push_back({head.cmsg_level, head.cmsg_type, std::string(data)});
      continue;
    }
    if (head.cmsg_level != SOL_SOCKET) continue;
    if (head.cmsg_type == SCM_RIGHTS && socket.domain == AF_UNIX) {
      TRY(add_rights(task, data, message));
    } else if (head.cmsg_type == SCM_CREDENTIALS) {
      TRY(set_credentials(task, data, message));
    } else {
      return fail(EINVAL);
    }
  }
  return {};
}

// --- and in

// Where ancillary data goes: as much as there is room for, MSG_CTRUNC.
class ControlWriter {
 public:
  ControlWriter(Task& task, uint64_t address, size_t size) : task_(task), address_(address), size_(size) {}

  size_t written() const { return written_; }
  bool is_truncated() const { return truncated_; }
  size_t room() const { return size_ - written_; }
  void truncate() { truncated_ = true; }

  SysResult<void> put(int level, int type, std::string_view data) {
    if (address_ == 0 || room() < kHead) {
      truncated_ = true;
      return {};
    }
    if (room() < CMSG_LEN(data.size())) {
      truncated_ = true;
      data = data.substr(0, room() - kHead);
    }
    cmsghdr head = {};
    head.cmsg_len = CMSG_LEN(data.size());
    head.cmsg_level = level;
    head.cmsg_type = type;
    std::string bytes(kHead, '\0');
    std::memcpy(bytes.data(), &head, sizeof head);
    bytes += data;
    TRY(task_.memory().copy_out(address_ + written_, bytes.data(), bytes.size()));
    written_ += std::min(CMSG_SPACE(data.size()), room());
    return {};
  }

 private:
  Task& task_;
  uint64_t address_;
  size_t size_, written_ = 0;
  bool truncated_ = false;
};

SysResult<void> give_rights(Task& task, ControlWriter& control, std::vector<vfs::FilePtr> files, bool close_on_exec) {
  if (files.empty()) return {};
  const size_t room = control.room() < kHead ? 0 : (control.room() - kHead) / sizeof(int);
  std::string fds;
  for (vfs::FilePtr& file : files) {
    if (fds.size() / sizeof(int) >= room) break;
    SysResult<int> fd = task.files->add(file, close_on_exec, task.group->limit(RLIMIT_NOFILE));
    if (!fd) break;
    fds += net::option_bytes(*fd);
  }
  if (fds.size() / sizeof(int) < files.size()) control.truncate();
  return fds.empty() ? SysResult<void>() : control.put(SOL_SOCKET, SCM_RIGHTS, fds);
}

SysResult<void> give_control(Task& task, ControlWriter& control, Incoming& message) {
  for (const net::ControlItem& item : message.control) TRY(control.put(item.level, item.type, item.data));
  if (message.credentials) {
    TRY(control.put(SOL_SOCKET, SCM_CREDENTIALS, net::option_bytes(*message.credentials)));
  }
  return give_rights(task, control, std::move(message.rights), message.flags & MSG_CMSG_CLOEXEC);
}

// --- one message

SysResult<UserIo> buffers_of(Task& task, const msghdr& header) {
  if (header.msg_iovlen > IOV_MAX) return fail(EMSGSIZE);
  return UserIo::from_vector(task, reinterpret_cast<uint64_t>(header.msg_iov), header.msg_iovlen);
}

Outcome send_message(Task& task, net::Socket& socket, uint64_t address, int flags) {
  const auto header = TRY(task.memory().read<msghdr>(address));
  Outgoing message;
  message.flags = flags;
  Address to;
  if (header.msg_name != nullptr && static_cast<int>(header.msg_namelen) < 0) return fail(EINVAL);
  if (header.msg_name != nullptr && header.msg_namelen > 0) {
    const auto size = std::min<socklen_t>(header.msg_namelen, sizeof to.storage);
    to = TRY(address_from(task, reinterpret_cast<uint64_t>(header.msg_name), size));
    message.to = &to;
  }
  UserIo io = TRY(buffers_of(task, header));
  if (header.msg_controllen > INT32_MAX) return fail(ENOBUFS);
  if (header.msg_control != nullptr && header.msg_controllen > 0) {
    if (header.msg_controllen > kMostControl) return fail(ENOBUFS);
    std::string control(header.msg_controllen, '\0');
    TRY(task.memory().copy_in(reinterpret_cast<uint64_t>(header.msg_control), control.data(), control.size()));
    TRY(parse_control(task, socket, control, message));
  }
  return io.send(task, socket, message);
}

// The bytes that are in the buffers; with MSG_TRUNC of a message's all.
uint64_t received(const net::Socket& socket, const Incoming& message, uint64_t done) {
  return (message.flags & MSG_TRUNC) && socket.keeps_messages() ? std::max<uint64_t>(done, message.length) : done;
}

Outcome receive_message(Task& task, net::Socket& socket, uint64_t address, int flags) {
  auto header = TRY(task.memory().read<msghdr>(address));
  if (header.msg_name != nullptr && static_cast<int>(header.msg_namelen) < 0) return fail(EINVAL);
  UserIo io = TRY(buffers_of(task, header));
  Incoming message;
  message.flags = flags;
  const uint64_t done = TRY(io.receive(task, socket, message));
  const size_t room = header.msg_control != nullptr ? std::min<size_t>(header.msg_controllen, INT32_MAX) : 0;
  ControlWriter control(task, reinterpret_cast<uint64_t>(header.msg_control), room);
  TRY(give_control(task, control, message));
  if (header.msg_name != nullptr) {
    const size_t length = std::min(message.from.size, header.msg_namelen);
    TRY(task.memory().copy_out(reinterpret_cast<uint64_t>(header.msg_name), &message.from.storage, length));
    TRY(task.memory().write(address + offsetof(msghdr, msg_namelen), message.from.size));
  }
  const int shown =
      message.result_flags | (flags & MSG_CMSG_CLOEXEC) | (control.is_truncated() ? static_cast<int>(MSG_CTRUNC) : 0);
  TRY(task.memory().write(address + offsetof(msghdr, msg_flags), shown));
  TRY(task.memory().write(address + offsetof(msghdr, msg_controllen), control.written()));
  return received(socket, message, done);
}

}  // namespace

Outcome sys_sendto(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  Outgoing message;
  message.flags = a.integer(3);
  Address to;
  if (a[4] != 0) {
    to = TRY(address_from(task, a[4], a.integer(5)));
    message.to = &to;
  }
  UserIo io = TRY(UserIo::from_buffer(task, a[1], std::min(a[2], kMostIo)));
  return io.send(task, *socket, message);
}

Outcome sys_recvfrom(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  Incoming message;
  message.flags = a.integer(3);
  UserIo io = TRY(UserIo::from_buffer(task, a[1], std::min(a[2], kMostIo)));
  const uint64_t done = TRY(io.receive(task, *socket, message));
  if (a[4] != 0) TRY(write_address(task, message.from, a[4], a[5]));
  return received(*socket, message, done);
}

Outcome sys_sendmsg(Task& task, const Arguments& a) {
  if (a.word(2) & kCompat) return fail(EINVAL);
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  return send_message(task, *socket, a[1], a.integer(2));
}
Outcome sys_recvmsg(Task& task, const Arguments& a) {
  if (a.word(2) & kCompat) return fail(EINVAL);
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  return receive_message(task, *socket, a[1], a.integer(2));
}

Outcome sys_sendmmsg(Task& task, const Arguments& a) {
  if (a.word(3) & kCompat) return fail(EINVAL);
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  const unsigned count = std::min(a.word(2), kMostMessages);
  for (unsigned done = 0; done < count; ++done) {
    const uint64_t at = a[1] + done * sizeof(mmsghdr);
    Outcome sent = send_message(task, *socket, at, a.integer(3));
    SysResult<void> written;
    if (sent) written = task.memory().write(at + offsetof(mmsghdr, msg_len), static_cast<unsigned>(*sent));
    // An error after the first message is for the next call.
    if ((!sent || !written) && done > 0) return done;
    if (!sent || !written) return std::unexpected(sent ? written.error() : sent.error());
  }
  return count;
}

Outcome sys_recvmmsg(Task& task, const Arguments& a) {
  int flags = a.integer(3);
  if (a.word(3) & kCompat) return fail(EINVAL);
  const core::Nanoseconds deadline = TRY(deadline_from(task, a[4]));
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  const bool one_is_enough = flags & MSG_WAITFORONE;
  flags &= ~MSG_WAITFORONE;
  const unsigned count = std::min(a.word(2), kMostMessages);
  unsigned done = 0;
  while (done < count) {
    const uint64_t at = a[1] + done * sizeof(mmsghdr);
    Outcome got = receive_message(task, *socket, at, flags);
    SysResult<void> written;
    if (got) written = task.memory().write(at + offsetof(mmsghdr, msg_len), static_cast<unsigned>(*got));
    if (!got || !written) {
      if (done > 0) break;
      return std::unexpected(got ? written.error() : got.error());
    }
    ++done;
    if (one_is_enough) flags |= MSG_DONTWAIT;
    // The time is looked at between messages alone, recvmmsg(2).
    if (deadline <= core::now()) break;
  }
  if (a[4] != 0) {
    TRY(task.memory().write(a[4], core::to_timespec(std::max<core::Nanoseconds>(deadline - core::now(), 0))));
  }
  return done;
}

}  // namespace cella::sandbox::syscall
