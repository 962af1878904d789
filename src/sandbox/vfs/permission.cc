#include "sandbox/vfs/permission.h"

#include <linux/capability.h>
#include <sys/mount.h>

#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::vfs {

SysResult<void> check_access(const Credentials& who, const Attributes& file, int wanted) {
  int shift = file.st_uid == who.fsuid ? 6 : who.in_group(file.st_gid) ? 3 : 0;
  if ((static_cast<int>(file.st_mode >> shift) & wanted) == wanted) return {};
  const bool directory = S_ISDIR(file.st_mode);
  if (who.has(CAP_DAC_OVERRIDE) && (directory || !(wanted & kMayExecute) || (file.st_mode & 0111))) return {};
  if (who.has(CAP_DAC_READ_SEARCH) && (wanted == kMayRead || (directory && !(wanted & kMayWrite)))) return {};
  return std::unexpected(Errno{EACCES});
}

SysResult<void> check_access(const Credentials& who, const Path& path, int wanted) {
  Attributes file = TRY(path.inode().attributes());
  if ((wanted & kMayWrite) && (path.flags() & MS_RDONLY) &&
      (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode) || S_ISLNK(file.st_mode))) {
    return std::unexpected(Errno{EROFS});
  }
  return check_access(who, file, wanted);
}

SysResult<NewFile> new_file_in(const Caller& caller, const Path& directory, const std::string& name, uint32_t mode) {
  Attributes parent = TRY(directory.inode().attributes());
  NewFile file;
  file.name = name;
  file.mode = (mode & S_IFMT) | (mode & 07777 & ~caller.umask());
  file.uid = caller.credentials().fsuid;
  file.gid = caller.credentials().fsgid;
  if (parent.st_mode & S_ISGID) {
    file.gid = parent.st_gid;
    if (S_ISDIR(mode)) file.mode |= S_ISGID;
  }
  return file;
}

bool owns(const Credentials& who, const Attributes& file) {
  return who.fsuid == file.st_uid || who.has(CAP_FOWNER);
}

SysResult<void> check_delete(const Credentials& who, const Path& directory, const Attributes& victim) {
  TRY(check_access(who, directory, kMayWrite | kMayExecute));
  Attributes parent = TRY(directory.inode().attributes());
  if (!(parent.st_mode & S_ISVTX) || who.fsuid == victim.st_uid || who.fsuid == parent.st_uid || who.has(CAP_FOWNER)) {
    return {};
  }
  return std::unexpected(Errno{EPERM});
}

}  // namespace cella::sandbox::vfs
