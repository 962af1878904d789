// Termios: the settings of a terminal, termios(3), in the kernel's layouts: what TCGETS2, TCGETS and TCGETA copy.
#pragma once

#include <cstdint>

namespace cella::sandbox::fs {

// struct termios2 of the kernel; struct termios is the same up to and with `characters`.
struct Termios {
  uint32_t input = 0, output = 0, control = 0, local = 0;  // c_iflag, c_oflag, c_cflag, c_lflag
  uint8_t line = 0;
  uint8_t characters[19] = {};  // by VINTR and its kind; 0: there is none
  uint32_t input_speed = 0, output_speed = 0;
};
inline constexpr uint64_t kTermiosSize = 36, kTermios2Size = 44;
static_assert(sizeof(Termios) == kTermios2Size);

// struct termio, of System V: the low halves.
struct OldTermios {
  uint16_t input, output, control, local;
  uint8_t line;
  uint8_t characters[8];
};

// What a new terminal has, and the two ends of a pseudoterminal: the master is raw.
Termios default_termios();
// The speeds that the flags say, or with BOTHER those that are there.
void settle_speeds(Termios& termios);

}  // namespace cella::sandbox::fs
