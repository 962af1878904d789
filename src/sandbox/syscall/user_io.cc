#include "sandbox/syscall/user_io.h"

#include <cerrno>

#include "base/result.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::syscall {
namespace {

constexpr size_t kBounce = 64 * 1024;
constexpr uint64_t kMostMessage = 1 << 20;

uint32_t wanted_events(bool reading) {
  return (reading ? POLLIN | POLLRDNORM : POLLOUT | POLLWRNORM) | POLLHUP | POLLERR;
}

}  // namespace

SysResult<UserIo> UserIo::from_buffer(task::Task& task, uint64_t address, uint64_t size) {
  const uint64_t limit = task.memory().limit();
  if (size > limit || address > limit - size) return std::unexpected(Errno{EFAULT});
  UserIo io;
  io.size_ = std::min(size, kMostIo);
  io.pieces_ = {{address, io.size_}};
  return io;
}

SysResult<UserIo> UserIo::from_vector(task::Task& task, uint64_t address, uint64_t count) {
  if (count > IOV_MAX) return std::unexpected(Errno{EINVAL});
  std::vector<iovec> vectors(count);
  if (count > 0) TRY(task.memory().copy_in(address, vectors.data(), count * sizeof(iovec)));
  UserIo io;
  for (const iovec& vector : vectors) {
    if (static_cast<int64_t>(vector.iov_len) < 0) return std::unexpected(Errno{EINVAL});
    const uint64_t size = std::min<uint64_t>(vector.iov_len, kMostIo - io.size_);
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
SysResult<size_t> UserIo::whole(task::Task& task, bool into_user, Move move) {
  std::vector<iovec> all;
  bool copies = false;
  for (const Piece& piece : pieces_) {
    auto found = task.memory().segments(piece.address, piece.size, into_user);
    if (!found && found.error().value != EOPNOTSUPP) return std::unexpected(found.error());
    uint64_t length = 0;
    if (found) {
      for (const iovec& segment : *found) length += segment.iov_len;
      all.insert(all.end(), found->begin(), found->end());
    }
    copies = length < piece.size;
    if (copies) break;
  }
  if (!copies) {
    vfs::IoVector io(std::move(all));
    return move(io);
  }
  if (!into_user && size_ > kMostMessage) return std::unexpected(Errno{EMSGSIZE});
  std::vector<char> buffer(std::min(size_, kMostMessage));
  vfs::IoVector io(buffer.data(), buffer.size());
  if (into_user) {
    const size_t n = TRY(move(io));
    for (size_t piece = 0, at = 0; at < n; ++piece) {
      const size_t length = std::min<size_t>(pieces_[piece].size, n - at);
      TRY(task.memory().copy_out(pieces_[piece].address, &buffer[at], length));
      at += length;
    }
    return n;
  }
  size_t at = 0;
  for (const Piece& piece : pieces_) {
    TRY(task.memory().copy_in(piece.address, &buffer[at], piece.size));
    at += piece.size;
  }
  return move(io);
}

template <typename Move>
Outcome UserIo::waiting(task::Task& task, vfs::File& file, bool into_user, Move move) {
  const bool may_wait = !file.is_nonblocking() && file.queue() != nullptr;
  const bool is_socket = file.is_socket();
  const bool is_message = is_socket && static_cast<net::Socket&>(file).keeps_messages();
  // A read is content with what there is, if it is no terminal's; a write goes on until all is gone.
  const vfs::File::ReadTiming timing = into_user ? file.read_timing() : vfs::File::ReadTiming{size_};
  core::Nanoseconds deadline = core::add_time(core::now(), std::min(timing.first, file.patience(into_user)));
  for (;;) {
    SysResult<size_t> n = is_message ? whole(task, into_user, move) : once(task, into_user, move);
    if (n) {
      done_ += *n;
      if (done_ >= timing.least || done_ >= size_ || *n == 0 || !may_wait) return done_;
      if (timing.between != core::kNever) deadline = core::add_time(core::now(), timing.between);
      continue;
    }
    if (n.error().value != EAGAIN || !may_wait) return done_ > 0 ? Outcome(done_) : std::unexpected(n.error());
    SysResult<void> slept = is_socket ? net::Socket::wait(task, *file.queue(), wanted_events(into_user), deadline)
                                      : task.sleep_on(*file.queue(), wanted_events(into_user), deadline);
    if (!slept && slept.error().value == ETIMEDOUT) return done_;  // VTIME of a terminal
    if (!slept) return done_ > 0 ? Outcome(done_) : std::unexpected(slept.error());
  }
}

Outcome UserIo::send(task::Task& task, net::Socket& socket, net::Outgoing& message) {
  const bool may_wait = !(message.flags & MSG_DONTWAIT) && !socket.is_nonblocking();
  const core::Nanoseconds deadline = core::add_time(core::now(), socket.patience(false));
  auto move = [&](vfs::IoVector& io) {
    message.data = &io;
    return socket.send(task, message);
  };
  for (;;) {
    SysResult<size_t> n = socket.keeps_messages() ? whole(task, false, move) : once(task, false, move);
    if (n) {
      done_ += *n;
      if (done_ >= size_ || *n == 0 || !may_wait) return done_;
      continue;
    }
    SysResult<void> slept;
    if (n.error().value != EAGAIN || !may_wait) {
      slept = std::unexpected(n.error());
    } else {
      slept = net::Socket::wait(task, *socket.queue(), wanted_events(false), deadline);
    }
    if (slept) continue;
    if (done_ > 0) return done_;
    if (slept.error().value == EPIPE && socket.type == SOCK_STREAM && !(message.flags & MSG_NOSIGNAL)) {
      task.send_signal_to_self(SIGPIPE);
    }
    return std::unexpected(slept.error());
  }
}

Outcome UserIo::receive(task::Task& task, net::Socket& socket, net::Incoming& message) {
  const bool may_wait = !(message.flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) && !socket.is_nonblocking();
  if (!may_wait) message.flags |= MSG_DONTWAIT;
  const bool all = (message.flags & MSG_WAITALL) && !(message.flags & MSG_PEEK) && !socket.keeps_messages();
  const core::Nanoseconds deadline = core::add_time(core::now(), socket.patience(true));
  auto move = [&](vfs::IoVector& io) {
    message.data = &io;
    return socket.receive(task, message);
  };
  for (;;) {
    SysResult<size_t> n = socket.keeps_messages() ? whole(task, true, move) : once(task, true, move);
    if (n) {
      done_ += *n;
      if (!all || done_ >= size_ || *n == 0 || !message.rights.empty()) return done_;
      continue;
    }
    SysResult<void> slept;
    if (n.error().value != EAGAIN || !may_wait) {
      slept = std::unexpected(n.error());
    } else {
      slept = net::Socket::wait(task, *socket.queue(), wanted_events(true), deadline);
    }
    if (!slept) return done_ > 0 ? Outcome(done_) : std::unexpected(slept.error());
  }
}

SysResult<void> UserIo::check(const vfs::File& file, std::optional<uint64_t> offset) const {
  const uint64_t start = offset.value_or(file.position());
  if (start > INT64_MAX - size_) return std::unexpected(Errno{EINVAL});
  return {};
}

Outcome UserIo::read(task::Task& task, vfs::File& file, std::optional<uint64_t> offset) {
  TRY(check(file, offset));
  Outcome done = move_in(task, file, offset);
  if (done && *done > 0) vfs::tell(file.path, IN_ACCESS);
  return done;
}

Outcome UserIo::write(task::Task& task, vfs::File& file, std::optional<uint64_t> offset) {
  // Then nothing is written anywhere else, pwrite(2) "BUGS".
  if (offset && (file.flags & O_APPEND) && file.path.inode().has_type(S_IFREG)) {
    const vfs::Attributes now = TRY(file.attributes());
    offset = static_cast<uint64_t>(now.st_size);
  }
  TRY(check(file, offset));
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
