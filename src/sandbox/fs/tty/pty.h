// Pty: a pseudoterminal, pty(7): a terminal whose other end, the master, is a file too.
#pragma once

#include <functional>

#include "sandbox/fs/tty/tty.h"

namespace cella::sandbox::fs {

class Pty final : public Tty {
 public:
  Pty(task::Kernel& owner, uint64_t device_number) : Tty(owner, device_number) {}

  // A new one is locked: TIOCSPTLCK.
  bool is_locked = true;
  SysResult<void> check_open() const override;
  void on_open() override;
  void on_close() override;

  // --- the master's end
  core::WaitQueue& master_queue() { return master_queue_; }
  SysResult<size_t> read_output(vfs::IoVector& io);  // EAGAIN; EIO: nobody has the terminal open any more
  uint32_t master_ready() const;
  size_t output_size() const { return output().size(); }
  void drop_output();
  void drop_typed_input() { drop_typed(); }
  bool is_packet = false;  // TIOCPKT
  void set_packet(bool on);
  bool master_stopped = false;
  // The master is gone.
  void disconnect();

 private:
  bool is_connected() const override { return connected_; }
  void on_output() override { master_queue_.notify(POLLIN | POLLRDNORM); }
  void on_input_taken() override { master_queue_.notify(POLLOUT | POLLWRNORM); }
  void on_packet_event(uint8_t bits) override;

  core::WaitQueue master_queue_;
  bool connected_ = true;
  bool closed_ = false;  // it was open, and is no longer
  uint8_t packet_events_ = 0;
};

// A new one's master. `slave` opens the terminal: TIOCGPTPEER. `on_close`: the master is gone.
vfs::FilePtr make_pty_master(vfs::Path path, int flags, std::shared_ptr<Pty> pty, int number,
                             std::function<SysResult<vfs::FilePtr>(vfs::Caller&, int flags)> slave,
                             std::function<void()> on_close);

}  // namespace cella::sandbox::fs
