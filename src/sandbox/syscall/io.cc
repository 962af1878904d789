#include <linux/close_range.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/special.h"
#include "sandbox/net/stack.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/syscall/user_io.h"
#include "sandbox/vfs/locks.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::syscall {
namespace {

using task::Task;

SysResult<vfs::FilePtr> readable(Task& task, int fd) {
  vfs::FilePtr file = TRY(task.files->get_for_io(fd));
  if (!file->may_read()) return fail(EBADF);
  return file;
}
SysResult<vfs::FilePtr> writable(Task& task, int fd) {
  vfs::FilePtr file = TRY(task.files->get_for_io(fd));
  if (!file->may_write()) return fail(EBADF);
  return file;
}

// A place in a file: the kernel takes a signed number.
SysResult<uint64_t> place(int64_t offset) {
  if (offset < 0) return fail(EINVAL);
  return static_cast<uint64_t>(offset);
}

uint64_t fd_limit(Task& task) {
  return task.group->limit(RLIMIT_NOFILE);
}

void close_file(Task& task, const vfs::FilePtr& file) {
  vfs::close_descriptor(task, task.files.get(), *file);
}

}  // namespace

Outcome sys_read(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(readable(task, a.fd(0)));
  UserIo io = TRY(UserIo::from_buffer(task, a[1], a[2]));
  return io.read(task, *file);
}
Outcome sys_write(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(writable(task, a.fd(0)));
  UserIo io = TRY(UserIo::from_buffer(task, a[1], a[2]));
  return io.write(task, *file);
}
Outcome sys_readv(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(readable(task, a.fd(0)));
  UserIo io = TRY(UserIo::from_vector(task, a[1], a[2]));
  return io.read(task, *file);
}
Outcome sys_writev(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(writable(task, a.fd(0)));
  UserIo io = TRY(UserIo::from_vector(task, a[1], a[2]));
  return io.write(task, *file);
}
Outcome sys_pread64(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(readable(task, a.fd(0)));
  uint64_t offset = TRY(place(a.offset(3)));
  UserIo io = TRY(UserIo::from_buffer(task, a[1], a[2]));
  return io.read(task, *file, offset);
}
Outcome sys_pwrite64(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(writable(task, a.fd(0)));
  uint64_t offset = TRY(place(a.offset(3)));
  UserIo io = TRY(UserIo::from_buffer(task, a[1], a[2]));
  return io.write(task, *file, offset);
}
Outcome sys_preadv(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(readable(task, a.fd(0)));
  uint64_t offset = TRY(place(a.offset(3)));
  UserIo io = TRY(UserIo::from_vector(task, a[1], a[2]));
  return io.read(task, *file, offset);
}
Outcome sys_pwritev(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(writable(task, a.fd(0)));
  uint64_t offset = TRY(place(a.offset(3)));
  UserIo io = TRY(UserIo::from_vector(task, a[1], a[2]));
  return io.write(task, *file, offset);
}
// Of the flags only those that change nothing about the result are known; -1 is the file's own position.
Outcome sys_preadv2(Task& task, const Arguments& a) {
  constexpr int kHarmless = 0x1 | 0x2 | 0x4;  // RWF_HIPRI, RWF_DSYNC, RWF_SYNC
  if (a.integer(5) & ~kHarmless) return fail(EOPNOTSUPP);
  return a.offset(3) == -1 ? sys_readv(task, a) : sys_preadv(task, a);
}
Outcome sys_pwritev2(Task& task, const Arguments& a) {
  constexpr int kHarmless = 0x1 | 0x2 | 0x4;
  if (a.integer(5) & ~kHarmless) return fail(EOPNOTSUPP);
  return a.offset(3) == -1 ? sys_writev(task, a) : sys_pwritev(task, a);
}

Outcome sys_lseek(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  return file->seek(task, a.offset(1), a.integer(2));
}

Outcome sys_close(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->remove(a.fd(0)));
  close_file(task, file);
  return 0;
}

Outcome sys_close_range(Task& task, const Arguments& a) {
  const uint32_t first = a.word(0), last = a.word(1), flags = a.word(2);
  if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))) return fail(EINVAL);
  if (flags & CLOSE_RANGE_UNSHARE) task.files = std::make_shared<vfs::FdTable>(*task.files);
  if (flags & CLOSE_RANGE_CLOEXEC) {
    for (uint32_t fd = first; fd <= last && fd < task.files->slots().size(); ++fd)
      if (vfs::FdTable::Slot* slot = task.files->slot(static_cast<int>(fd))) slot->close_on_exec = true;
    return 0;
  }
  for (const vfs::FilePtr& file : task.files->remove_range(first, last)) close_file(task, file);
  return 0;
}

Outcome sys_dup(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get(a.fd(0)));
  return static_cast<uint64_t>(TRY(task.files->add(file, false, fd_limit(task))));
}
Outcome sys_dup2(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get(a.fd(0)));
  if (a.fd(0) == a.fd(1)) return a[1];
  vfs::FilePtr old = TRY(task.files->put(a.fd(1), file, false, fd_limit(task)));
  if (old != nullptr) close_file(task, old);
  return a[1];
}
Outcome sys_dup3(Task& task, const Arguments& a) {
  if (a.integer(2) & ~O_CLOEXEC || a.fd(0) == a.fd(1)) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get(a.fd(0)));
  vfs::FilePtr old = TRY(task.files->put(a.fd(1), file, a.integer(2) & O_CLOEXEC, fd_limit(task)));
  if (old != nullptr) close_file(task, old);
  return a[1];
}

Outcome sys_fcntl(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get(a.fd(0)));
  vfs::FdTable::Slot& slot = *task.files->slot(a.fd(0));
  constexpr int kChangeable = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
  switch (a.integer(1)) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (a.integer(2) < 0 || a[2] >= fd_limit(task)) return fail(EINVAL);
      return static_cast<uint64_t>(
          TRY(task.files->add(file, a.integer(1) == F_DUPFD_CLOEXEC, fd_limit(task), a.integer(2))));
    case F_GETFD:
      return slot.close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
      slot.close_on_exec = a[2] & FD_CLOEXEC;
      return 0;
    case F_GETFL:
      return static_cast<uint64_t>(file->flags) | (file->flags & O_PATH ? 0 : O_LARGEFILE);
    case F_SETFL:
      if (file->flags & O_PATH) return fail(EBADF);
      file->flags = (file->flags & ~kChangeable) | (a.integer(2) & kChangeable);
      follow_async_flag(task, *file, a.fd(0));
      return 0;
    case F_SETOWN:
    case F_GETOWN:
    case F_SETOWN_EX:
    case F_GETOWN_EX:
    case F_SETSIG:
    case F_GETSIG:
      if (file->flags & O_PATH) return fail(EBADF);
      return control_owner(task, *file, a.integer(1), a[2]);
    case F_GETLEASE:
      return F_UNLCK;  // nobody has one
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      if (file->flags & O_PATH) return fail(EBADF);
      return lock_record(task, file, a.integer(1), a[2]);
    case F_GETPIPE_SZ:
      return file->pipe_size();
    case F_SETPIPE_SZ:
      return file->set_pipe_size(task, a.word(2));
    case F_GET_SEALS:
      return TRY(file->seals());
    case F_ADD_SEALS:
      if (!file->may_write()) return fail(EPERM);
      TRY(file->add_seals(a.word(2)));
      return 0;
    default:
      return fail(EINVAL);
  }
}

Outcome sys_pipe2(Task& task, const Arguments& a) {
  const int flags = a.integer(1);
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) return fail(EINVAL);
  fs::PipeEnds ends = fs::make_pipe(flags & O_NONBLOCK);
  int fds[2];
  fds[0] = TRY(task.files->add(ends.reader, flags & O_CLOEXEC, fd_limit(task)));
  SysResult<int> second = task.files->add(ends.writer, flags & O_CLOEXEC, fd_limit(task));
  SysResult<void> written;
  if (second) {
    fds[1] = *second;
    written = task.memory().write(a[0], fds);
  }
  if (!second || !written) {
    (void)task.files->remove(fds[0]);
    if (second) (void)task.files->remove(*second);
    return fail(second ? EFAULT : EMFILE);
  }
  return 0;
}
Outcome sys_pipe(Task& task, const Arguments& a) {
  return sys_pipe2(task, {{a[0], 0, 0, 0, 0, 0}});
}

Outcome sys_ioctl(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  switch (a.word(1)) {
    case FIOCLEX:
    case FIONCLEX:
      task.files->slot(a.fd(0))->close_on_exec = a.word(1) == FIOCLEX;
      return 0;
    case FIONBIO: {
      int on = TRY(task.memory().read<int>(a[2]));
      file->flags = on ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK;
      return 0;
    }
    case FIOASYNC: {
      const int on = TRY(task.memory().read<int>(a[2]));
      if (file->queue() == nullptr) return fail(ENOTTY);
      file->flags = on ? file->flags | O_ASYNC : file->flags & ~O_ASYNC;
      follow_async_flag(task, *file, a.fd(0));
      return 0;
    }
    case FIGETBSZ: {
      const vfs::Attributes now = TRY(file->attributes());
      TRY(task.memory().write(a[2], static_cast<int>(now.st_blksize)));
      return 0;
    }
    case FIOQSIZE: {
      const vfs::Attributes now = TRY(file->attributes());
      if (!S_ISREG(now.st_mode) && !S_ISDIR(now.st_mode) && !S_ISLNK(now.st_mode)) return fail(ENOTTY);
      TRY(task.memory().write<int64_t>(a[2], now.st_blocks * 512));
      return 0;
    }
    case FIONREAD:
      if (file->path.inode().has_type(S_IFREG)) {
        const vfs::Attributes now = TRY(file->attributes());
        const off_t size = now.st_size;
        TRY(task.memory().write(a[2], static_cast<int>(size - static_cast<off_t>(file->position()))));
        return 0;
      }
      [[fallthrough]];
    default: {
      Outcome done = file->ioctl(task, a.word(1), a[2]);
      const bool unknown = !done && done.error().value == ENOTTY;
      if (!unknown || !file->is_socket() || task.kernel.network == nullptr) return done;
      return task.kernel.network->interface_ioctl(task, a.word(1), a[2]);
    }
  }
}

Outcome sys_fsync(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  TRY(file->sync());
  return 0;
}
Outcome sys_fdatasync(Task& task, const Arguments& a) {
  return sys_fsync(task, a);
}
// What the guest has written is in files of the host's, which writes them out by itself.
Outcome sys_sync(Task&, const Arguments&) {
  return 0;
}
Outcome sys_syncfs(Task& task, const Arguments& a) {
  TRY(task.files->get_for_io(a.fd(0)));
  return 0;
}
Outcome sys_sync_file_range(Task& task, const Arguments& a) {
  constexpr int kKnown = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  int64_t end;
  if (a.integer(3) & ~kKnown) return fail(EINVAL);
  if (a.offset(1) < 0 || __builtin_add_overflow(a.offset(1), a.offset(2), &end) || end < a.offset(1)) {
    return fail(EINVAL);
  }
  vfs::Inode& inode = file->path.inode();
  if (!inode.has_type(S_IFREG) && !inode.has_type(S_IFDIR) && !inode.has_type(S_IFLNK)) return fail(ESPIPE);
  return sys_fsync(task, a);
}

Outcome sys_ftruncate(Task& task, const Arguments& a) {
  if (a.offset(1) < 0) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  if (!file->may_write() || !file->path.inode().has_type(S_IFREG)) return fail(EINVAL);
  if (a[1] > task.file_size_limit()) {
    task.send_signal_to_self(SIGXFSZ);
    return fail(EFBIG);
  }
  vfs::AttributeChange change;
  change.size = a[1];
  TRY(file->path.inode().set_attributes(change));
  vfs::tell(file->path, IN_MODIFY);
  return 0;
}

Outcome sys_fallocate(Task& task, const Arguments& a) {
  if (a.offset(2) < 0 || a.offset(3) <= 0) return fail(EINVAL);
  vfs::FilePtr file = TRY(writable(task, a.fd(0)));
  if (file->path.inode().has_type(S_IFIFO)) return fail(ESPIPE);
  TRY(file->allocate(task, a.integer(1), a[2], a[3]));
  vfs::tell(file->path, IN_MODIFY);
  return 0;
}

// Through a buffer of ours, for as long as the source has something and the target has room.
Outcome sys_sendfile(Task& task, const Arguments& a) {
  vfs::FilePtr out = TRY(writable(task, a.fd(0)));
  vfs::FilePtr in = TRY(readable(task, a.fd(1)));
  if (out->flags & O_APPEND) return fail(EINVAL);
  std::optional<uint64_t> offset;
  if (a[2] != 0) {
    const auto start = TRY(task.memory().read<int64_t>(a[2]));
    offset = TRY(place(start));
  }
  uint64_t total = 0;
  std::vector<char> buffer(64 * 1024);
  while (total < a[3]) {
    vfs::IoVector from(buffer.data(), std::min<uint64_t>(buffer.size(), a[3] - total));
    SysResult<size_t> got = in->read_at(task, from, offset ? *offset : in->position());
    if (!got) {
      if (total == 0) return std::unexpected(got.error().value == ESPIPE ? Errno{EINVAL} : got.error());
      break;
    }
    if (*got == 0) break;
    size_t written = 0;
    SysResult<void> problem;
    while (written < *got) {
      vfs::IoVector to(buffer.data() + written, *got - written);
      SysResult<size_t> n = out->write(task, to);
      if (n) {
        written += *n;
        continue;
      }
      problem = std::unexpected(n.error());
      if (n.error().value != EAGAIN || out->is_nonblocking() || out->queue() == nullptr) break;
      problem = task.sleep_on(*out->queue(), POLLOUT | POLLERR | POLLHUP);
      if (!problem) break;
    }
    total += written;
    if (offset) {
      *offset += written;
    } else {
      TRY(in->seek(task, static_cast<int64_t>(written), SEEK_CUR));
    }
    if (written < *got) {
      if (total == 0) return std::unexpected(problem.error());
      break;
    }
  }
  if (a[2] != 0) TRY(task.memory().write<uint64_t>(a[2], *offset));
  if (total > 0) {
    vfs::tell(in->path, IN_ACCESS);
    vfs::tell(out->path, IN_MODIFY);
  }
  return total;
}

// Advice about what the host's page cache does anyway.
Outcome sys_fadvise64(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  if (file->path.inode().has_type(S_IFIFO)) return fail(ESPIPE);
  if (a.offset(2) < 0) return fail(EINVAL);
  constexpr int kLast = 5;  // POSIX_FADV_NOREUSE
  return a.integer(3) < 0 || a.integer(3) > kLast ? Outcome(fail(EINVAL)) : Outcome(0);
}
Outcome sys_readahead(Task& task, const Arguments& a) {
  vfs::FilePtr file = TRY(readable(task, a.fd(0)));
  return file->path.inode().has_type(S_IFREG) ? Outcome(0) : Outcome(fail(EINVAL));
}

}  // namespace cella::sandbox::syscall
