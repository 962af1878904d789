// Data from descriptor to descriptor: splice(2), tee(2), vmsplice(2), copy_file_range(2). Through a buffer of ours: the
// pages themselves are not moved.
#include <sys/uio.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/syscall/user_io.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::syscall {

using task::Task;

namespace {

constexpr unsigned kKnown = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;
constexpr size_t kBuffer = 64 * 1024;

// The file, and where in it: at `offset` when there is one, else at its position.
struct End {
  vfs::FilePtr file;
  std::optional<uint64_t> offset;
  uint64_t offset_address = 0;

  bool is_pipe() const { return file->pipe_size().has_value(); }
  bool is_stream() const { return is_pipe() || file->is_socket(); }
  // What the next take() gives.
  SysResult<size_t> look(Task& task, vfs::IoVector& io) const {
    if (is_stream()) return file->peek(task, io);
    return file->read_at(task, io, offset.value_or(file->position()));
  }
  SysResult<void> advance(Task& task, size_t size) {
    if (is_stream()) {
      std::vector<char> gone(size);
      vfs::IoVector io(gone.data(), size);
      TRY(file->read(task, io));
    } else if (offset) {
      *offset += size;
    } else {
      TRY(file->seek(task, static_cast<int64_t>(size), SEEK_CUR));
    }
    return {};
  }
  SysResult<size_t> put(Task& task, vfs::IoVector& io) {
    if (!offset) return file->write(task, io);
    const size_t n = TRY(file->write_at(task, io, *offset));
    *offset += n;
    return n;
  }
};

SysResult<End> end_of(Task& task, int fd, uint64_t offset_address) {
  End end;
  end.file = TRY(task.files->get_for_io(fd));
  end.offset_address = offset_address;
  return end;
}
SysResult<void> read_offset(Task& task, End& end) {
  if (end.offset_address == 0) return {};
  if (end.is_stream()) return fail(ESPIPE);
  const auto offset = TRY(task.memory().read<int64_t>(end.offset_address));
  if (offset < 0) return fail(EINVAL);
  end.offset = static_cast<uint64_t>(offset);
  return {};
}

// Up to `size` bytes, once; `take`: they go from where they come from. 0 at the end.
SysResult<size_t> move_once(Task& task, End& in, End& out, size_t size, bool take) {
  std::vector<char> buffer(std::min(size, kBuffer));
  vfs::IoVector from(buffer.data(), buffer.size());
  const size_t got = TRY(in.look(task, from));
  if (got == 0) return 0;
  vfs::IoVector to(buffer.data(), got);
  const size_t n = TRY(out.put(task, to));
  if (take) TRY(in.advance(task, n));
  return n;
}

// Waits until something can be moved, unless that is not wanted.
Outcome move(Task& task, End& in, End& out, size_t size, bool take, bool nonblocking) {
  for (;;) {
    SysResult<size_t> n = move_once(task, in, out, size, take);
    if (n) return *n;
    if (n.error().value != EAGAIN || nonblocking) return std::unexpected(n.error());
    const bool empty = in.is_stream() && !(in.file->ready(task) & (POLLIN | POLLHUP));
    vfs::File& waits_for = empty ? *in.file : *out.file;
    if (waits_for.is_nonblocking() || waits_for.queue() == nullptr) return std::unexpected(n.error());
    TRY(task.sleep_on(*waits_for.queue(), ~0u));
  }
}

SysResult<void> write_offset(Task& task, const End& end) {
  if (end.offset) TRY(task.memory().write(end.offset_address, *end.offset));
  return {};
}

void tell_moved(const End& in, const End& out, uint64_t size) {
  if (size == 0) return;
  vfs::tell(in.file->path, IN_ACCESS);
  vfs::tell(out.file->path, IN_MODIFY);
}

bool is_regular(const End& end) {
  return end.file->path.inode().has_type(S_IFREG);
}

}  // namespace

Outcome sys_splice(Task& task, const Arguments& a) {
  if (a.word(5) & ~kKnown) return fail(EINVAL);
  if (a[4] == 0) return 0;
  End in = TRY(end_of(task, a.fd(0), a[1]))
  , out = TRY(end_of(task, a.fd(2), a[3]));
  if (!in.file->may_read() || !out.file->may_write()) return fail(EBADF);
  if (!in.is_pipe() && !out.is_pipe()) return fail(EINVAL);
  TRY(read_offset(task, in));
  TRY(read_offset(task, out));
  if (in.is_pipe() && out.is_pipe() && in.file->queue() == out.file->queue()) return fail(EINVAL);
  if (out.file->flags & O_APPEND) return fail(EINVAL);
  const uint64_t moved = TRY(move(task, in, out, a[4], true, a.word(5) & SPLICE_F_NONBLOCK));
  TRY(write_offset(task, in));
  TRY(write_offset(task, out));
  tell_moved(in, out, moved);
  return moved;
}

Outcome sys_tee(Task& task, const Arguments& a) {
  if (a.word(3) & ~kKnown) return fail(EINVAL);
  if (a[2] == 0) return 0;
  End in = TRY(end_of(task, a.fd(0), 0))
  , out = TRY(end_of(task, a.fd(1), 0));
  if (!in.file->may_read() || !out.file->may_write()) return fail(EBADF);
  if (!in.is_pipe() || !out.is_pipe() || in.file->queue() == out.file->queue()) return fail(EINVAL);
  return move(task, in, out, a[2], false, a.word(3) & SPLICE_F_NONBLOCK);
}

// A copy in either direction, which is what it comes to on Linux for reading too.
Outcome sys_vmsplice(Task& task, const Arguments& a) {
  if (a.word(3) & ~kKnown) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  if (!file->pipe_size()) return fail(EBADF);
  UserIo io = TRY(UserIo::from_vector(task, a[1], a[2]));
  return file->may_write() ? io.write(task, *file) : io.read(task, *file);
}

Outcome sys_copy_file_range(Task& task, const Arguments& a) {
  End in = TRY(end_of(task, a.fd(0), a[1]))
  , out = TRY(end_of(task, a.fd(2), a[3]));
  TRY(read_offset(task, in));
  TRY(read_offset(task, out));
  if (a.word(5) != 0) return fail(EINVAL);
  for (const End* end : {&in, &out})
    if (end->file->path.inode().has_type(S_IFDIR)) return fail(EISDIR);
  if (!is_regular(in) || !is_regular(out)) return fail(EINVAL);
  if (!in.file->may_read() || !out.file->may_write() || (out.file->flags & O_APPEND)) return fail(EBADF);
  const uint64_t from = in.offset.value_or(in.file->position()), to = out.offset.value_or(out.file->position());
  if (from > INT64_MAX - std::min<uint64_t>(a[4], INT64_MAX) || to > INT64_MAX - std::min<uint64_t>(a[4], INT64_MAX)) {
    return fail(EOVERFLOW);
  }
  const bool same = in.file->path.dentry->inode == out.file->path.dentry->inode;
  if (same && from < to + a[4] && to < from + a[4]) return fail(EINVAL);
  uint64_t total = 0;
  while (total < a[4]) {
    SysResult<size_t> n = move_once(task, in, out, a[4] - total, true);
    if (!n && total == 0) return std::unexpected(n.error());
    if (!n || *n == 0) break;
    total += *n;
  }
  TRY(write_offset(task, in));
  TRY(write_offset(task, out));
  tell_moved(in, out, total);
  return total;
}

}  // namespace cella::sandbox::syscall
