// The container's own terminal: one whose other end is a terminal of the host's, which this process has been given.
//
// The host's is put into raw mode and carries bytes alone; everything that makes it a terminal for the guest, from echo
// to the foreground process group, is this kernel's: docs/decisions/0020-the-containers-terminal.md. Of what the guest
// asks for only the window's size reaches the host.
//
// What it needs of the host: fcntl F_SETFL, read, write, poll, and on its descriptor the ioctls TIOCGWINSZ and
// TIOCSWINSZ, and to be made TCGETS2 and TCSETS2. Signals are the caller's: SIGWINCH, which is window_changed() here,
// and SIGHUP, which says nothing that is not seen here.
#pragma once

#include <functional>

#include "sandbox/fs/host/host_fd.h"
#include "sandbox/fs/tty/tty.h"
#include "sandbox/vfs/dentry.h"

namespace cella::sandbox::fs {

class HostTerminal final : public Tty {
 public:
  // ENOTTY: it is none.
  static SysResult<std::shared_ptr<HostTerminal>> make(task::Kernel& kernel, HostPoller& poller, sys::FileDescriptor fd,
                                                       uint64_t device);
  ~HostTerminal() override;

  void set_window(const winsize& size) override;
  SysResult<void> drain(vfs::Caller& caller) override;
  SysResult<void> check_open() const override;

  void window_changed() override;
  // Its session's first process has ended: what has been written goes to the host, for at most `patience`, and the line
  // is gone. Whoever has made the terminal keeps it until then.
  void close(core::Nanoseconds patience);
  // Called once, when the line is gone.
  std::function<void()> on_gone;

 private:
  class Listener final : public core::Waiter {
   public:
    explicit Listener(HostTerminal& owner) : owner_(owner) {}
    void on_event(uint32_t) override { owner_.on_ready(); }

   private:
    HostTerminal& owner_;
  };

  HostTerminal(task::Kernel& kernel, HostPoller& poller, sys::FileDescriptor fd, uint64_t device);
  bool is_connected() const override { return connected_; }
  void on_output() override { write_out(); }
  void on_input_taken() override { read_in(); }
  void on_ready() {
    write_out();
    read_in();
  }
  void write_out();
  void read_in();
  void disconnect();

  HostPoller& poller_;
  sys::FileDescriptor fd_;
  core::WaitQueue ready_;
  Listener on_ready_{*this};
  bool connected_ = true;
  bool reading_ = false;  // in read_in(), which what it does may call again
};

struct ContainerTerminal {
  vfs::FilePtr file;  // for the standard streams
  std::shared_ptr<HostTerminal> terminal;
};
// A terminal over the host's `fd`, with a name in the devpts that is mounted on /dev/pts, if there is one; that of the
// kernel's init is also /dev/console. `mounts` is the container's, `poller` outlives the kernel. It controls a session
// once Terminal::control(ThreadGroup&) is called.
SysResult<ContainerTerminal> make_container_terminal(task::Kernel& kernel, HostPoller& poller, sys::FileDescriptor fd,
                                                     const std::shared_ptr<vfs::MountNamespace>& mounts, uint32_t uid,
                                                     uint32_t gid);

}  // namespace cella::sandbox::fs
