#include "sandbox/boot/debug_log.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

namespace cella::sandbox::boot {

bool DebugLog::write_whole(std::string_view text) {
  pollfd ready = {fd_.get(), POLLOUT, 0};
  if (::poll(&ready, 1, 0) <= 0 || (ready.revents & POLLOUT) == 0) return false;
  return ::write(fd_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

void DebugLog::write(std::string_view line) {
  if (lost_ > 0 && write_whole(fmt::format("({} lines are lost)\n", lost_))) lost_ = 0;
  std::string text(line.substr(0, kLongest));
  text += '\n';
  if (lost_ > 0 || !write_whole(text)) ++lost_;
}

}  // namespace cella::sandbox::boot
