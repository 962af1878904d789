#include "sandbox/boot/control.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace cella::sandbox {

using json::Field;
using json::field;
using json::Type;

static std::span<const Field<MemoryEntry>> fields_of(Type<MemoryEntry>) {
  static constexpr Field<MemoryEntry> kFields[] = {
      field<&MemoryEntry::limit>("limit").always(),
      field<&MemoryEntry::usage>("usage").always(),
  };
  return kFields;
}
std::span<const Field<Stats>> fields_of(Type<Stats>) {
  static constexpr Field<Stats> kFields[] = {
      field<&Stats::memory>("memory").always(),
      field<&Stats::processes>("processes").always(),
      field<&Stats::unknown_syscalls>("unknown_syscalls").always(),
  };
  return kFields;
}
std::span<const Field<Event>> fields_of(Type<Event>) {
  static constexpr Field<Event> kFields[] = {
      field<&Event::type>("type").required(),
      field<&Event::id>("id").required(),
      field<&Event::data>("data").required(),
  };
  return kFields;
}
std::span<const Field<GuestProcess>> fields_of(Type<GuestProcess>) {
  static constexpr Field<GuestProcess> kFields[] = {
      field<&GuestProcess::pid>("pid").required(),
      field<&GuestProcess::parent_pid>("parent_pid").always(),
      field<&GuestProcess::uid>("uid").always(),
      field<&GuestProcess::threads>("threads").always(),
      field<&GuestProcess::start_time>("start_time").always(),
      field<&GuestProcess::cpu_time>("cpu_time").always(),
      field<&GuestProcess::command>("command").always(),
  };
  return kFields;
}

std::string control_socket_addr(std::string_view root_dir, std::string_view id) {
  return fmt::format("{}/{}/control.sock", root_dir, id);
}

namespace boot {

std::span<const Field<Execute>> fields_of(Type<Execute>) {
  static constexpr Field<Execute> kFields[] = {field<&Execute::process>("process").required()};
  return kFields;
}
std::span<const Field<Executed>> fields_of(Type<Executed>) {
  static constexpr Field<Executed> kFields[] = {field<&Executed::pid>("pid").required()};
  return kFields;
}
std::span<const Field<Wait>> fields_of(Type<Wait>) {
  static constexpr Field<Wait> kFields[] = {field<&Wait::pid>("pid").required()};
  return kFields;
}
std::span<const Field<Waited>> fields_of(Type<Waited>) {
  static constexpr Field<Waited> kFields[] = {field<&Waited::status>("status").required()};
  return kFields;
}
std::span<const Field<Signal>> fields_of(Type<Signal>) {
  static constexpr Field<Signal> kFields[] = {
      field<&Signal::pid>("pid").required(),
      field<&Signal::signal>("signal").required(),
  };
  return kFields;
}
std::span<const Field<ProcessList>> fields_of(Type<ProcessList>) {
  static constexpr Field<ProcessList> kFields[] = {field<&ProcessList::processes>("processes").required()};
  return kFields;
}

bool LineReader::fill(int socket) {
  char bytes[16 * 1024];
  iovec vector = {bytes, sizeof bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t n;
  do n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(item) + i * sizeof fd, sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
  buffer_.append(bytes, static_cast<size_t>(n));
  const bool is_cut = (header.msg_flags & MSG_CTRUNC) != 0;
  return n > 0 && !is_cut && buffer_.size() <= kMaxMessage && descriptors_.size() <= kMaxDescriptors;
}

bool LineReader::take(std::string& line) {
  const size_t end = buffer_.find('\n');
  if (end == std::string::npos) return false;
  line.assign(buffer_, 0, end);
  buffer_.erase(0, end + 1);
  return true;
}

Result<std::string> call(int socket, std::string_view method, std::string_view arg, std::span<const int> fds) {
  json::Writer writer;
  writer.begin_object();
  writer.key("method");
  writer.string(method);
  writer.key("arg");
  writer.raw(arg.empty() ? "{}" : arg);
  writer.end_object();
  std::string line = writer.take() + '\n';
  if (line.size() > kMaxMessage) return std::unexpected(Error(Errno{E2BIG}));
  if (fds.size() > kMaxDescriptors)
    return base::fail(ErrorCode::kUnsupported, "at most {} descriptors can be passed", kMaxDescriptors);
  // The descriptors go with the first byte; the rest may take several turns.
  TRY(sys::send_message(socket, std::string_view(line).substr(0, 1), fds), "calling the application kernel");
  for (std::string_view rest = std::string_view(line).substr(1); !rest.empty();) {
    const ssize_t n = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::fail_errno(errno, "calling the application kernel");
    rest.remove_prefix(static_cast<size_t>(n));
  }
  LineReader reader;
  while (!reader.take(line)) {
    constexpr int kTimeoutMs = 10'000;
    if (!TRY(sys::wait_readable(socket, kTimeoutMs), "waiting for the application kernel"))
      return base::fail(ErrorCode::kSystemError, "the application kernel does not answer");
    if (!reader.fill(socket)) return base::fail(ErrorCode::kContainerNotRunning, "the application kernel has ended");
  }
  auto document = json::parse(line);
  const json::Value* success = document ? document->root().find("success") : nullptr;
  const json::Value* text = document ? document->root().find("err") : nullptr;
  if (success == nullptr || !success->is(json::Kind::kBool) || text == nullptr || !text->is(json::Kind::kString)) {
    return base::fail(ErrorCode::kSystemError, "the application kernel gives an answer that is none");
  }
  if (!success->boolean()) {
    // Whoever prints it must not be made to do more.
    std::string shown(text->string());
    for (char& c : shown)
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
    return std::unexpected(Error(ErrorCode::kSystemError, std::move(shown)));
  }
  // "result" is the last member.
  const size_t at = line.find("\"result\":");
  if (at == std::string::npos) return base::fail(ErrorCode::kSystemError, "the application kernel gives no result");
  return line.substr(at + 9, line.size() - at - 10);
}

}  // namespace boot
}  // namespace cella::sandbox
