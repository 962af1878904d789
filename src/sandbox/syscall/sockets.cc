// Sockets: what makes, names and joins them, and their options. What goes through them: socket_messages.cc.
#include <sys/socket.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/net/stack.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using net::Address;
using net::SocketPtr;
using task::Task;

namespace {

constexpr int kTypeMask = 0xf;

uint64_t fd_limit(Task& task) {
  return task.group->limit(RLIMIT_NOFILE);
}

// The flags beside a socket's type, and those of accept4(2).
struct SocketFlags {
  int open;  // O_NONBLOCK or nothing
  bool close_on_exec;
};
SysResult<SocketFlags> flags_of(int flags) {
  if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) return fail(EINVAL);
  return SocketFlags{flags & SOCK_NONBLOCK ? O_NONBLOCK : 0, (flags & SOCK_CLOEXEC) != 0};
}

Outcome accept_at(Task& task, const Arguments& a, int flags) {
  const SocketFlags wanted = TRY(flags_of(flags));
  SocketPtr listener = TRY(socket_at(task, a.fd(0)));
  // A connection is not taken for somebody who has no number for it.
  TRY(task.files->find_free(fd_limit(task)));
  const core::Nanoseconds deadline = core::add_time(core::now(), listener->patience(true));
  for (;;) {
    SysResult<SocketPtr> accepted = listener->accept(task, wanted.open);
    if (!accepted && (accepted.error().value != EAGAIN || listener->is_nonblocking())) {
      return std::unexpected(accepted.error());
    }
    if (!accepted) {
      TRY(net::Socket::wait(task, *listener->queue(), POLLIN | POLLRDNORM | POLLERR | POLLHUP, deadline));
      continue;
    }
    if (a[1] != 0) {
      SysResult<Address> name = (*accepted)->accepted_from();
      if (!name) return fail(ECONNABORTED);
      TRY(write_address(task, *name, a[1], a[2]));
    }
    return static_cast<uint64_t>(TRY(task.files->add(std::move(*accepted), wanted.close_on_exec, fd_limit(task))));
  }
}

}  // namespace

SysResult<SocketPtr> socket_at(Task& task, int fd) {
  vfs::FilePtr file = TRY(task.files->get_for_io(fd));
  return net::socket_of(file);
}

SysResult<Address> address_from(Task& task, uint64_t address, int64_t size) {
  Address result;
  if (size < 0 || size > static_cast<int64_t>(sizeof result.storage)) return fail(EINVAL);
  result.size = static_cast<socklen_t>(size);
  TRY(task.memory().copy_in(address, &result.storage, result.size));
  return result;
}

SysResult<void> write_address(Task& task, const Address& from, uint64_t address, uint64_t size_address) {
  const int room = TRY(task.memory().read<int>(size_address));
  if (room < 0) return fail(EINVAL);
  TRY(task.memory().copy_out(address, &from.storage, std::min<size_t>(from.size, static_cast<size_t>(room))));
  return task.memory().write(size_address, from.size);
}

Outcome sys_socket(Task& task, const Arguments& a) {
  const SocketFlags flags = TRY(flags_of(a.integer(1) & ~kTypeMask));
  if (task.kernel.network == nullptr) return fail(EAFNOSUPPORT);
  SocketPtr made =
      TRY(task.kernel.network->make_socket(task, a.integer(0), a.integer(1) & kTypeMask, a.integer(2), flags.open));
  return static_cast<uint64_t>(TRY(task.files->add(std::move(made), flags.close_on_exec, fd_limit(task))));
}

Outcome sys_socketpair(Task& task, const Arguments& a) {
  const SocketFlags flags = TRY(flags_of(a.integer(1) & ~kTypeMask));
  if (task.kernel.network == nullptr) return fail(EAFNOSUPPORT);
  auto made =
      TRY(task.kernel.network->make_pair(task, a.integer(0), a.integer(1) & kTypeMask, a.integer(2), flags.open));
  int fds[2];
  fds[0] = TRY(task.files->add(std::move(made.first), flags.close_on_exec, fd_limit(task)));
  SysResult<int> second = task.files->add(std::move(made.second), flags.close_on_exec, fd_limit(task));
  SysResult<void> written;
  if (second) {
    fds[1] = *second;
    written = task.memory().write(a[3], fds);
  }
  if (!second || !written) {
    (void)task.files->remove(fds[0]);
    if (second) (void)task.files->remove(*second);
    return fail(second ? EFAULT : EMFILE);
  }
  return 0;
}

Outcome sys_bind(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  const Address address = TRY(address_from(task, a[1], a.integer(2)));
  TRY(socket->bind(task, address));
  return 0;
}

Outcome sys_connect(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  const Address address = TRY(address_from(task, a[1], a.integer(2)));
  TRY(socket->connect(task, address));
  return 0;
}

Outcome sys_listen(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  TRY(socket->listen(task, a.integer(1)));
  return 0;
}

Outcome sys_accept(Task& task, const Arguments& a) {
  return accept_at(task, a, 0);
}
Outcome sys_accept4(Task& task, const Arguments& a) {
  return accept_at(task, a, a.integer(3));
}

Outcome sys_getsockname(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  const Address address = TRY(socket->local_address());
  TRY(write_address(task, address, a[1], a[2]));
  return 0;
}
Outcome sys_getpeername(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  const Address address = TRY(socket->peer_address());
  TRY(write_address(task, address, a[1], a[2]));
  return 0;
}

Outcome sys_shutdown(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  if (a.integer(1) < SHUT_RD || a.integer(1) > SHUT_RDWR) return fail(EINVAL);
  TRY(socket->shutdown(task, a.integer(1)));
  return 0;
}

Outcome sys_setsockopt(Task& task, const Arguments& a) {
  constexpr int kMostValue = 64 * 1024;
  const int size = a.integer(4);
  if (size < 0) return fail(EINVAL);
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  if (size > kMostValue) return fail(EINVAL);
  std::string value(static_cast<size_t>(size), '\0');
  TRY(task.memory().copy_in(a[3], value.data(), value.size()));
  TRY(socket->set_option(task, a.integer(1), a.integer(2), value));
  return 0;
}

Outcome sys_getsockopt(Task& task, const Arguments& a) {
  SocketPtr socket = TRY(socket_at(task, a.fd(0)));
  const int size = TRY(task.memory().read<int>(a[4]));
  if (size < 0) return fail(EINVAL);
  constexpr int kMostGiven = 4096;
  std::string given(static_cast<size_t>(std::min(size, kMostGiven)), '\0');
  given.resize(task.memory().copy_in_some(a[3], given.data(), given.size()).value_or(0));
  const std::string value = TRY(socket->option(task, a.integer(1), a.integer(2), given));
  const size_t length = std::min(value.size(), static_cast<size_t>(size));
  TRY(task.memory().copy_out(a[3], value.data(), length));
  TRY(task.memory().write(a[4], static_cast<int>(length)));
  return 0;
}

}  // namespace cella::sandbox::syscall
