#include "sandbox/fs/tty/devices.h"

#include <sys/sysmacros.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/tty/devpts.h"
#include "sandbox/fs/tty/tty.h"

namespace cella::sandbox::fs {
namespace {

constexpr unsigned kMajor = 5, kOwn = 0, kConsole = 1, kMultiplexer = 2;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// Every terminal of a process is a Tty.
SysResult<vfs::FilePtr> open_known(vfs::Caller& caller, const std::shared_ptr<task::Terminal>& terminal,
                                   const vfs::Path& path, int flags) {
  if (terminal == nullptr) return fail(ENXIO);
  return open_tty(caller, std::static_pointer_cast<Tty>(terminal), path, flags);
}

// A node of the multiplexer's outside of devpts means the devpts that is mounted on "pts" beside it.
SysResult<vfs::FilePtr> open_multiplexer(vfs::Caller& caller, const vfs::Path& path, int flags) {
  if (path.dentry->parent == nullptr) return fail(ENODEV);
  SysResult<vfs::DentryPtr> beside = vfs::child_of(path.dentry->parent, "pts");
  if (!beside) return fail(ENODEV);
  const vfs::Path mounted = task_of(caller).fs->position.mounts->covering({path.mount, *beside});
  Devpts* devpts = devpts_at(mounted);
  return devpts != nullptr ? devpts->open_multiplexer(caller, mounted, path, flags) : fail(ENODEV);
}

}  // namespace

SysResult<vfs::FilePtr> open_terminal_device(vfs::Caller& caller, uint64_t device, const vfs::Path& path, int flags) {
  if (major(device) >= kPtsMajor && major(device) < kPtsMajor + 8) return fail(EIO);
  if (major(device) != kMajor) return fail(ENXIO);
  task::Task& task = task_of(caller);
  switch (minor(device)) {
    case kOwn:
      return open_known(caller, task.group->terminal, path, flags);
    case kConsole:
      return open_known(caller, task.kernel.console, path, flags);
    case kMultiplexer:
      return open_multiplexer(caller, path, flags);
    default:
      return fail(ENXIO);
  }
}

}  // namespace cella::sandbox::fs
