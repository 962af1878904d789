// The started side of a Process.
#pragma once

#include <cella/process.h>

#include <array>

#include "sys/fd.h"

namespace cella {

struct Process::Impl {
  pid_t pid = 0;
  sys::FileDescriptor pidfd;
  sys::FileDescriptor console;               // the terminal's master, with keep_console
  std::array<sys::FileDescriptor, 3> pipes;  // its ends of initialize_io()'s, until it is started
  bool waited = false;
};

}  // namespace cella
