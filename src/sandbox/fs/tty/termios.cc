#include "sandbox/fs/tty/termios.h"

#include <asm/termbits.h>

#include <algorithm>
#include <array>

namespace cella::sandbox::fs {
namespace {

constexpr auto kSpeeds =
    std::to_array<uint32_t>({0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400});
constexpr auto kFastSpeeds = std::to_array<uint32_t>({0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000,
                                                      1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000});

uint32_t speed_of(uint32_t code, uint32_t other) {
  if ((code & CBAUD) == BOTHER) return other;
  const uint32_t low = code & 15;
  return code & CBAUDEX ? kFastSpeeds[low] : kSpeeds[low];
}

}  // namespace

Termios default_termios() {
  Termios termios;
  termios.input = ICRNL | IXON;
  termios.output = OPOST | ONLCR;
  termios.control = B38400 | CS8 | CREAD;
  termios.local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  constexpr uint8_t kControl = 0x40, kDelete = 0x7f;
  uint8_t* at = termios.characters;
  at[VINTR] = 'C' ^ kControl;
  at[VQUIT] = '\\' ^ kControl;
  at[VERASE] = kDelete;
  at[VKILL] = 'U' ^ kControl;
  at[VEOF] = 'D' ^ kControl;
  at[VMIN] = 1;
  at[VSTART] = 'Q' ^ kControl;
  at[VSTOP] = 'S' ^ kControl;
  at[VSUSP] = 'Z' ^ kControl;
  at[VREPRINT] = 'R' ^ kControl;
  at[VDISCARD] = 'O' ^ kControl;
  at[VWERASE] = 'W' ^ kControl;
  at[VLNEXT] = 'V' ^ kControl;
  settle_speeds(termios);
  return termios;
}

void settle_speeds(Termios& termios) {
  const uint32_t input = termios.control >> IBSHIFT;
  termios.output_speed = speed_of(termios.control, termios.output_speed);
  // Of input no code means: as output.
  termios.input_speed = (input & CBAUD) == B0 ? termios.output_speed : speed_of(input, termios.input_speed);
}

}  // namespace cella::sandbox::fs
