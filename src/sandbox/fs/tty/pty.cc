#include "sandbox/fs/tty/pty.h"

#include <asm/termbits.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::IoVector;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

class MasterFile final : public vfs::File {
 public:
  MasterFile(vfs::Path where, int open_flags, std::shared_ptr<Pty> pty, int number,
             std::function<SysResult<vfs::FilePtr>(Caller&, int)> slave, std::function<void()> on_close)
      : File(std::move(where), open_flags),
        pty_(std::move(pty)),
        number_(number),
        open_slave_(std::move(slave)),
        on_close_(std::move(on_close)) {}
  ~MasterFile() override {
    on_close_();
    pty_->disconnect();
  }

  SysResult<size_t> read(Caller&, IoVector& io) override { return pty_->read_output(io); }
  SysResult<size_t> write(Caller&, IoVector& io) override {
    if (io.left() == 0) return 0;
    if (pty_->master_stopped) return fail(EAGAIN);
    const size_t done = pty_->type(io);
    return done > 0 ? SysResult<size_t>(done) : fail(EAGAIN);
  }
  uint32_t ready(Caller&) override { return pty_->master_ready(); }
  core::WaitQueue* queue() override { return &pty_->master_queue(); }
  SysResult<uint64_t> ioctl(Caller& caller, uint32_t request, uint64_t argument) override;

 private:
  SysResult<uint64_t> open_peer(Caller& caller, int open_flags);

  std::shared_ptr<Pty> pty_;
  int number_;
  std::function<SysResult<vfs::FilePtr>(Caller&, int)> open_slave_;
  std::function<void()> on_close_;
};

SysResult<uint64_t> MasterFile::open_peer(Caller& caller, int open_flags) {
  task::Task& task = task_of(caller);
  vfs::FilePtr slave = TRY(open_slave_(caller, open_flags & ~O_CLOEXEC));
  return static_cast<uint64_t>(
      TRY(task.files->add(std::move(slave), open_flags & O_CLOEXEC, task.group->limit(RLIMIT_NOFILE))));
}

SysResult<uint64_t> MasterFile::ioctl(Caller& caller, uint32_t request, uint64_t argument) {
  mm::MemoryManager& memory = caller.memory();
  switch (request) {
    case TIOCSPTLCK:
      pty_->is_locked = TRY(memory.read<int>(argument))
      != 0;
      return 0;
    case TIOCGPTLCK:
      TRY(memory.write(argument, static_cast<int>(pty_->is_locked)));
      return 0;
    case TIOCGPTN:
      TRY(memory.write(argument, number_));
      return 0;
    case TIOCGPTPEER:
      return open_peer(caller, static_cast<int>(argument));
    case TIOCPKT:
      pty_->set_packet(TRY(memory.read<int>(argument)) != 0);
      return 0;
    case TIOCGPKT:
      TRY(memory.write(argument, static_cast<int>(pty_->is_packet)));
      return 0;
    case TIOCSIG: {
      const int number = static_cast<int>(argument);
      if (number != SIGINT && number != SIGQUIT && number != SIGTSTP) return fail(EINVAL);
      pty_->signal_foreground(number);
      return 0;
    }
    case FIONREAD:
      TRY(memory.write(argument, static_cast<int>(std::min<size_t>(pty_->output_size(), INT32_MAX))));
      return 0;
    case TIOCOUTQ:
      TRY(memory.write(argument, int{0}));
      return 0;
    case TCFLSH:
      if (argument > TCIOFLUSH) return fail(EINVAL);
      if (argument != TCOFLUSH) pty_->drop_output();
      if (argument != TCIFLUSH) pty_->drop_typed_input();
      return 0;
    case TCXONC:
      if (argument != TCOOFF && argument != TCOON) return fail(EINVAL);
      pty_->master_stopped = argument == TCOOFF;
      pty_->master_queue().notify(POLLOUT | POLLWRNORM);
      return 0;
    // The master controls no session.
    case TIOCSCTTY:
      return fail(EPERM);
    default:
      return tty_ioctl(caller, *pty_, /*from_master=*/true, request, argument);
  }
}

}  // namespace

SysResult<void> Pty::check_open() const {
  return is_locked || !connected_ ? fail(EIO) : SysResult<void>();
}

void Pty::on_open() {
  Tty::on_open();
  closed_ = false;
}

void Pty::on_close() {
  Tty::on_close();
  if (opens() > 0) return;
  closed_ = true;
  is_packet = false;
  is_exclusive = false;
  master_queue_.notify(POLLIN | POLLOUT | POLLHUP | POLLRDNORM);
}

SysResult<size_t> Pty::read_output(IoVector& io) {
  if (io.left() == 0) return 0;
  if (is_packet && packet_events_ != 0) {
    const uint8_t events = std::exchange(packet_events_, uint8_t{0});
    return io.put(&events, 1);
  }
  if (output().empty()) return fail(closed_ ? EIO : EAGAIN);
  size_t done = 0;
  if (is_packet) {
    const char data = TIOCPKT_DATA;
    done = io.put(&data, 1);
  }
  const size_t n = io.put(output().data(), std::min(io.left(), output().size()));
  take_output(n);
  return done + n;
}

uint32_t Pty::master_ready() const {
  uint32_t events = 0;
  if (!output().empty()) events |= POLLIN | POLLRDNORM;
  if (is_packet && packet_events_ != 0) events |= POLLPRI | POLLIN | POLLRDNORM;
  if (closed_) events |= POLLHUP;
  if (!master_stopped && typing_room() > 0) events |= POLLOUT | POLLWRNORM;
  return events;
}

void Pty::drop_output() {
  take_output(output().size());
}

void Pty::set_packet(bool on) {
  if (on && !is_packet) packet_events_ = 0;
  is_packet = on;
}

void Pty::on_packet_event(uint8_t bits) {
  if (!is_packet) return;
  // Of two that exclude each other the later one counts.
  if (bits & TIOCPKT_START) packet_events_ &= static_cast<uint8_t>(~TIOCPKT_STOP);
  if (bits & TIOCPKT_STOP) packet_events_ &= static_cast<uint8_t>(~TIOCPKT_START);
  if (bits & TIOCPKT_DOSTOP) packet_events_ &= static_cast<uint8_t>(~TIOCPKT_NOSTOP);
  if (bits & TIOCPKT_NOSTOP) packet_events_ &= static_cast<uint8_t>(~TIOCPKT_DOSTOP);
  packet_events_ |= bits;
  master_queue_.notify(POLLPRI | POLLIN | POLLRDNORM);
}

void Pty::disconnect() {
  connected_ = false;
  hang_up_line();
}

vfs::FilePtr make_pty_master(vfs::Path path, int flags, std::shared_ptr<Pty> pty, int number,
                             std::function<SysResult<vfs::FilePtr>(Caller&, int)> slave,
                             std::function<void()> on_close) {
  return std::make_shared<MasterFile>(std::move(path), flags, std::move(pty), number, std::move(slave),
                                      std::move(on_close));
}

}  // namespace cella::sandbox::fs
