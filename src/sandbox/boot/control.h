// Control: how the host speaks to a running application kernel: URPC over a unix socket.
//
// A call is one line of JSON, {"method":"application.Wait","arg":{…}}, with up to kMaxDescriptors descriptors beside it
// (SCM_RIGHTS); its answer one line, {"success":true,"err":"","result":{…}}. Calls of one connection are answered in
// the order in which they can be. The socket belongs to whoever made the container; what comes from the kernel's side
// is hostile all the same, because the guest may have taken it over.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cella/sandbox.h>

#include "json/schema.h"
#include "sandbox/boot/boot_request.h"
#include "sys/fd.h"

namespace cella::sandbox::boot {

inline constexpr size_t kMaxDescriptors = 16;
inline constexpr size_t kMaxMessage = size_t{4} << 20;  // bytes of a call or an answer

inline constexpr char kApplicationStart[] = "application.Start";          // nothing → nothing
inline constexpr char kApplicationProcesses[] = "application.Processes";  // nothing → ProcessList
inline constexpr char kApplicationExecute[] = "application.Execute";      // Execute, stdio and extra files → Executed
inline constexpr char kApplicationWait[] = "application.Wait";            // Wait → Waited, when the process has ended
inline constexpr char kApplicationSignal[] = "application.Signal";        // Signal → nothing
inline constexpr char kApplicationResize[] = "application.Resize";        // Wait: its terminal's window → nothing
inline constexpr char kApplicationUpdate[] = "application.Update";        // Limits → nothing
inline constexpr char kApplicationEvent[] = "application.Event";          // nothing → Event
inline constexpr char kNetworkCreateLinksAndRoutes[] = "Network.CreateLinksAndRoutes";

// A process that a connection has executed ends with the connection.
struct Execute {
  BootProcess process;  // its extra files are those that come with the call
};
struct Executed {
  int pid = 0;  // the guest's number
};
struct Wait {
  int pid = 0;
};
struct Waited {
  int status = 0;  // wait(2)
};
struct Signal {
  int pid = 0;  // 0: every process
  int signal = 0;
};
struct ProcessList {
  std::vector<GuestProcess> processes;
};

// This process's session gives its terminal up, which is on standard input. When a session's leader ends with one,
// Linux hangs up, and throws away what its other end has not read yet.
void leave_terminal();

std::span<const json::Field<Execute>> fields_of(json::Type<Execute>);
std::span<const json::Field<Executed>> fields_of(json::Type<Executed>);
std::span<const json::Field<Wait>> fields_of(json::Type<Wait>);
std::span<const json::Field<Waited>> fields_of(json::Type<Waited>);
std::span<const json::Field<Signal>> fields_of(json::Type<Signal>);
std::span<const json::Field<ProcessList>> fields_of(json::Type<ProcessList>);

// Lines and the descriptors that came with them, from a stream socket.
class LineReader {
 public:
  // What can be read now; false: the other side has gone, or breaks the rules. Blocks if the socket does.
  bool fill(int socket);
  // The next whole line, without its end.
  bool take(std::string& line);
  // Those that have come since they were taken last.
  std::vector<sys::FileDescriptor> take_descriptors() { return std::move(descriptors_); }

 private:
  std::string buffer_;
  std::vector<sys::FileDescriptor> descriptors_;
};

// One call as it is sent.
template <typename Arg>
std::string line_of(std::string_view method, const Arg& arg) {
  json::Writer writer;
  writer.begin_object();
  writer.key("method");
  writer.string(method);
  writer.key("arg");
  json::write(arg, writer);
  writer.end_object();
  return writer.take() + '\n';
}

// The client's side, on a connected socket that blocks: sends the call, waits, and gives the text of the result. The
// error is the kernel's, word for word.
Result<std::string> call(int socket, std::string_view method, std::string_view arg, std::span<const int> fds = {});
template <typename Arg>
Result<std::string> call(int socket, std::string_view method, const Arg& arg, std::span<const int> fds = {}) {
  json::Writer writer;
  json::write(arg, writer);
  return call(socket, method, std::string_view(writer.text()), fds);
}
template <typename T>
Result<T> result_of(const std::string& text) {
  auto document = json::parse(text);
  T value;
  json::Report report;
  if (document) json::read(document->root(), value, report);
  if (!document || !report.findings.empty()) {
    return std::unexpected(Error(ErrorCode::kSystemError, "the application kernel gives an answer that is none"));
  }
  return value;
}

}  // namespace cella::sandbox::boot

namespace cella::sandbox {
std::span<const json::Field<GuestProcess>> fields_of(json::Type<GuestProcess>);
std::span<const json::Field<Event>> fields_of(json::Type<Event>);
std::span<const json::Field<Stats>> fields_of(json::Type<Stats>);
}  // namespace cella::sandbox
