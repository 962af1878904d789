// The character devices that are terminals, by their numbers: /dev/tty, /dev/console and /dev/ptmx, tty(4), pty(7).
#pragma once

#include "sandbox/vfs/file.h"

namespace cella::sandbox::fs {

// Opens one. ENXIO: no such device, or nothing behind it; EIO: a terminal of devpts that is not in one.
SysResult<vfs::FilePtr> open_terminal_device(vfs::Caller& caller, uint64_t device, const vfs::Path& path, int flags);

}  // namespace cella::sandbox::fs
