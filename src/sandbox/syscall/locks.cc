// Advisory locks: flock(2), and the record locks of fcntl(2).
#include <sys/file.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/vfs/locks.h"

namespace cella::sandbox::syscall {

using task::Task;
using vfs::FileLocks;

namespace {

FileLocks& locks_of(vfs::File& file) {
  vfs::Inode& inode = file.path.inode();
  if (inode.locks == nullptr) inode.locks = std::make_shared<FileLocks>();
  return *inode.locks;
}

// Takes a lock with `attempt`, and waits for it if that is wanted. The file is kept, and with it the locks.
template <typename Attempt>
Outcome take(Task& task, const vfs::FilePtr& file, bool wait, Attempt attempt) {
  FileLocks& locks = locks_of(*file);
  for (;;) {
    SysResult<void> taken = attempt(locks);
    if (taken) return 0;
    if (!wait) return std::unexpected(taken.error());
    TRY(task.sleep_on(locks.queue(), ~0u));
  }
}

// struct flock's range. EINVAL, EOVERFLOW.
SysResult<FileLocks::Record> record_of(Task& task, vfs::File& file, const struct flock& wanted) {
  int64_t base = 0, start, end;
  switch (wanted.l_whence) {
    case SEEK_SET:
      break;
    case SEEK_CUR:
      base = static_cast<int64_t>(file.position());
      break;
    case SEEK_END:
      base = TRY(file.attributes())
      .st_size;
      break;
    default:
      return fail(EINVAL);
  }
  if (__builtin_add_overflow(base, wanted.l_start, &start)) return fail(EOVERFLOW);
  if (start < 0) return fail(EINVAL);
  if (wanted.l_len == 0) {
    end = INT64_MAX;
  } else {
    // A lock of INT64_MAX bytes from 0 on ends with the last byte that there can be.
    if (__builtin_add_overflow(start, wanted.l_len, &end)) return fail(EOVERFLOW);
    if (wanted.l_len < 0) std::swap(start, end);
    if (start < 0) return fail(EINVAL);
  }
  FileLocks::Record record;
  record.start = static_cast<uint64_t>(start);
  record.end = end == INT64_MAX ? UINT64_MAX : static_cast<uint64_t>(end);
  record.exclusive = wanted.l_type == F_WRLCK;
  record.owner = task.files.get();
  record.pid = task.group->id;
  return record;
}

}  // namespace

Outcome lock_record(Task& task, const vfs::FilePtr& file, int command, uint64_t address) {
  auto wanted = TRY(task.memory().read<struct flock>(address));
  const bool description = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
  const bool asks = command == F_GETLK || command == F_OFD_GETLK;
  if (wanted.l_type != F_RDLCK && wanted.l_type != F_WRLCK && (wanted.l_type != F_UNLCK || asks)) return fail(EINVAL);
  if (description && wanted.l_pid != 0) return fail(EINVAL);
  FileLocks::Record record = TRY(record_of(task, *file, wanted));
  if (description) {
    record.owner = file.get();
    record.pid = -1;
  }
  FileLocks& locks = locks_of(*file);
  if (asks) {
    if (const FileLocks::Record* other = locks.conflict(record)) {
      wanted.l_type = other->exclusive ? F_WRLCK : F_RDLCK;
      wanted.l_whence = SEEK_SET;
      wanted.l_start = static_cast<off_t>(other->start);
      wanted.l_len = other->end == UINT64_MAX ? 0 : static_cast<off_t>(other->end - other->start);
      wanted.l_pid = other->pid;
    } else {
      wanted.l_type = F_UNLCK;
    }
    TRY(task.memory().write(address, wanted));
    return 0;
  }
  if (wanted.l_type == F_UNLCK) {
    locks.unlock(record.owner, record.start, record.end);
    return 0;
  }
  if (wanted.l_type == F_RDLCK ? !file->may_read() : !file->may_write()) return fail(EBADF);
  auto attempt = [&](FileLocks& of_file) { return of_file.lock(record); };
  if (command != F_SETLKW) return take(task, file, command == F_OFD_SETLKW, attempt);
  if (SysResult<void> taken = locks.lock(record); taken) return 0;
  if (task.kernel.lock_waits.is_deadlock(locks, record)) return fail(EDEADLK);
  const FileLocks::Waits::Wait wait(task.kernel.lock_waits, locks, record);
  return take(task, file, true, attempt);
}

Outcome sys_flock(Task& task, const Arguments& a) {
  const int operation = a.integer(1) & ~LOCK_NB;
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  if (operation == LOCK_UN) {
    locks_of(*file).unlock_whole(file.get());
    return 0;
  }
  if (operation != LOCK_SH && operation != LOCK_EX) return fail(EINVAL);
  return take(task, file, !(a.integer(1) & LOCK_NB),
              [&](FileLocks& locks) { return locks.lock_whole(file.get(), operation == LOCK_EX); });
}

}  // namespace cella::sandbox::syscall
