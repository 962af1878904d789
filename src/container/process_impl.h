// The started side of a Process.
#pragma once

#include <cella/process.h>

#include "sys/fd.h"

namespace cella {

struct Process::Impl {
  pid_t pid = 0;
  sys::FileDescriptor pidfd;
  sys::FileDescriptor console;  // the terminal's master, with keep_console
  bool waited = false;
};

}  // namespace cella
