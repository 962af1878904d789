// An overlay in memory: what is below is read, and everything that is written stays above, in the kernel's memory.
//
// Files of the lower tree become files of the overlay as they are looked up, one for each inode below whatever its
// names, so that hard links stay hard links. A change is kept with the inode that it is of: attributes alone, or a copy
// of the data from the first write on; a directory keeps the names that were made or removed in it. The lower tree is
// never written to, and is not expected to change by itself.
#pragma once

#include "sandbox/fs/filesystem.h"

namespace cella::sandbox::fs {

// Its root, over the tree below `lower`. `memory` must outlive it. ENOTDIR.
SysResult<vfs::DentryPtr> make_overlay(mm::MemoryFile& memory, vfs::DentryPtr lower);

}  // namespace cella::sandbox::fs
