// ioctl_tty(2) and what termios(3) is made of.
#include <asm/termbits.h>
#include <linux/capability.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "sandbox/fs/tty/tty.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

template <typename T>
SysResult<uint64_t> give(Caller& caller, uint64_t address, const T& value) {
  TRY(caller.memory().write(address, value));
  return 0;
}

// --- settings

enum class Layout { kOld, kUsual, kSecond };  // struct termio, termios, termios2

SysResult<uint64_t> get_termios(Caller& caller, const Tty& tty, Layout layout, uint64_t address) {
  const Termios& termios = tty.discipline().termios();
  if (layout != Layout::kOld) {
    TRY(caller.memory().copy_out(address, &termios, layout == Layout::kUsual ? kTermiosSize : kTermios2Size));
    return 0;
  }
  OldTermios old = {static_cast<uint16_t>(termios.input),
                    static_cast<uint16_t>(termios.output),
                    static_cast<uint16_t>(termios.control),
                    static_cast<uint16_t>(termios.local),
                    termios.line,
                    {}};
  std::copy_n(termios.characters, sizeof old.characters, old.characters);
  return give(caller, address, old);
}

SysResult<Termios> read_termios(Caller& caller, const Tty& tty, Layout layout, uint64_t address) {
  Termios termios = tty.discipline().termios();
  if (layout != Layout::kOld) {
    TRY(caller.memory().copy_in(address, &termios, layout == Layout::kUsual ? kTermiosSize : kTermios2Size));
    return termios;
  }
  const auto old = TRY(caller.memory().read<OldTermios>(address));
  auto low = [](uint32_t& all, uint16_t half) { all = (all & 0xffff0000) | half; };
  low(termios.input, old.input);
  low(termios.output, old.output);
  low(termios.control, old.control);
  low(termios.local, old.local);
  std::copy_n(old.characters, sizeof old.characters, termios.characters);
  return termios;
}

// After what has been written (`wait`), and without what has come and not been read (`flush`).
SysResult<uint64_t> set_termios(Caller& caller, Tty& tty, Layout layout, uint64_t address, bool wait, bool flush) {
  TRY(tty.check_foreground(task_of(caller), SIGTTOU));
  Termios termios = TRY(read_termios(caller, tty, layout, address));
  if (flush) tty.discard_input();
  if (wait) TRY(tty.drain(caller));
  tty.set_termios(termios);
  return 0;
}

struct SettingsRequest {
  uint32_t request;
  bool sets;
  Layout layout;
  bool wait = false, flush = false;
};
constexpr SettingsRequest kSettings[] = {
    {TCGETS, false, Layout::kUsual},         {TCSETS, true, Layout::kUsual},
    {TCSETSW, true, Layout::kUsual, true},   {TCSETSF, true, Layout::kUsual, true, true},
    {TCGETS2, false, Layout::kSecond},       {TCSETS2, true, Layout::kSecond},
    {TCSETSW2, true, Layout::kSecond, true}, {TCSETSF2, true, Layout::kSecond, true, true},
    {TCGETA, false, Layout::kOld},           {TCSETA, true, Layout::kOld},
    {TCSETAW, true, Layout::kOld, true},     {TCSETAF, true, Layout::kOld, true, true},
};

// --- queues

SysResult<uint64_t> flush(Tty& tty, int which) {
  if (which != TCIFLUSH && which != TCOFLUSH && which != TCIOFLUSH) return fail(EINVAL);
  if (which != TCOFLUSH) tty.discard_input();
  if (which != TCIFLUSH) tty.discard_output();
  return 0;
}

SysResult<uint64_t> change_flow(Tty& tty, int how) {
  const uint8_t* characters = tty.discipline().termios().characters;
  switch (how) {
    case TCOOFF:
    case TCOON:
      tty.set_stopped(how == TCOOFF);
      return 0;
    case TCIOFF:
    case TCION: {
      const uint8_t c = characters[how == TCIOFF ? VSTOP : VSTART];
      if (c != 0) tty.send_now(c);
      return 0;
    }
    default:
      return fail(EINVAL);
  }
}

// --- processes

SysResult<void> check_own(const task::Task& task, const Tty& tty, bool from_master) {
  return from_master || task.group->terminal.get() == &tty ? SysResult<void>() : fail(ENOTTY);
}

SysResult<uint64_t> give_up(task::Task& task, const Tty& tty) {
  if (task.group->terminal.get() != &tty) return fail(ENOTTY);
  task::give_up_terminal(*task.group, /*is_ending=*/false);
  return 0;
}

// As the kernel packs a number of a device into 32 bits.
uint32_t packed(uint64_t device) {
  return static_cast<uint32_t>((minor(device) & 0xff) | major(device) << 8 | (minor(device) & ~0xffu) << 12);
}

SysResult<uint64_t> process_ioctl(Caller& caller, Tty& tty, bool from_master, uint32_t request, uint64_t argument) {
  task::Task& task = task_of(caller);
  switch (request) {
    case TIOCNOTTY:
      return give_up(task, tty);
    case TIOCGPGRP:
      TRY(check_own(task, tty, from_master));
      return give(caller, argument, tty.foreground);
    case TIOCSPGRP: {
      const int wanted = TRY(caller.memory().read<int>(argument));
      TRY(tty.set_foreground(task, wanted));
      return 0;
    }
    case TIOCGSID:
      TRY(check_own(task, tty, from_master));
      if (tty.session == 0) return fail(ENOTTY);
      return give(caller, argument, tty.session);
    case TIOCVHANGUP:
      if (!task.creds.has(CAP_SYS_ADMIN)) return fail(EPERM);
      tty.hang_up_line();
      return 0;
    default:
      return fail(ENOTTY);
  }
}

}  // namespace

SysResult<uint64_t> tty_ioctl(Caller& caller, Tty& tty, bool from_master, uint32_t request, uint64_t argument) {
  for (const SettingsRequest& one : kSettings) {
    if (one.request != request) continue;
    if (!one.sets) return get_termios(caller, tty, one.layout, argument);
    return set_termios(caller, tty, one.layout, argument, one.wait, one.flush);
  }
  const int number = static_cast<int>(argument);
  switch (request) {
    case TIOCGWINSZ:
      return give(caller, argument, tty.window());
    case TIOCSWINSZ: {
      const auto size = TRY(caller.memory().read<winsize>(argument));
      tty.set_window(size);
      return 0;
    }
    case TCSBRK:
    case TCSBRKP:
    case TIOCSBRK:
      // There is no line that could be broken; what waits for it to be empty does.
      if (from_master) return 0;
      TRY(tty.check_foreground(task_of(caller), SIGTTOU));
      TRY(tty.drain(caller));
      return 0;
    case TIOCCBRK:
      if (!from_master) TRY(tty.check_foreground(task_of(caller), SIGTTOU));
      return 0;
    case TIOCEXCL:
    case TIOCNXCL:
      tty.is_exclusive = request == TIOCEXCL;
      return 0;
    case TIOCGEXCL:
      return give(caller, argument, static_cast<int>(tty.is_exclusive));
    case TIOCGETD:
      return give(caller, argument, int{0});
    case TIOCSETD: {
      if (!from_master) TRY(tty.check_foreground(task_of(caller), SIGTTOU));
      const int discipline = TRY(caller.memory().read<int>(argument));
      return discipline == 0 ? SysResult<uint64_t>(0) : fail(EINVAL);
    }
    case TIOCGSOFTCAR:
      return give(caller, argument, tty.discipline().termios().control & CLOCAL ? 1 : 0);
    case TIOCGDEV:
      return give(caller, argument, packed(tty.device()));
    // Would put words into somebody's mouth; refused as with dev.tty.legacy_tiocsti off.
    case TIOCSTI:
      return fail(EIO);
    default:
      break;
  }
  if (from_master) return process_ioctl(caller, tty, from_master, request, argument);
  switch (request) {
    case FIONREAD:
      return give(caller, argument, static_cast<int>(tty.discipline().readable_bytes()));
    case TIOCOUTQ:
      return give(caller, argument, int{0});
    case TCFLSH:
      TRY(tty.check_foreground(task_of(caller), SIGTTOU));
      return flush(tty, number);
    case TCXONC:
      TRY(tty.check_foreground(task_of(caller), SIGTTOU));
      return change_flow(tty, number);
    default:
      return process_ioctl(caller, tty, from_master, request, argument);
  }
}

}  // namespace cella::sandbox::fs
