// Special files, as far as they are the same wherever their node is: character devices by their numbers, and fifos.
#pragma once

#include "sandbox/vfs/file.h"

namespace cella::sandbox::fs {

// Opens what a node stands for. ENXIO: a device that this kernel does not have, or a socket.
SysResult<vfs::FilePtr> open_special(vfs::Caller& caller, vfs::Inode& inode, const vfs::Path& path, int flags);

// pipe(2): the ends for reading and for writing.
struct PipeEnds {
  vfs::FilePtr reader, writer;
};
PipeEnds make_pipe(int flags);

}  // namespace cella::sandbox::fs
