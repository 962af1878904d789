// ByteQueue: the bytes of a stream on their way, in pieces.
#pragma once

#include <deque>
#include <vector>

#include "sandbox/vfs/io.h"

namespace cella::sandbox::net {

class ByteQueue {
 public:
  size_t size() const { return size_; }
  bool is_empty() const { return size_ == 0; }
  void clear() {
    pieces_.clear();
    start_ = size_ = 0;
  }

  // Takes up to `most` bytes out of `io`.
  size_t append(vfs::IoVector& io, size_t most) {
    size_t done = 0;
    while (done < most && io.left() > 0) {
      if (pieces_.empty() || pieces_.back().size() == kPiece) {
        pieces_.emplace_back();
        pieces_.back().reserve(std::min({kPiece, most - done, io.left()}));
      }
      std::vector<char>& piece = pieces_.back();
      const size_t before = piece.size();
      piece.resize(before + std::min({kPiece - before, most - done, io.left()}));
      done += io.take(&piece[before], piece.size() - before);
    }
    size_ += done;
    return done;
  }
  // Copies as much as there is and fits into `io`, and leaves it here.
  size_t look(vfs::IoVector& io) const {
    size_t done = 0, skip = start_;
    for (const std::vector<char>& piece : pieces_) {
      if (io.left() == 0) break;
      done += io.put(piece.data() + skip, piece.size() - skip);
      skip = 0;
    }
    return done;
  }
  void drop(size_t count) {
    size_ -= count;
    while (count > 0) {
      const size_t n = std::min(count, pieces_.front().size() - start_);
      start_ += n;
      count -= n;
      if (start_ < pieces_.front().size()) break;
      pieces_.pop_front();
      start_ = 0;
    }
  }

 private:
  static constexpr size_t kPiece = 16384;
  std::deque<std::vector<char>> pieces_;
  size_t start_ = 0;  // in the first piece
  size_t size_ = 0;
};

}  // namespace cella::sandbox::net
