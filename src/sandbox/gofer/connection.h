// Connection: round trips to the gofer over one socket. Private to the client.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sandbox/gofer/protocol.h"
#include "sys/fd.h"

namespace cella::sandbox::gofer {

class Connection {
 public:
  explicit Connection(sys::FileDescriptor socket) : socket_(std::move(socket)), buffer_(kMaxMessage) {}

  // Asks and waits: what a good answer has after its errno, until the next call. `descriptor`: the one that a good
  // answer has with it; null: it has none. EIO: broken.
  SysResult<Reader> call(std::string_view request, sys::FileDescriptor* descriptor = nullptr);
  // For requests without an answer.
  void tell(std::string_view request);
  // An answer was not what it should be: nothing more is asked.
  std::unexpected<Errno> broken();

 private:
  sys::FileDescriptor socket_;
  std::vector<char> buffer_;
};

}  // namespace cella::sandbox::gofer
