#include "sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/result.h"

namespace cella::sys {
namespace {

std::unexpected<Errno> last_error() {
  return std::unexpected(Errno{errno});
}

SysResult<void> check(int result) {
  if (result < 0) return last_error();
  return {};
}

}  // namespace

SysResult<FileDescriptor> open_at(int directory, const char* path, int flags, mode_t mode) {
  int fd = ::openat(directory, path, flags | O_CLOEXEC, mode);
  if (fd < 0) return last_error();
  return FileDescriptor(fd);
}

SysResult<FileDescriptor> resolve_in_root(int directory, const char* path, int flags, uint64_t resolve) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve;
  long fd = 0;
  // EAGAIN: a rename raced with the resolution; the kernel asks to try again.
  for (int attempt = 0; attempt < 128; ++attempt) {
    fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  if (fd < 0) return last_error();
  return FileDescriptor(static_cast<int>(fd));
}

SysResult<std::string> read_all(int fd, size_t limit) {
  std::string content;
  struct stat status;
  size_t chunk = 4096;
  bool sized = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
  if (sized) {
    chunk = std::min<size_t>(static_cast<size_t>(status.st_size) + 1, limit + 1);
  }
  size_t used = 0;
  for (;;) {
    if (content.size() - used < chunk) content.resize(used + chunk);
    ssize_t n = ::read(fd, content.data() + used, content.size() - used);
    if (n < 0) {
      if (errno == EINTR) continue;
      return last_error();
    }
    used += static_cast<size_t>(n);
    if (used > limit) return std::unexpected(Errno{EFBIG});
    // One byte more than the size was asked for: less is the end. Files without a size (procfs) end with 0.
    if (n == 0 || (sized && used == static_cast<size_t>(status.st_size) && used < content.size())) break;
    chunk = std::max<size_t>(4096, used / 2);
  }
  content.resize(used);
  return content;
}

SysResult<std::string> read_file_at(int directory, const char* path, size_t limit) {
  FileDescriptor fd = TRY(open_at(directory, path, O_RDONLY));
  return read_all(fd.get(), limit);
}

SysResult<void> write_file_at(int directory, const char* path, std::string_view content) {
  FileDescriptor fd = TRY(open_at(directory, path, O_WRONLY));
  ssize_t n = ::write(fd.get(), content.data(), content.size());
  if (n < 0) return last_error();
  if (static_cast<size_t>(n) != content.size()) return std::unexpected(Errno{EIO});
  return {};
}

SysResult<void> write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return last_error();
    }
    content.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

SysResult<void> replace_file_at(int directory, const char* name, std::string_view content, mode_t mode) {
  std::string temporary = std::string(".") + name + ".tmp";
  {
    FileDescriptor fd = TRY(open_at(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    TRY(write_all(fd.get(), content));
  }
  return rename_at(directory, temporary.c_str(), name);
}

SysResult<void> rename_at(int directory, const char* from, const char* to) {
  return check(::renameat(directory, from, directory, to));
}

SysResult<void> make_directory_at(int directory, const char* path, mode_t mode) {
  return check(::mkdirat(directory, path, mode));
}

SysResult<void> make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return last_error();
  size_t slash = path.find_last_of('/');
  if (slash == std::string::npos || slash == 0) return last_error();
  TRY(make_directories(path.substr(0, slash), mode));
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return last_error();
}

SysResult<void> unlink_at(int directory, const char* path, int flags) {
  return check(::unlinkat(directory, path, flags));
}

SysResult<void> remove_tree_at(int directory, const char* path) {
  if (::unlinkat(directory, path, 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return last_error();
  SysResult<FileDescriptor> tree = open_at(directory, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!tree) return tree.error().value == ENOENT ? SysResult<void>{} : std::unexpected(tree.error());
  for (const std::string& name : TRY(list_directory(tree->get()))) TRY(remove_tree_at(tree->get(), name.c_str()));
  if (::unlinkat(directory, path, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return last_error();
}

SysResult<std::vector<std::string>> list_directory(int directory) {
  FileDescriptor copy = TRY(open_at(directory, ".", O_RDONLY | O_DIRECTORY));
  DIR* stream = ::fdopendir(copy.get());
  if (stream == nullptr) return last_error();
  (void)copy.release();
  std::vector<std::string> names;
  errno = 0;
  while (dirent* entry = ::readdir(stream)) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  int error = errno;
  ::closedir(stream);
  if (error != 0) return std::unexpected(Errno{error});
  std::sort(names.begin(), names.end());
  return names;
}

SysResult<struct stat> stat_at(int directory, const char* path, int flags) {
  struct stat status;
  if (::fstatat(directory, path, &status, flags) < 0) return last_error();
  return status;
}

SysResult<std::string> read_link_at(int directory, const char* path) {
  std::string target(PATH_MAX, '\0');
  ssize_t n = ::readlinkat(directory, path, target.data(), target.size());
  if (n < 0) return last_error();
  target.resize(static_cast<size_t>(n));
  return target;
}

SysResult<std::string> real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return last_error();
  std::string result = resolved;
  ::free(resolved);
  return result;
}

SysResult<int64_t> filesystem_type(int fd) {
  struct statfs status;
  if (::fstatfs(fd, &status) < 0) return last_error();
  return static_cast<int64_t>(status.f_type);
}

SysResult<FileDescriptor> memory_file(const char* name, std::string_view content, bool sealed, bool executable) {
  // Linux 6.3; without them vm.memfd_noexec decides, and may leave no memory file executable.
  constexpr unsigned kNoexecSeal = 8, kExec = 16;
  unsigned flags = MFD_CLOEXEC | (sealed ? MFD_ALLOW_SEALING : 0);
  int raw = ::memfd_create(name, flags | (executable ? kExec : kNoexecSeal));
  if (raw < 0 && errno == EINVAL) raw = ::memfd_create(name, flags);
  if (raw < 0) return last_error();
  FileDescriptor fd(raw);
  TRY(write_all(fd.get(), content));
  if (sealed && ::fcntl(raw, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
    return last_error();
  }
  if (!sealed && ::lseek(raw, 0, SEEK_SET) < 0) return last_error();
  return fd;
}

}  // namespace cella::sys
