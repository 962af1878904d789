// UserIo: a guest's buffers for one call of the read and write family, with its waiting.
#pragma once

#include <sys/uio.h>

#include "sandbox/net/socket.h"
#include "sandbox/syscall/table.h"

namespace cella::sandbox::syscall {

inline constexpr uint64_t kMostIo = 0x7ffff000;  // MAX_RW_COUNT: bytes that one call moves at most

class UserIo {
 public:
  // The buffers of readv(2): EINVAL, EFAULT.
  static SysResult<UserIo> from_vector(task::Task& task, uint64_t address, uint64_t count);
  // One buffer: EFAULT for addresses that no program can have.
  static SysResult<UserIo> from_buffer(task::Task& task, uint64_t address, uint64_t size);

  uint64_t size() const { return size_; }
  // Reads into them, or writes from them; sleeps where the file would. `offset`: at a place instead.
  Outcome read(task::Task& task, vfs::File& file, std::optional<uint64_t> offset = {});
  Outcome write(task::Task& task, vfs::File& file, std::optional<uint64_t> offset = {});
  // What sendmsg(2) and recvmsg(2) do; `message.data` is set here.
  Outcome send(task::Task& task, net::Socket& socket, net::Outgoing& message);
  Outcome receive(task::Task& task, net::Socket& socket, net::Incoming& message);

 private:
  UserIo() = default;
  // EINVAL: it would end beyond what a file can be.
  SysResult<void> check(const vfs::File& file, std::optional<uint64_t> offset) const;
  Outcome move_in(task::Task& task, vfs::File& file, std::optional<uint64_t> offset);
  Outcome move_out(task::Task& task, vfs::File& file, std::optional<uint64_t> offset);
  template <typename Move>
  SysResult<size_t> once(task::Task& task, bool into_user, Move move);
  // The same for a message, which goes at once: EFAULT where a part of the buffers is missing.
  template <typename Move>
  SysResult<size_t> whole(task::Task& task, bool into_user, Move move);
  template <typename Move>
  Outcome waiting(task::Task& task, vfs::File& file, bool into_user, Move move);

  struct Piece {
    uint64_t address, size;
  };
  std::vector<Piece> pieces_;
  uint64_t size_ = 0;
  uint64_t done_ = 0;
};

}  // namespace cella::sandbox::syscall
