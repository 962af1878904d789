#include "network/socket.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/result.h"
#include "sys/socket.h"

namespace cella::network {
namespace {

// Linux makes datagrams of 32 KiB at most for whoever reads that much.
constexpr size_t kBuffer = 64 << 10;
constexpr int kAttempts = 16;

}  // namespace

Result<Socket> Socket::open(int netns) {
  Socket socket;
  socket.fd_ = TRY(sys::route_socket(netns), "opening a netlink socket");
  socket.buffer_.resize(kBuffer);
  return socket;
}

SysResult<uint32_t> Socket::send(const Request& request) {
  std::string bytes = request.bytes(++sequence_);
  ssize_t n;
  do n = ::send(fd_.get(), bytes.data(), bytes.size(), 0);
  while (n < 0 && errno == EINTR);
  if (n < 0) return std::unexpected(Errno{errno});
  return sequence_;
}

SysResult<std::string_view> Socket::receive() {
  ssize_t n;
  do n = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return std::unexpected(Errno{errno});
  if (static_cast<size_t>(n) > buffer_.size()) return std::unexpected(Errno{EMSGSIZE});
  return std::string_view(buffer_.data(), static_cast<size_t>(n));
}

Result<void> Socket::change(const Request& request) {
  const uint32_t sequence = TRY(send(request));
  for (;;) {
    std::string_view datagram = TRY(receive());
    while (std::optional<Message> message = next_message(datagram)) {
      if (message->sequence != sequence || message->type != NLMSG_ERROR) continue;
      std::optional<Error> error = error_of(*message);
      if (error) return std::unexpected(std::move(*error));
      return {};
    }
  }
}

Result<void> Socket::dump(const Request& request, const std::function<void(const Message&)>& take) {
  const uint32_t sequence = TRY(send(request));
  bool interrupted = false;
  for (;;) {
    std::string_view datagram = TRY(receive());
    while (std::optional<Message> message = next_message(datagram)) {
      if (message->sequence != sequence) continue;
      interrupted |= (message->flags & NLM_F_DUMP_INTR) != 0;
      if (message->type == NLMSG_DONE) {
        if (interrupted) return std::unexpected(Error(Errno{EINTR}));
        return {};
      }
      if (message->type == NLMSG_ERROR) {
        std::optional<Error> error = error_of(*message);
        return std::unexpected(error ? std::move(*error) : Error(Errno{EBADMSG}));
      }
      take(*message);
    }
  }
}

Result<std::vector<Link>> Socket::links() {
  for (int attempt = 1;; ++attempt) {
    std::vector<Link> links;
    Result<void> done = dump(list_links(), [&](const Message& message) {
      if (std::optional<Link> link = parse_link(message)) links.push_back(std::move(*link));
    });
    if (done) return links;
    if (done.error().errno_value != EINTR || attempt == kAttempts) {
      return std::unexpected(std::move(done).error().with("listing network devices"));
    }
  }
}

Result<std::vector<Address>> Socket::addresses(int index) {
  for (int attempt = 1;; ++attempt) {
    std::vector<Address> addresses;
    Result<void> done = dump(list_addresses(), [&](const Message& message) {
      int owner = 0;
      std::optional<Address> address = parse_address(message, owner);
      if (address && owner == index) addresses.push_back(std::move(*address));
    });
    if (done) return addresses;
    if (done.error().errno_value != EINTR || attempt == kAttempts) {
      return std::unexpected(std::move(done).error().with("listing addresses"));
    }
  }
}

}  // namespace cella::network
