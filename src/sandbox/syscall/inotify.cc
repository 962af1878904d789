// inotify(7).
#include "sandbox/fs/inotify.h"

#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/vfs/permission.h"

namespace cella::sandbox::syscall {

using task::Task;

Outcome sys_inotify_init1(Task& task, const Arguments& a) {
  if (a.integer(0) & ~(IN_CLOEXEC | IN_NONBLOCK)) return fail(EINVAL);
  auto file = std::make_shared<fs::Inotify>(O_RDONLY | (a.integer(0) & IN_NONBLOCK));
  return static_cast<uint64_t>(
      TRY(task.files->add(std::move(file), a.integer(0) & IN_CLOEXEC, task.group->limit(RLIMIT_NOFILE))));
}
Outcome sys_inotify_init(Task& task, const Arguments&) {
  return sys_inotify_init1(task, {});
}

Outcome sys_inotify_add_watch(Task& task, const Arguments& a) {
  const uint32_t mask = a.word(2);
  constexpr uint32_t kOptions =
      IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT;
  constexpr uint32_t kReported = IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED;
  if (!(mask & (IN_ALL_EVENTS | kReported | kOptions))) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)) return fail(EINVAL);
  fs::Inotify* inotify = TRY(fs::inotify_of(*file));
  const vfs::Path path = TRY(locate(task, AT_FDCWD, a[1], mask & IN_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0));
  if ((mask & IN_ONLYDIR) && !path.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
  TRY(vfs::check_access(task.creds, path, vfs::kMayRead));
  return static_cast<uint64_t>(TRY(inotify->add(path, mask)));
}

Outcome sys_inotify_rm_watch(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  fs::Inotify* inotify = TRY(fs::inotify_of(*file));
  TRY(inotify->remove(a.integer(1)));
  return 0;
}

}  // namespace cella::sandbox::syscall
