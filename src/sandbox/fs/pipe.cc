#include "sandbox/fs/pipe.h"

#include <sys/ioctl.h>

#include <bit>
#include <deque>

#include "base/result.h"
#include "sandbox/fs/filesystem.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::IoVector;

constexpr size_t kDefaultCapacity = 65536, kMostCapacity = 1 << 20;
constexpr size_t kAtomic = PIPE_BUF;

// The bytes on the way: a ring.
struct Pipe {
  std::vector<char> ring = std::vector<char>(0);
  size_t capacity = kDefaultCapacity;
  size_t start = 0, used = 0;
  int readers = 0, writers = 0;
  uint64_t readers_seen = 0, writers_seen = 0;  // ever opened: for fifos that wait for each other
  core::WaitQueue queue;

  size_t room() const { return capacity - used; }
  size_t put(IoVector& io, size_t size) {
    if (ring.size() != capacity) resize(capacity);
    size_t done = 0;
    while (done < size) {
      const size_t at = (start + used) % capacity;
      const size_t n = io.take(&ring[at], std::min(size - done, std::min(capacity - at, room())));
      if (n == 0) break;
      used += n;
      done += n;
    }
    return done;
  }
  size_t look(IoVector& io) const {
    size_t done = 0;
    while (done < used && io.left() > 0) {
      const size_t at = (start + done) % capacity;
      done += io.put(&ring[at], std::min(used - done, capacity - at));
    }
    return done;
  }
  size_t take(IoVector& io) {
    const size_t done = look(io);
    used -= done;
    start = used == 0 ? 0 : (start + done) % capacity;
    return done;
  }
  void resize(size_t size) {
    std::vector<char> bigger(size);
    for (size_t i = 0; i < used; ++i) bigger[i] = ring[(start + i) % ring.size()];
    ring = std::move(bigger);
    start = 0;
    capacity = size;
  }
};

class PipeFile final : public vfs::File {
 public:
  PipeFile(vfs::Path where, int open_flags, std::shared_ptr<Pipe> pipe)
      : File(std::move(where), open_flags), pipe_(std::move(pipe)) {
    if (may_read()) ++pipe_->readers, ++pipe_->readers_seen;
    if (may_write()) ++pipe_->writers, ++pipe_->writers_seen;
    pipe_->queue.notify(POLLIN | POLLOUT);
  }
  ~PipeFile() override {
    if (may_read()) --pipe_->readers;
    if (may_write()) --pipe_->writers;
    pipe_->queue.notify(POLLIN | POLLOUT | POLLHUP | POLLERR);
  }

  SysResult<size_t> read(Caller&, IoVector& io) override {
    if (io.left() == 0) return 0;
    const size_t done = pipe_->take(io);
    if (done > 0) {
      pipe_->queue.notify(POLLOUT | POLLWRNORM);
      return done;
    }
    return pipe_->writers == 0 ? SysResult<size_t>(0) : std::unexpected(Errno{EAGAIN});
  }
  SysResult<size_t> write(Caller& caller, IoVector& io) override {
    if (io.left() == 0) return 0;
    if (pipe_->readers == 0) {
      caller.send_signal_to_self(SIGPIPE);
      return std::unexpected(Errno{EPIPE});
    }
    // Up to PIPE_BUF bytes go all at once or not at all.
    if (pipe_->room() == 0 || (io.left() <= kAtomic && pipe_->room() < io.left())) {
      return std::unexpected(Errno{EAGAIN});
    }
    const size_t done = pipe_->put(io, std::min(io.left(), pipe_->room()));
    pipe_->queue.notify(POLLIN | POLLRDNORM);
    return done;
  }
  uint32_t ready(Caller&) override {
    uint32_t events = 0;
    if (may_read()) {
      if (pipe_->used > 0) events |= POLLIN | POLLRDNORM;
      if (pipe_->writers == 0 && pipe_->writers_seen > 0) events |= POLLHUP;
    }
    if (may_write()) {
      if (pipe_->room() >= kAtomic) events |= POLLOUT | POLLWRNORM;
      if (pipe_->readers == 0) events |= POLLERR;
    }
    return events;
  }
  core::WaitQueue* queue() override { return &pipe_->queue; }
  SysResult<uint64_t> ioctl(Caller& caller, uint32_t request, uint64_t argument) override {
    if (request != FIONREAD) return std::unexpected(Errno{ENOTTY});
    TRY(caller.memory().write<int>(argument, static_cast<int>(pipe_->used)));
    return 0;
  }

  SysResult<uint64_t> pipe_size() override { return pipe_->capacity; }
  // Whole pages, a power of two of them. Nobody gets more than is allowed to all, /proc/sys/fs/pipe-max-size.
  SysResult<uint64_t> set_pipe_size(Caller&, uint64_t size) override {
    if (size > INT32_MAX) return std::unexpected(Errno{EINVAL});
    const size_t wanted = std::bit_ceil(std::max<size_t>(size, mm::kPageSize));
    if (wanted > kMostCapacity) return std::unexpected(Errno{EPERM});
    if (wanted < pipe_->used) return std::unexpected(Errno{EBUSY});
    pipe_->resize(wanted);
    pipe_->queue.notify(POLLOUT | POLLWRNORM);
    return wanted;
  }
  SysResult<size_t> peek(Caller& caller, IoVector& io) override {
    if (pipe_->used == 0) return read(caller, io);  // the end, or EAGAIN
    return pipe_->look(io);
  }

 private:
  std::shared_ptr<Pipe> pipe_;
};

class PipeInode final : public MemoryInode {
 public:
  using MemoryInode::MemoryInode;
  std::shared_ptr<Pipe> pipe = std::make_shared<Pipe>();
  // By way of /proc/PID/fd: unlike a fifo it waits for nobody, fifo_open() in Linux' fs/pipe.c.
  SysResult<vfs::FilePtr> open(Caller&, const vfs::Path& path, int flags) override {
    return std::make_shared<PipeFile>(path, flags, pipe);
  }
};

// The pipe of a fifo's inode, made when it is first opened. The inode keeps it for as long as it is kept itself.
std::shared_ptr<Pipe> pipe_of(vfs::Inode& inode) {
  if (inode.fifo == nullptr) inode.fifo = std::make_shared<Pipe>();
  return std::static_pointer_cast<Pipe>(inode.fifo);
}

}  // namespace

PipeEnds make_pipe(int flags) {
  static const uint64_t kDevice = new_device_number();
  auto inode = std::make_shared<PipeInode>(kDevice, S_IFIFO | 0600, 0, 0);
  vfs::Path path = anonymous_path(inode, fmt::format("pipe:[{}]", inode->attributes()->st_ino));
  return {std::make_shared<PipeFile>(path, O_RDONLY | flags, inode->pipe),
          std::make_shared<PipeFile>(path, O_WRONLY | flags, inode->pipe)};
}

SysResult<vfs::FilePtr> open_fifo(Caller& caller, vfs::Inode& inode, const vfs::Path& path, int flags) {
  std::shared_ptr<Pipe> pipe = pipe_of(inode);
  const int mode = flags & O_ACCMODE;
  if (mode == O_WRONLY && (flags & O_NONBLOCK) && pipe->readers == 0) return std::unexpected(Errno{ENXIO});
  auto file = std::make_shared<PipeFile>(path, flags, pipe);
  if (mode == O_RDWR || (flags & O_NONBLOCK)) return file;
  const bool reads = mode == O_RDONLY;
  const uint64_t seen = reads ? pipe->writers_seen : pipe->readers_seen;
  while ((reads ? pipe->writers : pipe->readers) == 0 && (reads ? pipe->writers_seen : pipe->readers_seen) == seen) {
    TRY(caller.sleep_on(pipe->queue, ~0u));
  }
  return file;
}

}  // namespace cella::sandbox::fs
