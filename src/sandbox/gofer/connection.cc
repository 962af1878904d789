#include "sandbox/gofer/connection.h"

#include <cerrno>

#include "sandbox/gofer/channel.h"

namespace cella::sandbox::gofer {

SysResult<Reader> Connection::call(std::string_view request, sys::FileDescriptor* descriptor) {
  if (!socket_ || !send(socket_.get(), request)) return broken();
  SysResult<size_t> size = receive(socket_.get(), buffer_, descriptor);
  if (!size || *size == 0) return broken();
  Reader answer({buffer_.data(), *size});
  uint64_t error = 0;
  if (!answer.get(error) || error > kMaxErrno) return broken();
  if (descriptor != nullptr && static_cast<bool>(*descriptor) != (error == 0)) return broken();
  if (error == 0) return answer;
  return answer.at_end() ? std::unexpected(Errno{static_cast<int>(error)}) : broken();
}

void Connection::tell(std::string_view request) {
  if (socket_ && !send(socket_.get(), request)) (void)broken();
}

std::unexpected<Errno> Connection::broken() {
  socket_.reset();
  return std::unexpected(Errno{EIO});
}

}  // namespace cella::sandbox::gofer
