#include "sandbox/fs/tty/host_terminal.h"

#include <asm/termbits.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/mount_builder.h"
#include "sandbox/fs/tty/devpts.h"

namespace cella::sandbox::fs {
namespace {

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}

// A terminal without devpts has this node alone.
class ConsoleNode final : public MemoryInode {
 public:
  ConsoleNode(std::shared_ptr<Tty> tty, uint32_t uid, uint32_t gid)
      : MemoryInode(new_device_number(), S_IFCHR | 0620, uid, gid), tty_(std::move(tty)) {
    attributes_.st_rdev = tty_->device();
  }
  SysResult<vfs::FilePtr> open(vfs::Caller& caller, const vfs::Path& path, int flags) override {
    return open_tty(caller, tty_, path, flags);
  }

 private:
  std::shared_ptr<Tty> tty_;
};

constexpr char kConsole[] = "/dev/console";

vfs::Path console_path(std::shared_ptr<Tty> tty, uint32_t uid, uint32_t gid) {
  return anonymous_path(std::make_shared<ConsoleNode>(std::move(tty), uid, gid), kConsole);
}

}  // namespace

HostTerminal::HostTerminal(task::Kernel& kernel_of, HostPoller& poller, sys::FileDescriptor fd, uint64_t device)
    : Tty(kernel_of, device), poller_(poller), fd_(std::move(fd)) {}

SysResult<std::shared_ptr<HostTerminal>> HostTerminal::make(task::Kernel& kernel, HostPoller& poller,
                                                            sys::FileDescriptor fd, uint64_t device) {
  Termios termios;
  if (::ioctl(fd.get(), TCGETS2, &termios) < 0) return last_error();
  Termios raw = termios;
  raw.input = raw.output = raw.local = 0;
  raw.control = (raw.control & ~static_cast<uint32_t>(CSIZE | PARENB)) | CS8 | CREAD;
  raw.characters[VMIN] = 1;
  raw.characters[VTIME] = 0;
  if (::ioctl(fd.get(), TCSETS2, &raw) < 0) return last_error();
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) return last_error();

  std::shared_ptr<HostTerminal> terminal(new HostTerminal(kernel, poller, std::move(fd), device));
  terminal->set_termios(termios);
  if (::ioctl(terminal->fd_.get(), TIOCGWINSZ, &terminal->window_) < 0) return last_error();
  terminal->ready_.add(terminal->on_ready_, ~0u);
  TRY(poller.add(terminal->fd_.get(), terminal->ready_));
  terminal->read_in();
  return terminal;
}

HostTerminal::~HostTerminal() {
  if (fd_) poller_.remove(fd_.get());
}

void HostTerminal::set_window(const winsize& size) {
  if (::ioctl(fd_.get(), TIOCSWINSZ, &size) < 0) disconnect();
  Tty::set_window(size);
}

void HostTerminal::window_changed() {
  winsize size = {};
  if (::ioctl(fd_.get(), TIOCGWINSZ, &size) == 0) Tty::set_window(size);
}

SysResult<void> HostTerminal::check_open() const {
  return connected_ ? SysResult<void>() : std::unexpected(Errno{EIO});
}

SysResult<void> HostTerminal::drain(vfs::Caller& caller) {
  while (connected_ && !output().empty()) TRY(caller.sleep_on(queue(), POLLOUT));
  return {};
}

void HostTerminal::close(core::Nanoseconds patience) {
  const core::Nanoseconds end = core::add_time(core::now(), patience);
  for (write_out(); connected_ && !output().empty(); write_out()) {
    const core::Nanoseconds left = end - core::now();
    if (left <= 0) break;
    pollfd one = {fd_.get(), POLLOUT, 0};
    constexpr core::Nanoseconds kMillisecond = 1'000'000;
    if (::poll(&one, 1, static_cast<int>(left / kMillisecond) + 1) < 0 && errno != EINTR) break;
  }
  disconnect();
}

void HostTerminal::write_out() {
  while (connected_ && !output().empty()) {
    const ssize_t n = ::write(fd_.get(), output().data(), output().size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return disconnect();
    take_output(static_cast<size_t>(n));
  }
}

void HostTerminal::read_in() {
  if (reading_) return;
  reading_ = true;
  char buffer[4096];
  while (connected_ && typing_room() >= sizeof buffer) {
    const ssize_t n = ::read(fd_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      disconnect();
      break;
    }
    vfs::IoVector io(buffer, static_cast<size_t>(n));
    type(io);
  }
  reading_ = false;
}

void HostTerminal::disconnect() {
  if (!connected_) return;
  connected_ = false;
  poller_.remove(fd_.get());
  fd_.reset();
  hang_up_line();
  if (on_gone) std::exchange(on_gone, nullptr)();
}

SysResult<ContainerTerminal> make_container_terminal(task::Kernel& kernel, HostPoller& poller, sys::FileDescriptor fd,
                                                     const std::shared_ptr<vfs::MountNamespace>& mounts, uint32_t uid,
                                                     uint32_t gid) {
  MountBuilder builder(mounts);
  SysResult<vfs::Path> mounted = builder.find("/dev/pts");
  Devpts* devpts = mounted ? devpts_at(*mounted) : nullptr;
  ContainerTerminal made;
  vfs::Path path;
  if (devpts != nullptr) {
    const Devpts::Place place = TRY(devpts->next_place());
    made.terminal = TRY(HostTerminal::make(kernel, poller, std::move(fd), place.device));
    path = TRY(devpts->adopt(*mounted, place, made.terminal, uid, gid));
    made.terminal->on_gone = [filesystem = devpts->weak_from_this(), number = place.number] {
      if (auto inode = filesystem.lock()) static_cast<Devpts&>(*inode).remove(number);
    };
  } else {
    made.terminal = TRY(HostTerminal::make(kernel, poller, std::move(fd), makedev(5, 1)));
    path = console_path(made.terminal, uid, gid);
  }
  made.file = std::make_shared<TtyFile>(path, O_RDWR, made.terminal);
  if (kernel.init != nullptr) return made;
  kernel.console = made.terminal;
  const vfs::Path at = TRY(builder.find_or_make(kConsole, /*directory=*/false));
  mounts->mount(at, path.dentry, devpts != nullptr ? "devpts" : "tmpfs", "devpts", MS_NOSUID | MS_NOEXEC);
  return made;
}

}  // namespace cella::sandbox::fs
