// IoVector: the memory that a read fills or a write takes, in pieces: of the guest's memory as the kernel sees it, or
// of the kernel's own. Valid while the kernel lock is held.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace cella::sandbox::vfs {

class IoVector {
 public:
  IoVector() = default;
  explicit IoVector(std::vector<iovec> pieces) : pieces_(std::move(pieces)) {
    for (const iovec& piece : pieces_) left_ += piece.iov_len;
  }
  IoVector(void* data, size_t size) : IoVector(std::vector<iovec>{{data, size}}) {}

  size_t left() const { return left_; }
  // Copies up to `size` bytes into the next pieces, or out of them, and moves on; how many.
  size_t put(const void* from, size_t size) {
    return move(size,
                [&](void* piece, size_t at, size_t n) { std::memcpy(piece, static_cast<const char*>(from) + at, n); });
  }
  size_t take(void* to, size_t size) {
    return move(size, [&](void* piece, size_t at, size_t n) { std::memcpy(static_cast<char*>(to) + at, piece, n); });
  }
  size_t put_zeroes(size_t size) {
    return move(size, [](void* piece, size_t, size_t n) { std::memset(piece, 0, n); });
  }
  size_t skip(size_t size) {
    return move(size, [](void*, size_t, size_t) {});
  }
  // The pieces that are left, for readv(2) and writev(2).
  std::vector<iovec> rest() const {
    std::vector<iovec> list(pieces_.begin() + static_cast<std::ptrdiff_t>(index_), pieces_.end());
    if (!list.empty()) {
      list[0].iov_base = static_cast<char*>(list[0].iov_base) + at_;
      list[0].iov_len -= at_;
    }
    return list;
  }

 private:
  template <typename Visit>
  size_t move(size_t size, Visit visit) {
    size_t done = 0;
    while (done < size && index_ < pieces_.size()) {
      const iovec& piece = pieces_[index_];
      size_t n = std::min(size - done, piece.iov_len - at_);
      if (n > 0) visit(static_cast<char*>(piece.iov_base) + at_, done, n);
      done += n;
      at_ += n;
      if (at_ == piece.iov_len) {
        ++index_;
        at_ = 0;
      }
    }
    left_ -= done;
    return done;
  }

  std::vector<iovec> pieces_;
  size_t index_ = 0, at_ = 0, left_ = 0;
};

}  // namespace cella::sandbox::vfs
