#include <linux/fcntl.h>
#include <sys/socket.h>

#include "init/context.h"

namespace cella::init {

using plan::InitMessage;
using plan::LauncherMessage;
using plan::SyncPoint;

void leave(int status) {
  sys(SYS_exit_group, status);
  // A seccomp filter may forbid even that. A fault it cannot forbid, and the kernel lets no first process ignore it.
  for (;;) __builtin_trap();
}

void fail(Context& c, long error) {
  InitMessage message = {};
  message.kind = InitMessage::kError;
  message.step = c.step;
  message.errno_value = error == -kDetailOnly ? 0 : static_cast<int32_t>(-error);
  Text<sizeof message.detail> text;
  if (c.started) {
    // `start` does not have the plan: what the step was about is said here.
    const char* about = c.string(c.steps()[c.step < c.plan->step_count ? c.step : 0].about);
    text.add(about).add(c.detail.used > 0 && *about != '\0' ? ": " : "");
  }
  text.add(c.detail.data, c.detail.used);
  for (size_t i = 0; i <= text.used; ++i) message.detail[i] = text.data[i];
  if (c.started && c.fifo_fd >= 0) {
    sys(SYS_write, c.fifo_fd, &message, sizeof message);
  } else {
    sys(SYS_sendto, c.sync_fd, &message, sizeof message, MSG_NOSIGNAL, 0, 0);
  }
  leave(1);
}

namespace {

// What is not ignored has its default disposition since we were executed.
void stop_ignoring(uint64_t signals) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
  } action = {};
  for (int signal = 1; signals != 0; ++signal, signals >>= 1)
    if (signals & 1) sys(SYS_rt_sigaction, signal, &action, 0, 8);
}

// Without the launcher there is nobody to start us: leave, and what it journalled is removed by `delete --force`.
void tell(Context& c, SyncPoint point) {
  InitMessage message = {};
  message.kind = InitMessage::kSync;
  message.point = point;
  message.step = c.step;
  if (sys(SYS_sendto, c.sync_fd, &message, sizeof message, MSG_NOSIGNAL, 0, 0) < 0) leave(1);
}

}  // namespace

static long receive(Context& c, SyncPoint point, uint32_t first, uint32_t count) {
  LauncherMessage answer = {};
  iovec vector = {&answer, sizeof answer};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 64)];
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  long n;
  do n = sys(SYS_recvmsg, c.sync_fd, &header, MSG_CMSG_CLOEXEC);
  while (n == -4 /* EINTR */);
  if (n != sizeof answer || answer.point != point) leave(1);
  stop_ignoring(answer.ignored_signals);

  uint32_t received = 0;
  // The kernel puts all descriptors of a message into one item.
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  if (item != nullptr && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS) {
    auto* fds = reinterpret_cast<int*>(CMSG_DATA(item));
    size_t fd_count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fd_count; ++i) {
      if (received < count && first + received < c.plan->slot_count) {
        int fd = fds[i];
        if (fd < c.plan->lowest_fd) {
          fd = static_cast<int>(sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, c.plan->lowest_fd));
          sys(SYS_close, fds[i]);
          if (fd < 0) return fd;
        }
        c.plan->slots[first + received++] = fd;
      } else {
        sys(SYS_close, fds[i]);
      }
    }
  }
  return received == answer.fd_count ? 0 : -71 /* EPROTO */;
}

long sync_point(Context& c, SyncPoint point, uint32_t first, uint32_t count) {
  tell(c, point);
  return receive(c, point, first, count);
}

long do_receive(Context& c, const Step& s) {
  return receive(c, static_cast<SyncPoint>(s.args[0]), static_cast<uint32_t>(s.args[1]),
                 static_cast<uint32_t>(s.args[2]));
}

long do_tell(Context& c, const Step& s) {
  tell(c, static_cast<SyncPoint>(s.args[0]));
  return 0;
}

long send_descriptor(int socket, const char* bytes, size_t size, int fd) {
  iovec vector = {const_cast<char*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  item->cmsg_level = SOL_SOCKET;
  item->cmsg_type = SCM_RIGHTS;
  item->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(item)) = fd;
  long n = sys(SYS_sendmsg, socket, &header, MSG_NOSIGNAL);
  return n < 0 ? n : 0;
}

long do_sync(Context& c, const Step& s) {
  return sync_point(c, static_cast<SyncPoint>(s.args[0]), static_cast<uint32_t>(s.args[1]),
                    static_cast<uint32_t>(s.args[2]));
}

// The fifo holds one page and is full, so that the next byte waits for a reader: `start`, ours or runc's. Opening it
// for writing would wait as well, but needs a path to it in here.
long do_wait_for_start(Context& c, const Step& s) {
  c.fifo_fd = c.slot(s.args[0]);
  char fill[512] = {};
  long error = sys(SYS_fcntl, c.fifo_fd, F_SETPIPE_SZ, plan::kFifoFill);
  if (error < 0) return error;
  for (uint32_t written = 0; written < plan::kFifoFill; written += sizeof fill) {
    error = sys(SYS_write, c.fifo_fd, fill, sizeof fill);
    if (error < 0) return error;
  }
  close_fd(c.sync_fd);
  long n;
  do n = sys(SYS_write, c.fifo_fd, "0", 1);
  while (n == -4 /* EINTR */);
  c.started = true;
  return n < 0 ? n : 0;
}

}  // namespace cella::init
