// Who may do what to a file: path_resolution(7), capabilities(7).
#pragma once

#include "sandbox/vfs/dentry.h"

namespace cella::sandbox::vfs {

inline constexpr int kMayExecute = 1, kMayWrite = 2, kMayRead = 4;

// EACCES where `wanted` (kMay…) is not granted.
SysResult<void> check_access(const Credentials& who, const Attributes& file, int wanted);
// The same, and EROFS for writing on a read-only mount (but not to devices, pipes and sockets).
SysResult<void> check_access(const Credentials& who, const Path& path, int wanted);
// May an entry of `directory` for `victim` be removed? The sticky bit.
SysResult<void> check_delete(const Credentials& who, const Path& directory, const Attributes& victim);
// What a new entry of `directory` is to be like: the caller's, with the group of a set-group-id directory, and for a
// directory with its bit; `mode` as far as the umask lets it: inode(7).
SysResult<NewFile> new_file_in(const Caller& caller, const Path& directory, const std::string& name, uint32_t mode);
// Owner of the file, or CAP_FOWNER.
bool owns(const Credentials& who, const Attributes& file);

}  // namespace cella::sandbox::vfs
