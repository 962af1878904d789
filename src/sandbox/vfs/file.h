// File: an open file description, open(2): what descriptors of guest tasks refer to. Interfaces and what all have in
// common; filesystems derive from it. FdTable: the descriptors of a process.
#pragma once

#include <fcntl.h>
#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sandbox/core/wait_queue.h"
#include "sandbox/vfs/caller.h"
#include "sandbox/vfs/dentry.h"
#include "sandbox/vfs/io.h"

namespace cella::sandbox::vfs {

class File : public std::enable_shared_from_this<File> {
 public:
  File(Path file_path, int open_flags) : path(std::move(file_path)), flags(open_flags) {}
  virtual ~File();  // lets go of the locks that it holds
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  Path path;  // where it was opened; a Dentry without parent for pipes, sockets and the like
  int flags;  // O_ACCMODE and status flags, fcntl(2) F_GETFL
  // Who is told of readiness with O_ASYNC: fcntl(2) F_SETOWN_EX. 0: nobody; F_SETSIG's signal, 0: SIGIO.
  struct Owner {
    int id = 0;
    enum class Kind { kThread, kProcess, kGroup } kind = Kind::kProcess;
    uint32_t uid = 0, euid = 0;  // of who has said so
    int signal = 0;
  } owner;
  std::unique_ptr<core::Waiter> notice;  // with O_ASYNC, what tells the owner

  // open(2) has made it, and its end is to be told of: watch.h.
  void announce();

  bool may_read() const { return (flags & O_ACCMODE) != O_WRONLY && !(flags & O_PATH); }
  bool may_write() const { return (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH); }
  bool is_nonblocking() const { return flags & O_NONBLOCK; }

  // --- data. `read` and `write` never sleep: EAGAIN when nothing can be moved now; whoever may wait does so with
  // ready() and queue(). At end of file: 0.
  virtual SysResult<size_t> read(Caller&, IoVector&) { return std::unexpected(Errno{EINVAL}); }
  virtual SysResult<size_t> write(Caller&, IoVector&) { return std::unexpected(Errno{EINVAL}); }
  // At a place; ESPIPE where there are no places.
  virtual SysResult<size_t> read_at(Caller&, IoVector&, uint64_t) { return std::unexpected(Errno{ESPIPE}); }
  virtual SysResult<size_t> write_at(Caller&, IoVector&, uint64_t) { return std::unexpected(Errno{ESPIPE}); }
  virtual SysResult<uint64_t> seek(Caller&, int64_t /*offset*/, int /*whence*/) {
    return std::unexpected(Errno{ESPIPE});
  }
  virtual SysResult<void> sync() { return std::unexpected(Errno{EINVAL}); }
  virtual SysResult<void> allocate(Caller&, int /*mode*/, uint64_t /*offset*/, uint64_t /*size*/) {
    return std::unexpected(Errno{ENODEV});
  }

  // How a read that may wait does so, VMIN and VTIME of termios(3): until it has `least` bytes, or until that time has
  // passed before the first, or between two.
  struct ReadTiming {
    size_t least = 1;
    core::Nanoseconds first = core::kNever, between = core::kNever;
  };
  virtual ReadTiming read_timing() const { return {}; }

  // --- readiness, poll(2)
  virtual uint32_t ready(Caller&) { return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM; }
  // Notified when ready() may have changed; null: it never does.
  virtual core::WaitQueue* queue() { return nullptr; }

  // --- directories: calls `entry` until it returns false or there are no more. `cookie` says where to go on.
  struct Entry {
    std::string_view name;
    uint64_t inode;
    uint8_t type;     // DT_*
    uint64_t cookie;  // of what follows
  };
  virtual SysResult<void> read_directory(Caller&, uint64_t /*cookie*/, const std::function<bool(const Entry&)>&) {
    return std::unexpected(Errno{ENOTDIR});
  }

  virtual SysResult<uint64_t> ioctl(Caller&, uint32_t /*request*/, uint64_t /*argument*/) {
    return std::unexpected(Errno{ENOTTY});
  }
  virtual SysResult<std::shared_ptr<mm::Mappable>> mappable(bool /*shared*/, bool /*writable*/) {
    return std::unexpected(Errno{ENODEV});
  }
  // fstat(2); of the inode, when nothing else is said.
  virtual SysResult<Attributes> attributes() { return path.inode().attributes(); }
  // Pipes, and what streams share with them: fcntl(2) F_GETPIPE_SZ and F_SETPIPE_SZ: what it holds at most; EBADF: it
  // is none. And what can be read now, left where it is, for splice(2) and tee(2).
  virtual SysResult<uint64_t> pipe_size() { return std::unexpected(Errno{EBADF}); }
  virtual SysResult<uint64_t> set_pipe_size(Caller&, uint64_t) { return std::unexpected(Errno{EBADF}); }
  virtual SysResult<size_t> peek(Caller&, IoVector&) { return std::unexpected(Errno{EINVAL}); }
  // F_GET_SEALS and F_ADD_SEALS; EINVAL: it cannot be sealed.
  virtual SysResult<uint32_t> seals() { return std::unexpected(Errno{EINVAL}); }
  virtual SysResult<void> add_seals(uint32_t) { return std::unexpected(Errno{EINVAL}); }
  // Is it a net::Socket?
  virtual bool is_socket() const { return false; }
  // How long a read or a write that has to wait does so: SO_RCVTIMEO and SO_SNDTIMEO of socket(7).
  virtual core::Nanoseconds patience(bool /*reading*/) const { return core::kNever; }
  // Called when a descriptor of it is closed, which may not be the last: see close_descriptor() in locks.h.
  virtual void on_close(Caller&) {}
  // What /proc/PID/fdinfo shows besides position and flags.
  virtual uint64_t position() const { return 0; }

 private:
  bool announced_ = false;
};

// A file with a position, whose data is at places.
class SeekableFile : public File {
 public:
  using File::File;
  SysResult<size_t> read(Caller& caller, IoVector& io) override;
  SysResult<size_t> write(Caller& caller, IoVector& io) override;
  SysResult<uint64_t> seek(Caller& caller, int64_t offset, int whence) override;
  uint64_t position() const override { return position_; }

 protected:
  // Where the end is: for SEEK_END and O_APPEND.
  virtual SysResult<uint64_t> size() = 0;
  uint64_t position_ = 0;
};

// A directory with a position.
class DirectoryFile : public File {
 public:
  using File::File;
  SysResult<size_t> read(Caller&, IoVector&) override { return std::unexpected(Errno{EISDIR}); }
  SysResult<size_t> read_at(Caller&, IoVector&, uint64_t) override { return std::unexpected(Errno{EISDIR}); }
  SysResult<void> sync() override { return {}; }
  SysResult<uint64_t> seek(Caller& caller, int64_t offset, int whence) override;
  uint64_t position() const override { return position_; }
  // getdents64(2) goes on from here.
  uint64_t position_ = 0;
};

class FdTable {
 public:
  struct Slot {
    FilePtr file;
    bool close_on_exec = false;
  };

  // EBADF.
  SysResult<FilePtr> get(int fd) const;
  // Not for O_PATH descriptors.
  SysResult<FilePtr> get_for_io(int fd) const;
  // The lowest free number from `lowest` on; EMFILE at `limit`.
  SysResult<int> find_free(uint64_t limit, int lowest = 0) const;
  SysResult<int> add(FilePtr file, bool close_on_exec, uint64_t limit, int lowest = 0);
  // At `fd`, whatever was there; gives that back.
  SysResult<FilePtr> put(int fd, FilePtr file, bool close_on_exec, uint64_t limit);
  SysResult<FilePtr> remove(int fd);
  Slot* slot(int fd);
  std::vector<FilePtr> remove_range(unsigned first, unsigned last);
  std::vector<FilePtr> remove_close_on_exec();
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  std::vector<Slot> slots_;
};

}  // namespace cella::sandbox::vfs
