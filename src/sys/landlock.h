// Landlock: which files this process may open, whatever its capabilities and descriptors are, landlock(7).
#pragma once

#include <span>

#include <cella/error.h>

namespace cella::sys {

// The interface's version; 0: the host has none.
int landlock_version();

// From here on the calling thread, and what it makes, opens files and makes, moves and removes names at or below
// `roots` only: descriptors of directories or files, O_PATH will do. It executes nothing, and sends signals and
// connects to abstract names among its like only; with `network` it may bind and connect TCP sockets. What the host's
// version does not know of this stays allowed, and all of it where there is no Landlock. Needs no_new_privs.
SysResult<void> landlock_restrict(std::span<const int> roots, bool network);

}  // namespace cella::sys
