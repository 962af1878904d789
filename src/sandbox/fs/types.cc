#include "sandbox/fs/types.h"

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/tmpfs.h"
#include "sandbox/fs/tty/devpts.h"

namespace cella::sandbox::fs {
namespace {

SysResult<vfs::DentryPtr> tmpfs(task::Kernel& kernel, const std::string& options) {
  return make_tmpfs(*kernel.memory, TRY(parse_tmpfs_options(options, kernel.memory_limit)));
}

SysResult<vfs::DentryPtr> devpts(task::Kernel& kernel, const std::string& options) {
  return make_devpts(kernel, TRY(parse_devpts_options(options)));
}

struct Type {
  const char* name;
  SysResult<vfs::DentryPtr> (*make)(task::Kernel& kernel, const std::string& options);
};
constexpr Type kTypes[] = {
    {"devpts", devpts},
    {"ramfs", tmpfs},
    {"tmpfs", tmpfs},
};

}  // namespace

SysResult<vfs::DentryPtr> make_filesystem(task::Kernel& kernel, const std::string& type, const std::string& options) {
  for (const Type& known : kTypes)
    if (type == known.name) return known.make(kernel, options);
  return std::unexpected(Errno{ENODEV});
}

}  // namespace cella::sandbox::fs
