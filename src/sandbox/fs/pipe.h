// Pipes and fifos, pipe(7).
#pragma once

#include "sandbox/fs/special.h"

namespace cella::sandbox::fs {

// A fifo's ends are joined by its inode. Waits for the other end as fifo(7) has it.
SysResult<vfs::FilePtr> open_fifo(vfs::Caller& caller, vfs::Inode& inode, const vfs::Path& path, int flags);

}  // namespace cella::sandbox::fs
