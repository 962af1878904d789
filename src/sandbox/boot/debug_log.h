// DebugLog: lines for whoever looks for what a guest did. Never waits: what a pipe or terminal has no room for is lost,
// and the next line that fits says how much.
#pragma once

#include <string_view>

#include "sys/fd.h"

namespace cella::sandbox::boot {

class DebugLog {
 public:
  explicit DebugLog(sys::FileDescriptor fd) : fd_(std::move(fd)) {}
  // With an end of line; not more than kLongest bytes of it.
  void write(std::string_view line);

 private:
  static constexpr size_t kLongest = 4095;  // a pipe takes PIPE_BUF bytes whole
  bool write_whole(std::string_view text);

  sys::FileDescriptor fd_;
  unsigned long lost_ = 0;
};

}  // namespace cella::sandbox::boot
