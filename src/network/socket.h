// Socket: a conversation with rtnetlink(7) in one network namespace. Synchronous: the kernel answers while the request
// is being sent, so nothing here waits for anybody.
#pragma once

#include <functional>
#include <vector>

#include <cella/error.h>

#include "network/link.h"
#include "network/message.h"
#include "sys/fd.h"

namespace cella::network {

class Socket {
 public:
  // In the namespace of the descriptor `netns`, or in the calling thread's own (-1).
  static Result<Socket> open(int netns = -1);

  // Sends a request with NLM_F_ACK and waits for the acknowledgement. The error has the kernel's words, if it has some.
  Result<void> change(const Request& request);
  Result<std::vector<Link>> links();
  // Of the device with this index.
  Result<std::vector<Address>> addresses(int index);

 private:
  // Sends a request with NLM_F_DUMP; `take` gets each message of the answer. EINTR: what is listed changed meanwhile.
  Result<void> dump(const Request& request, const std::function<void(const Message&)>& take);
  SysResult<uint32_t> send(const Request& request);
  SysResult<std::string_view> receive();

  sys::FileDescriptor fd_;
  std::vector<char> buffer_;
  uint32_t sequence_ = 0;
};

}  // namespace cella::network
