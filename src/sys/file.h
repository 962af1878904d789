// Files and directories by descriptor. Every descriptor returned is close-on-exec. Paths are those of the host, as the
// caller sees them; nothing here is safe for a path inside a container's root (see init/, and resolve_in_root below).
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::sys {

inline constexpr int kCurrentDirectory = -100;  // AT_FDCWD

// open(2), openat(2): flags get O_CLOEXEC.
SysResult<FileDescriptor> open_at(int directory, const char* path, int flags, mode_t mode = 0);
inline SysResult<FileDescriptor> open(const char* path, int flags, mode_t mode = 0) {
  return open_at(kCurrentDirectory, path, flags, mode);
}
// openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | `resolve`: `path` is inside the root `directory`.
SysResult<FileDescriptor> resolve_in_root(int directory, const char* path, int flags, uint64_t resolve = 0);

// Whole content, at most `limit` bytes (EFBIG beyond). Works on procfs and cgroupfs files.
SysResult<std::string> read_file_at(int directory, const char* path, size_t limit = 64 << 20);
inline SysResult<std::string> read_file(const char* path, size_t limit = 64 << 20) {
  return read_file_at(kCurrentDirectory, path, limit);
}
SysResult<std::string> read_all(int fd, size_t limit = 64 << 20);
// One open (O_WRONLY, no creation) and one write(2); a short write is EIO. For procfs and cgroupfs.
SysResult<void> write_file_at(int directory, const char* path, std::string_view content);
inline SysResult<void> write_file(const char* path, std::string_view content) {
  return write_file_at(kCurrentDirectory, path, content);
}
SysResult<void> write_all(int fd, std::string_view content);
// Creates `name` in `directory` or replaces it, never half: writes `.name.tmp`, then rename(2).
SysResult<void> replace_file_at(int directory, const char* name, std::string_view content, mode_t mode);

// renameat(2) within one directory.
SysResult<void> rename_at(int directory, const char* from, const char* to);

SysResult<void> make_directory_at(int directory, const char* path, mode_t mode);
// mkdir -p; existing directories are left as they are.
SysResult<void> make_directories(const std::string& path, mode_t mode);
SysResult<void> unlink_at(int directory, const char* path, int flags = 0);
// Removes a directory and everything below it, never following a symbolic link. A missing one is success.
SysResult<void> remove_tree_at(int directory, const char* path);
// Names in a directory without "." and "..", sorted.
SysResult<std::vector<std::string>> list_directory(int directory);
SysResult<struct stat> stat_at(int directory, const char* path, int flags = 0);
SysResult<std::string> read_link_at(int directory, const char* path);
// realpath(3).
SysResult<std::string> real_path(const std::string& path);
// f_type of fstatfs(2).
SysResult<int64_t> filesystem_type(int fd);

// memfd_create(2) holding `content`; sealed against every change when `sealed`. EACCES: vm.memfd_noexec forbids
// executable ones.
SysResult<FileDescriptor> memory_file(const char* name, std::string_view content, bool sealed, bool executable = false);

}  // namespace cella::sys
