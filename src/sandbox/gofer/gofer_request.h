// GoferRequest: what a gofer is told: JSON in a memory file, written by whoever starts it, read by the new process.
// Descriptors are numbers of the new process, and become its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

namespace cella::sandbox::gofer {

struct GoferRoot {
  std::string path;  // in its jail
  bool read_only = false;
};
struct GoferRequest {
  std::vector<GoferRoot> roots;  // the trees of its jail, in their order, which is that of make_gofer_backend's indices
  int socket = -1;               // one end of sys::packet_pair(); the other is the kernel's
  int report = -1;  // gets a plan::InitMessage when the gofer cannot begin, and is closed when it has begun
  bool disable_seccomp = false;  // for debugging
};

std::string to_json(const GoferRequest& request);
// kConfigInvalid with findings.
Result<GoferRequest> parse_gofer_request(std::string_view json_text);

}  // namespace cella::sandbox::gofer
