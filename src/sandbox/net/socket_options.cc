// Options of level SOL_SOCKET, socket(7).
#include <linux/capability.h>

#include "base/result.h"
#include "sandbox/net/socket.h"

namespace cella::sandbox::net {
namespace {

// Options that are a number, and what may be done with them.
enum class Kind {
  kFlag,     // 0 or 1
  kNumber,   // as it is
  kGuarded,  // a number for which CAP_NET_ADMIN is needed
};
struct IntegerOption {
  int name;
  int SocketOptions::* value;
  Kind kind;
};
constexpr IntegerOption kIntegers[] = {
    {SO_REUSEADDR, &SocketOptions::reuse_address, Kind::kFlag},
    {SO_REUSEPORT, &SocketOptions::reuse_port, Kind::kFlag},
    {SO_KEEPALIVE, &SocketOptions::keep_alive, Kind::kFlag},
    {SO_BROADCAST, &SocketOptions::broadcast, Kind::kFlag},
    {SO_DONTROUTE, &SocketOptions::dont_route, Kind::kFlag},
    {SO_OOBINLINE, &SocketOptions::out_of_band_inline, Kind::kFlag},
    {SO_NO_CHECK, &SocketOptions::no_check, Kind::kFlag},
    {SO_RXQ_OVFL, &SocketOptions::overflow_count, Kind::kFlag},
    {SO_SELECT_ERR_QUEUE, &SocketOptions::select_error_queue, Kind::kFlag},
    {SO_INCOMING_CPU, &SocketOptions::incoming_cpu, Kind::kNumber},
    {SO_DEBUG, &SocketOptions::debug, Kind::kGuarded},
    {SO_MARK, &SocketOptions::mark, Kind::kGuarded},
};
const IntegerOption* integer_option(int name) {
  for (const IntegerOption& entry : kIntegers)
    if (entry.name == name) return &entry;
  return nullptr;
}

// net.core.wmem_max and rmem_max; the kernel doubles what is asked for, for its own overhead.
constexpr int kMostBuffer = 212992, kLeastSendBuffer = 4608, kLeastReceiveBuffer = 2304;

int buffer_size(int asked, int least, bool forced) {
  const int limit = forced ? INT32_MAX / 2 : kMostBuffer;
  return std::max(std::min(asked < 0 && forced ? 0 : asked < 0 ? limit : asked, limit) * 2, least);
}

SysResult<core::Nanoseconds> timeout_from(std::string_view bytes) {
  const auto t = TRY(option_value<timeval>(bytes));
  if (t.tv_usec < 0 || t.tv_usec >= 1'000'000) return fail(EDOM);
  if (t.tv_sec < 0) return 0;
  if (t.tv_sec == 0 && t.tv_usec == 0) return core::kNever;
  return core::from_timespec({t.tv_sec, t.tv_usec * 1000});
}
std::string timeout_bytes(core::Nanoseconds timeout) {
  timeval t = {};
  if (timeout != core::kNever) t = {timeout / core::kSecond, timeout % core::kSecond / 1000};
  return option_bytes(t);
}

}  // namespace

SysResult<std::string> Socket::option(Caller& caller, int level, int name, std::string_view given) {
  return level == SOL_SOCKET ? socket_option(caller, name) : level_option(caller, level, name, given);
}

SysResult<void> Socket::set_option(Caller& caller, int level, int name, std::string_view value) {
  return level == SOL_SOCKET ? set_socket_option(caller, name, value) : set_level_option(caller, level, name, value);
}

SysResult<std::string> Socket::socket_option(Caller&, int name) {
  if (const IntegerOption* entry = integer_option(name)) return option_bytes(options.*entry->value);
  switch (name) {
    case SO_TYPE:
      return option_bytes(shown_type());
    case SO_DOMAIN:
      return option_bytes(domain);
    case SO_PROTOCOL:
      return option_bytes(protocol);
    case SO_ERROR:
      return option_bytes(take_error());
    case SO_ACCEPTCONN:
      return option_bytes<int>(is_listening());
    case SO_SNDBUF:
      return option_bytes(options.send_buffer);
    case SO_RCVBUF:
      return option_bytes(options.receive_buffer);
    case SO_PRIORITY:
      return option_bytes(options.priority);
    case SO_LINGER:
      return option_bytes(options.linger);
    case SO_RCVLOWAT:
      return option_bytes(options.receive_low_water);
    case SO_SNDLOWAT:
      return option_bytes(1);
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
      return timeout_bytes(options.receive_timeout);
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
      return timeout_bytes(options.send_timeout);
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW:
      return option_bytes<int>(options.timestamp == name);
    case SO_PASSCRED:
      if (!may_pass_credentials()) return fail(EOPNOTSUPP);
      return option_bytes(options.pass_credentials);
    case SO_PEERCRED:
      return option_bytes(peer_credentials());
    case SO_BINDTODEVICE:
      return options.device.empty() ? std::string() : options.device + '\0';
    case SO_COOKIE:
      return option_bytes<uint64_t>(path.inode().attributes()->st_ino);
    case SO_BSDCOMPAT:
      return option_bytes(0);
    case SO_ZEROCOPY:
      return option_bytes(options.zero_copy);
    case SO_BUSY_POLL:
      return option_bytes(options.busy_poll);
    default:
      return fail(ENOPROTOOPT);
  }
}

SysResult<void> Socket::set_socket_option(Caller& caller, int name, std::string_view value) {
  const vfs::Credentials& who = caller.credentials();
  if (name == SO_BINDTODEVICE) {
    std::string device(value.substr(0, std::min<size_t>(value.find('\0'), 15)));
    if (!options.device.empty() && !who.has(CAP_NET_RAW)) return fail(EPERM);
    options.device = std::move(device);
    return options_changed(name);
  }
  const int number = TRY(option_value<int>(value));
  if (const IntegerOption* entry = integer_option(name)) {
    const int wanted = entry->kind == Kind::kFlag ? number != 0 : number;
    if (entry->kind == Kind::kGuarded && number != 0 && !who.has(CAP_NET_ADMIN)) {
      return fail(name == SO_DEBUG ? EACCES : EPERM);
    }
    options.*entry->value = wanted;
    return options_changed(name);
  }
  switch (name) {
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
      if (!who.has(CAP_NET_ADMIN)) return fail(EPERM);
      [[fallthrough]];
    case SO_SNDBUF:
    case SO_RCVBUF: {
      const bool forced = name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE;
      const bool sends = name == SO_SNDBUF || name == SO_SNDBUFFORCE;
      (sends ? options.send_buffer : options.receive_buffer) =
          buffer_size(number, sends ? kLeastSendBuffer : kLeastReceiveBuffer, forced);
      TRY(options_changed(sends ? SO_SNDBUF : SO_RCVBUF));
      queue_.notify(POLLOUT | POLLWRNORM);
      return {};
    }
    case SO_PRIORITY: {
      constexpr int kUnprivileged = 6;
      if ((number < 0 || number > kUnprivileged) && !who.has(CAP_NET_ADMIN)) return fail(EPERM);
      options.priority = number;
      return options_changed(name);
    }
    case SO_LINGER:
      options.linger = TRY(option_value<struct linger>(value));
      options.linger.l_onoff = options.linger.l_onoff != 0;
      return options_changed(name);
    case SO_RCVLOWAT:
      options.receive_low_water = number < 0 ? INT32_MAX : std::max(number, 1);
      return options_changed(name);
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
      options.receive_timeout = TRY(timeout_from(value));
      return {};
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
      options.send_timeout = TRY(timeout_from(value));
      return {};
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW:
      options.timestamp = number != 0 ? name : 0;
      return options_changed(name);
    case SO_PASSCRED:
      if (!may_pass_credentials()) return fail(EOPNOTSUPP);
      options.pass_credentials = number != 0;
      return {};
    case SO_BSDCOMPAT:
      return {};
    case SO_BUSY_POLL:
      if (number < 0) return fail(EINVAL);
      if (number > options.busy_poll && !who.has(CAP_NET_ADMIN)) return fail(EPERM);
      options.busy_poll = number;
      return {};
    default:
      // What cannot be set, and what is not here: SO_TYPE, SO_ERROR, SO_SNDLOWAT, filters, zero copies.
      return fail(ENOPROTOOPT);
  }
}

}  // namespace cella::sandbox::net
