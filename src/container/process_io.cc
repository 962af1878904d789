#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "container/container_impl.h"
#include "container/hooks.h"
#include "container/process_impl.h"
#include "json/writer.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace cella::container {
namespace {

// Created or replaced as a whole, so that a reader never sees half a number.
Result<void> write_pid_file(const std::string& path, pid_t pid) {
  size_t slash = path.find_last_of('/');
  std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  sys::FileDescriptor fd = TRY(sys::open(directory.c_str(), O_PATH | O_DIRECTORY), "opening {}", directory);
  TRY(sys::replace_file_at(fd.get(), name.c_str(), std::to_string(pid), 0644), "writing the pid file {}", path);
  return {};
}

}  // namespace

Result<ConsoleSockets> open_console(const Process& process) {
  ConsoleSockets sockets;
  if (!process.config.terminal) return sockets;
  if (!process.console_socket.empty()) {
    sockets.theirs =
        TRY(sys::connect_unix(process.console_socket), "connecting to the console socket {}", process.console_socket);
  } else if (process.keep_console) {
    auto [ours, theirs] = TRY(sys::packet_pair(), "making the console socket");
    sockets.ours = std::move(ours);
    sockets.theirs = std::move(theirs);
  }
  return sockets;
}

Result<sys::FileDescriptor> make_terminal(const Process& process, const ConsoleSockets& sockets) {
  constexpr char kMaster[] = "/dev/ptmx";  // what the receiver of the master is told, too
  const sys::FileDescriptor master = TRY(sys::open(kMaster, O_RDWR | O_NOCTTY), "opening {}", kMaster);
  int lock = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &lock) < 0) return base::fail_errno(errno, "unlocking the terminal");
  sys::FileDescriptor slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave) return base::fail_errno(errno, "opening the terminal");
  const config::ProcessConfig& config = process.config;
  winsize size = {};
  size.ws_col = static_cast<unsigned short>(config.console_width.value_or(0));
  size.ws_row = static_cast<unsigned short>(config.console_height.value_or(0));
  if ((size.ws_col != 0 || size.ws_row != 0) && ::ioctl(master.get(), TIOCSWINSZ, &size) < 0)
    return base::fail_errno(errno, "setting the size of the terminal");
  const int fd = master.get();
  if (sockets.theirs)
    TRY(sys::send_message(sockets.theirs.get(), kMaster, {&fd, 1}), "sending the terminal to the console socket");
  return slave;
}

Result<void> receive_console(ConsoleSockets& sockets, Process& process) {
  sockets.theirs.reset();
  if (!sockets.ours) return {};
  char byte[16];
  iovec vector = {byte, sizeof byte};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t n;
  do n = ::recvmsg(sockets.ours.get(), &header, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return base::fail_errno(errno, "receiving the terminal");
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  if (item == nullptr || item->cmsg_type != SCM_RIGHTS) {
    return base::fail(ErrorCode::kSystemError, "init did not send its terminal");
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(item), sizeof fd);
  process.impl().console = sys::FileDescriptor(fd);
  return {};
}

Result<void> announce(const Process& process, pid_t pid, std::optional<int> oom_score_adj, bool rootless,
                      std::vector<Finding>& ignored) {
  // First of all: whoever started us tells from this file that there is a process.
  if (!process.pid_file.empty()) TRY(write_pid_file(process.pid_file, pid));
  if (!process.pidfd_socket.empty()) TRY(send_pidfd(process.pidfd_socket, pid));
  if (oom_score_adj) {
    std::string path = fmt::format("/proc/{}/oom_score_adj", pid);
    SysResult<void> written = sys::write_file(path.c_str(), std::to_string(*oom_score_adj));
    bool denied = !written && (written.error().value == EACCES || written.error().value == EPERM);
    if (denied && rootless) {
      ignored.push_back(
          {"/process/oomScoreAdj", fmt::format("is ignored: an ordinary user may not set it to {}", *oom_score_adj)});
    } else {
      TRY(written, "setting oom_score_adj to {}", *oom_score_adj);
    }
  }
  return {};
}

Result<void> send_pidfd(const std::string& path, pid_t pid) {
  sys::FileDescriptor pidfd = TRY(sys::pidfd_open(pid), "opening a pidfd of process {}", pid);
  sys::FileDescriptor socket = TRY(sys::connect_unix(path), "connecting to the pidfd socket {}", path);
  int fd = pidfd.get();
  TRY(sys::send_message(socket.get(), "pidfd", {&fd, 1}), "sending the pidfd to {}", path);
  return {};
}

void reset_affinity(const Container::Impl& container, pid_t pid) {
  SysResult<void> reset = sys::allow_all_cpus(pid);
  // One that has ended is noticed by what comes next.
  if (reset || reset.error().value == ESRCH) return;
  container.warn_all({{"", Error(reset.error()).with("the process keeps the runtime's CPU affinity").text()}});
}

Result<SeccompListener> SeccompListener::connect(const config::Config& config, const plan::Built& built) {
  SeccompListener listener;
  if (built.listener_socket == plan::kNoSlot) return listener;
  const std::string& path = config.seccomp->listener_path;
  listener.socket = TRY(sys::connect_unix(path), "connecting to seccomp.listenerPath {}", path);
  return listener;
}

Result<std::vector<int>> SeccompListener::describe(const config::Config& config, const std::string& id,
                                                   const char* status, pid_t pid) {
  std::vector<int> fds;
  if (!socket) return fds;
  json::Writer writer;
  writer.begin_object();
  writer.key("ociVersion");
  writer.string(config.version);
  writer.key("fds");
  writer.begin_array();
  writer.string("seccompFd");
  writer.end_array();
  writer.key("pid");
  writer.integer(pid);
  if (const std::string& metadata = config.seccomp->listener_metadata; !metadata.empty()) {
    writer.key("metadata");
    writer.string(metadata);
  }
  writer.key("state");
  writer.raw(oci::to_json(hook_state(config, id, status, pid)));
  writer.end_object();
  document = TRY(sys::memory_file("cella-listener", writer.text(), false), "writing the seccomp listener's state");
  fds.push_back(document.get());
  socket.reset();  // init has its own by now, and its end is to be the end of the connection
  return fds;
}

}  // namespace cella::container
