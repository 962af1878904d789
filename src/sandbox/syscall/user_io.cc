#include "sandbox/syscall/user_io.h"

#include <cerrno>

#include "base/result.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::syscall {
namespace {

constexpr uint64_t kMost = 0x7ffff000;  // MAX_RW_COUNT
constexpr size_t kBounce = 64 * 1024;

}  // namespace

UserIo::UserIo(uint64_t address, uint64_t size)
    : pieces_{{address, std::min(size, kMost)}}, size_(std::min(size, kMost)) {}

SysResult<UserIo> UserIo::from_vector(task::Task& task, uint64_t address, uint64_t count) {
  if (count > IOV_MAX) return std::unexpected(Errno{EINVAL});
  std::vector<iovec> vectors(count);
  if (count > 0) TRY(task.memory().copy_in(address, vectors.data(), count * sizeof(iovec)));
  UserIo io;
  for (const iovec& vector : vectors) {
    if (static_cast<int64_t>(vector.iov_len) < 0) return std::unexpected(Errno{EINVAL});
    const uint64_t size = std::min<uint64_t>(vector.iov_len, kMost - io.size_);
    if (size == 0) continue;
    io.pieces_.push_back({reinterpret_cast<uint64_t>(vector.iov_base), size});
    io.size_ += size;
  }
  return io;
}

// What is left of the buffers, as memory of ours for one attempt: the kernel's view of it, which is valid only until
// the lock is given back; or a copy, where a buffer lies in a mapped host file.
template <typename Move>
SysResult<size_t> UserIo::once(task::Task& task, bool into_user, Move move) {
  std::vector<iovec> all;
  uint64_t skip = done_;
  for (const Piece& piece : pieces_) {
    if (skip >= piece.size) {
      skip -= piece.size;
      continue;
    }
    const uint64_t address = piece.address + skip, size = piece.size - skip;
    skip = 0;
    auto found = task.memory().segments(address, size, into_user);
    if (!found && found.error().value == EOPNOTSUPP) {
      if (!all.empty()) break;
      std::vector<char> bounce(std::min<uint64_t>(size, kBounce));
      if (!into_user) bounce.resize(TRY(task.memory().copy_in_some(address, bounce.data(), bounce.size())));
      vfs::IoVector io(bounce.data(), bounce.size());
      size_t n = TRY(move(io));
      if (into_user) TRY(task.memory().copy_out(address, bounce.data(), n));
      return n;
    }
    if (!found) {
      if (all.empty()) return std::unexpected(found.error());
      break;
    }
    uint64_t length = 0;
    for (const iovec& segment : *found) length += segment.iov_len;
    all.insert(all.end(), found->begin(), found->end());
    if (length < size) break;
  }
  vfs::IoVector io(std::move(all));
  return move(io);
}

template <typename Move>
Outcome UserIo::waiting(task::Task& task, vfs::File& file, bool into_user, Move move) {
  const bool may_wait = !file.is_nonblocking() && file.queue() != nullptr;
  // A read is content with what there is, if it is no terminal's; a write goes on until all is gone.
  const vfs::File::ReadTiming timing = into_user ? file.read_timing() : vfs::File::ReadTiming{size_};
  core::Nanoseconds deadline = timing.first == core::kNever ? core::kNever : core::add_time(core::now(), timing.first);
  for (;;) {
    SysResult<size_t> n = once(task, into_user, move);
    if (n) {
      done_ += *n;
      if (done_ >= timing.least || done_ >= size_ || *n == 0 || !may_wait) return done_;
      if (timing.between != core::kNever) deadline = core::add_time(core::now(), timing.between);
      continue;
    }
    if (n.error().value != EAGAIN || !may_wait) return done_ > 0 ? Outcome(done_) : std::unexpected(n.error());
    SysResult<void> slept = task.sleep_on(
        *file.queue(), (into_user ? POLLIN | POLLRDNORM : POLLOUT | POLLWRNORM) | POLLHUP | POLLERR, deadline);
    if (!slept && slept.error().value == ETIMEDOUT) return done_;
    if (!slept) return done_ > 0 ? Outcome(done_) : std::unexpected(slept.error());
  }
}

Outcome UserIo::read(task::Task& task, vfs::File& file, std::optional<uint64_t> offset) {
  Outcome done = move_in(task, file, offset);
  if (done && *done > 0) vfs::tell(file.path, IN_ACCESS);
  return done;
}

Outcome UserIo::write(task::Task& task, vfs::File& file, std::optional<uint64_t> offset) {
  Outcome done = move_out(task, file, offset);
  if (done && *done > 0) vfs::tell(file.path, IN_MODIFY);
  return done;
}

Outcome UserIo::move_in(task::Task& task, vfs::File& file, std::optional<uint64_t> offset) {
  if (offset) {
    return once(task, true, [&](vfs::IoVector& io) { return file.read_at(task, io, *offset); });
  }
  return waiting(task, file, true, [&](vfs::IoVector& io) { return file.read(task, io); });
}

Outcome UserIo::move_out(task::Task& task, vfs::File& file, std::optional<uint64_t> offset) {
  const uint64_t limit = task.file_size_limit();
  const bool regular = limit != RLIM_INFINITY && file.path.inode().has_type(S_IFREG);
  if (regular && offset.value_or(file.position()) + size_ > limit) {
    const uint64_t at = offset.value_or(file.position());
    if (at >= limit && size_ > 0) {
      task.send_signal_to_self(SIGXFSZ);
      return std::unexpected(Errno{EFBIG});
    }
    size_ = limit - at;
    if (!pieces_.empty()) pieces_[0].size = std::min(pieces_[0].size, size_);
    pieces_.resize(std::min<size_t>(pieces_.size(), 1));
  }
  if (offset) {
    // A copy of the rest is written in further attempts.
    while (done_ < size_) {
      size_t n = TRY(once(task, false, [&](vfs::IoVector& io) { return file.write_at(task, io, *offset + done_); }));
      done_ += n;
      if (n == 0) break;
    }
    return done_;
  }
  return waiting(task, file, false, [&](vfs::IoVector& io) { return file.write(task, io); });
}

}  // namespace cella::sandbox::syscall
