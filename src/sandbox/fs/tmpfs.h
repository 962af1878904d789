// tmpfs(5): a filesystem in the guest's memory. Its files' pages are ranges of the memory file, so that they can be
// mapped as they are.
#pragma once

#include "sandbox/fs/filesystem.h"

namespace cella::sandbox::fs {

struct TmpfsOptions {
  uint64_t size = UINT64_MAX;    // bytes of all files together; this much: no limit
  uint64_t inodes = UINT64_MAX;  // files, directories and links together, with the root
  uint32_t mode = 01777;
  uint32_t uid = 0, gid = 0;
};

// "size=65536k,mode=755,uid=0": EINVAL for what is not one of tmpfs'. `ram`: bytes of what the machine has, of which a
// size may be a percentage; half of it is the size where none is said, and size=0 is no limit.
SysResult<TmpfsOptions> parse_tmpfs_options(const std::string& text, uint64_t ram);

// Its root. `memory` must outlive it.
vfs::DentryPtr make_tmpfs(mm::MemoryFile& memory, const TmpfsOptions& options);
// A file without a name, memfd_create(2); with `sealable` F_ADD_SEALS may be used.
vfs::InodePtr make_tmpfs_file(mm::MemoryFile& memory, uint32_t mode, uint32_t uid, uint32_t gid, bool sealable);

}  // namespace cella::sandbox::fs
