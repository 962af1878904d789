#include "sandbox/fs/tty/tty.h"

#include <asm/termbits.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::IoVector;

// What a flush leaves is what would be in the master's line discipline already.
constexpr size_t kArrived = 4096;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// Are ^S and ^Q for the terminal? TIOCPKT of ioctl_tty(2).
bool has_usual_flow(const Termios& termios) {
  return (termios.input & IXON) && termios.characters[VSTOP] == ('S' ^ 0x40) &&
         termios.characters[VSTART] == ('Q' ^ 0x40);
}

}  // namespace

// --- the line

size_t Tty::room() const {
  const size_t used = output_.size() - output_start_;
  return used < kMostOutput ? kMostOutput - used : 0;
}

void Tty::send(std::string_view bytes) {
  output_ += bytes;
  on_output();
}

void Tty::take_output(size_t size) {
  output_start_ += size;
  if (output_start_ == output_.size()) {
    output_.clear();
    output_start_ = 0;
  } else if (output_start_ >= kMostOutput) {
    output_.erase(0, output_start_);
    output_start_ = 0;
  }
  discipline_.send_echoes();
  queue_.notify(POLLOUT | POLLWRNORM);
}

void Tty::discard_output() {
  output_.resize(std::min(output_.size(), output_start_ + kArrived));
  on_packet_event(TIOCPKT_FLUSHWRITE);
  queue_.notify(POLLOUT | POLLWRNORM);
}

void Tty::flow_changed(bool stopped) {
  on_packet_event(stopped ? TIOCPKT_STOP : TIOCPKT_START);
  if (!stopped) queue_.notify(POLLOUT | POLLWRNORM);
}

size_t Tty::type(IoVector& io) {
  const size_t size = std::min(io.left(), typing_room());
  const size_t before = typed_.size();
  typed_.resize(before + size);
  io.take(&typed_[before], size);
  take_typed();
  return size;
}

void Tty::take_typed() {
  if (typed_.empty()) return;
  // What it causes may come back here, or be the end of the line.
  const std::string typed = std::exchange(typed_, {});
  const uint64_t before = generation_;
  const size_t taken = discipline_.receive(typed);
  if (generation_ != before) return;
  typed_.insert(0, typed, taken);
  if (taken == 0) return;
  if (discipline_.is_readable()) queue_.notify(POLLIN | POLLRDNORM);
  on_input_taken();
}

void Tty::discard_input() {
  typed_.clear();
  discipline_.discard_input();
  on_packet_event(TIOCPKT_FLUSHREAD);
  on_input_taken();
}

// --- for programs

SysResult<size_t> Tty::read(IoVector& io) {
  if (io.left() == 0) return 0;
  if (std::optional<size_t> done = discipline_.read(io)) {
    take_typed();
    return *done;
  }
  if (!is_connected()) return fail(EIO);
  const Termios& termios = discipline_.termios();
  const bool waits = (termios.local & ICANON) || termios.characters[VMIN] != 0 || termios.characters[VTIME] != 0;
  return waits ? SysResult<size_t>(fail(EAGAIN)) : SysResult<size_t>(0);
}

SysResult<size_t> Tty::write(IoVector& io) {
  if (!is_connected()) return fail(EIO);
  if (io.left() == 0) return 0;
  const size_t done = discipline_.write(io);
  return done > 0 ? SysResult<size_t>(done) : fail(EAGAIN);
}

uint32_t Tty::ready() const {
  uint32_t events = 0;
  if (discipline_.is_readable(/*at_least=*/true)) events |= POLLIN | POLLRDNORM;
  if (!is_connected()) events |= POLLHUP;
  if (!discipline_.is_stopped() && room() > 0) events |= POLLOUT | POLLWRNORM;
  return events;
}

void Tty::set_termios(Termios termios) {
  // There is no line that has anything else.
  termios.control = (termios.control & ~static_cast<uint32_t>(CSIZE | PARENB)) | CS8 | CREAD;
  termios.line = 0;
  settle_speeds(termios);
  const Termios& old = discipline_.termios();
  const bool had_flow = has_usual_flow(old), has_flow = has_usual_flow(termios);
  if (had_flow != has_flow) on_packet_event(has_flow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP);
  if ((old.local ^ termios.local) & EXTPROC || termios.local & EXTPROC) on_packet_event(TIOCPKT_IOCTL);
  discipline_.set_termios(termios);
  take_typed();
  queue_.notify(POLLIN | POLLRDNORM);
}

void Tty::set_window(const winsize& size) {
  if (std::memcmp(&size, &window_, sizeof size) == 0) return;
  window_ = size;
  signal_foreground(SIGWINCH);
}

void Tty::hang_up_line() {
  ++generation_;
  typed_.clear();
  discipline_.discard_input();
  hang_up();
  queue_.notify(POLLIN | POLLOUT | POLLHUP | POLLERR | POLLRDNORM | POLLWRNORM);
}

// --- TtyFile

TtyFile::TtyFile(vfs::Path where, int open_flags, std::shared_ptr<Tty> tty)
    : File(std::move(where), open_flags), tty_(std::move(tty)), generation_(tty_->generation()) {
  tty_->on_open();
}

TtyFile::~TtyFile() {
  tty_->on_close();
}

SysResult<size_t> TtyFile::read(Caller& caller, IoVector& io) {
  if (has_hung_up()) return 0;
  TRY(tty_->check_foreground(task_of(caller), SIGTTIN));
  return tty_->read(io);
}

SysResult<size_t> TtyFile::write(Caller& caller, IoVector& io) {
  if (has_hung_up()) return fail(EIO);
  if (tty_->discipline().termios().local & TOSTOP) TRY(tty_->check_foreground(task_of(caller), SIGTTOU));
  return tty_->write(io);
}

vfs::File::ReadTiming TtyFile::read_timing() const {
  const Termios& termios = tty_->discipline().termios();
  if ((termios.local & ICANON) || has_hung_up()) return {};
  const size_t least = termios.characters[VMIN];
  const core::Nanoseconds time = termios.characters[VTIME] * (core::kSecond / 10);
  // VTIME is between characters when some are wanted, else it is for the first.
  if (least == 0) return {.least = 1, .first = time, .between = time};
  return {.least = least, .first = core::kNever, .between = time == 0 ? core::kNever : time};
}

uint32_t TtyFile::ready(Caller&) {
  constexpr uint32_t kHungUp = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
  return has_hung_up() ? kHungUp : tty_->ready();
}

SysResult<uint64_t> TtyFile::ioctl(Caller& caller, uint32_t request, uint64_t argument) {
  if (has_hung_up()) return fail(request == TIOCSPGRP ? ENOTTY : EIO);
  if (request != TIOCSCTTY) return tty_ioctl(caller, *tty_, /*from_master=*/false, request, argument);
  TRY(tty_->control(task_of(caller), argument == 1, may_read()));
  return 0;
}

SysResult<vfs::FilePtr> open_tty(Caller& caller, const std::shared_ptr<Tty>& tty, const vfs::Path& path, int flags) {
  TRY(tty->check_open());
  task::Task& task = task_of(caller);
  if (tty->is_exclusive && !task.creds.has(CAP_SYS_ADMIN)) return fail(EBUSY);
  auto file = std::make_shared<TtyFile>(path, flags & ~O_NOCTTY, tty);
  if (!(flags & O_NOCTTY) && file->may_read()) tty->control_if_wanted(task);
  return file;
}

}  // namespace cella::sandbox::fs
