// Tty: a terminal as the guest sees it: a line discipline, what is on its way to and from it, a window's size, and who
// has it open. What is at the other end is the derived class's: a master (pty.h), or the host's terminal
// (host_terminal.h).
#pragma once

#include <sys/ioctl.h>

#include <string>

#include "sandbox/core/wait_queue.h"
#include "sandbox/fs/tty/line_discipline.h"
#include "sandbox/task/task.h"
#include "sandbox/task/terminal.h"
#include "sandbox/vfs/file.h"

namespace cella::sandbox::fs {

class Tty : public task::Terminal, protected LineDiscipline::Line {
 public:
  Tty(task::Kernel& owner, uint64_t device_number) : Terminal(owner), device_(device_number) {}

  uint64_t device() const override { return device_; }
  const LineDiscipline& discipline() const { return discipline_; }
  core::WaitQueue& queue() { return queue_; }

  // --- for programs
  SysResult<size_t> read(vfs::IoVector& io);   // EAGAIN, EIO
  SysResult<size_t> write(vfs::IoVector& io);  // EAGAIN, EIO
  uint32_t ready() const;                      // poll(2)
  // Applies what the program asks for, as far as this terminal can have it.
  void set_termios(Termios termios);
  const winsize& window() const { return window_; }
  // Tells the foreground when it is another one.
  virtual void set_window(const winsize& size);
  void set_stopped(bool stopped) { discipline_.set_stopped(stopped); }
  // tcflow(3): a character for the other end, before everything else.
  void send_now(unsigned char c) { send({reinterpret_cast<const char*>(&c), 1}); }
  void discard_input();
  void discard_output() override;
  // Until what has been written is at the other end: ERESTARTSYS.
  virtual SysResult<void> drain(vfs::Caller&) { return {}; }

  // --- opening
  // EIO: it cannot be opened, or not any more.
  virtual SysResult<void> check_open() const { return {}; }
  virtual void on_open() { ++opens_; }
  virtual void on_close() { --opens_; }
  bool is_exclusive = false;  // TIOCEXCL
  // What was open before it last hung up reads as ended.
  uint64_t generation() const { return generation_; }
  void hang_up_line();

  // For the other end: characters that have been typed, as many as there is room for.
  size_t type(vfs::IoVector& io);
  size_t typing_room() const { return kMostTyped - typed_.size(); }

 protected:
  static constexpr size_t kMostOutput = 65536, kMostTyped = 65536;

  // Is the other end there?
  virtual bool is_connected() const = 0;
  // Output has been added, or taken back.
  virtual void on_output() = 0;
  // There is room for typing again, or what the master sees in packet mode has changed.
  virtual void on_input_taken() {}
  virtual void on_packet_event(uint8_t /*TIOCPKT_ bits*/) {}

  // Takes up to `size` bytes of output.
  std::string_view output() const { return std::string_view(output_).substr(output_start_); }
  void take_output(size_t size);
  void drop_typed() { typed_.clear(); }
  int opens() const { return opens_; }

  winsize window_ = {};

 private:
  // --- LineDiscipline::Line
  size_t room() const override;
  void send(std::string_view bytes) override;
  void signal(int number) override { signal_foreground(number); }
  void flow_changed(bool stopped) override;

  void take_typed();

  const uint64_t device_;
  LineDiscipline discipline_{*this};
  std::string typed_;  // has come, and has no room in the discipline yet
  std::string output_;
  size_t output_start_ = 0;
  core::WaitQueue queue_;
  int opens_ = 0;
  uint64_t generation_ = 0;
};

// An open terminal.
class TtyFile final : public vfs::File {
 public:
  TtyFile(vfs::Path where, int open_flags, std::shared_ptr<Tty> tty);
  ~TtyFile() override;

  SysResult<size_t> read(vfs::Caller& caller, vfs::IoVector& io) override;
  SysResult<size_t> write(vfs::Caller& caller, vfs::IoVector& io) override;
  ReadTiming read_timing() const override;
  uint32_t ready(vfs::Caller& caller) override;
  core::WaitQueue* queue() override { return &tty_->queue(); }
  SysResult<uint64_t> ioctl(vfs::Caller& caller, uint32_t request, uint64_t argument) override;

 private:
  bool has_hung_up() const { return generation_ != tty_->generation(); }

  std::shared_ptr<Tty> tty_;
  uint64_t generation_;
};

// open(2): EIO, EBUSY. With O_NOCTTY in `flags` it does not become the caller's controlling terminal.
SysResult<vfs::FilePtr> open_tty(vfs::Caller& caller, const std::shared_ptr<Tty>& tty, const vfs::Path& path,
                                 int flags);

// ioctl_tty(2), as far as it is the same on both ends of a pseudoterminal. ENOTTY: not a terminal's.
SysResult<uint64_t> tty_ioctl(vfs::Caller& caller, Tty& tty, bool from_master, uint32_t request, uint64_t argument);

// The one implementation of Caller that opens devices.
inline task::Task& task_of(vfs::Caller& caller) {
  return static_cast<task::Task&>(caller);
}

}  // namespace cella::sandbox::fs
