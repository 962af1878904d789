#include "sandbox/boot/control_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/boot/limits.h"
#include "sandbox/boot/program.h"
#include "sandbox/syscall/table.h"

namespace cella::sandbox::boot {
namespace {

using task::ThreadGroup;

constexpr size_t kMaxConnections = 64;

std::string answer_line(const Result<std::string>& result) {
  json::Writer writer;
  writer.begin_object();
  writer.key("success");
  writer.boolean(result.has_value());
  writer.key("err");
  writer.string(result ? std::string() : result.error().text());
  writer.key("result");
  writer.raw(result ? *result : "{}");
  writer.end_object();
  return writer.take() + '\n';
}

template <typename T>
std::string text_of(const T& value) {
  json::Writer writer;
  json::write(value, writer);
  return writer.take();
}

template <typename T>
Result<T> read_arg(const json::Value& arg) {
  T value;
  json::Report report;
  json::read(arg, value, report);
  if (report.findings.empty()) return value;
  return base::fail(ErrorCode::kInvalidArgument, "the argument is invalid: {} {}", report.findings[0].pointer,
                    report.findings[0].message);
}

// As ps(1) shows it: what is in the process's memory, which it may have changed.
std::string command_of(ThreadGroup& group) {
  task::Task* leader = group.leader();
  std::string text;
  if (leader != nullptr && leader->memory_manager != nullptr) {
    const auto& layout = leader->memory_manager->layout;
    constexpr uint64_t kMost = 4096;
    text.resize(std::min(layout.arguments_end - layout.arguments_start, kMost));
    SysResult<size_t> n = leader->memory_manager->copy_in_some(layout.arguments_start, text.data(), text.size());
    text.resize(n.value_or(0));
    while (!text.empty() && text.back() == '\0') text.pop_back();
    for (char& c : text)
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return text.empty() ? fmt::format("[{}]", group.name) : text;
}

}  // namespace

struct ControlServer::Connection {
  sys::FileDescriptor socket;
  LineReader reader;
  std::vector<StartedProgram> executed;             // end with the connection
  std::vector<std::shared_ptr<ThreadGroup>> waits;  // whose end is to be told
  bool is_broken = false;

  void send(const std::string& line) {
    // Who does not take an answer of this size has not read those before.
    const ssize_t n = ::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    is_broken |= n != static_cast<ssize_t>(line.size());
  }
};

struct ControlServer::Method {
  const char* name;
  Result<std::string> (ControlServer::*serve)(Connection&, const json::Value&);
};

ControlServer::ControlServer(task::Kernel& kernel, fs::HostPoller& poller, sys::FileDescriptor listener, std::string id)
    : kernel_(kernel), poller_(poller), listener_(std::move(listener)), id_(std::move(id)) {}
ControlServer::~ControlServer() = default;

void ControlServer::add_to(std::vector<pollfd>& fds) const {
  fds.push_back({listener_.get(), POLLIN, 0});
  for (const Connection& connection : connections_) fds.push_back({connection.socket.get(), POLLIN, 0});
}

void ControlServer::handle(std::span<const pollfd> fds) {
  core::Locked locked(kernel_.lock);
  size_t i = 1;
  for (Connection& connection : connections_)
    if (fds[i++].revents != 0) serve(connection);
  connections_.remove_if([&](Connection& connection) {
    if (!connection.is_broken) return false;
    for (const StartedProgram& program : connection.executed) {
      if (!program.group->is_zombie) program.group->exit(SIGKILL);
      if (program.terminal != nullptr) program.terminal->close(0);
    }
    return true;
  });
  if (fds[0].revents != 0) accept();
}

void ControlServer::handle_waiting() {
  for (std::vector<pollfd> fds;;) {
    fds.clear();
    add_to(fds);
    if (::poll(fds.data(), fds.size(), 0) <= 0) return;
    handle(fds);
  }
}

void ControlServer::accept() {
  sys::FileDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket && connections_.size() < kMaxConnections) connections_.emplace_back().socket = std::move(socket);
}

void ControlServer::serve(Connection& connection) {
  connection.is_broken |= !connection.reader.fill(connection.socket.get());
  for (std::string line; connection.reader.take(line);) handle_call(connection, line);
}

void ControlServer::handle_call(Connection& connection, const std::string& line) {
  static constexpr Method kMethods[] = {
      {kApplicationStart, &ControlServer::start},
      {kApplicationProcesses, &ControlServer::processes},
      {kApplicationExecute, &ControlServer::execute},
      {kApplicationSignal, &ControlServer::signal},
      {kApplicationResize, &ControlServer::resize},
      {kApplicationUpdate, &ControlServer::update},
      {kApplicationEvent, &ControlServer::event},
      {kNetworkCreateLinksAndRoutes, &ControlServer::create_links_and_routes},
  };
  auto document = json::parse(line);
  const json::Value* name = document ? document->root().find("method") : nullptr;
  const json::Value* arg = document ? document->root().find("arg") : nullptr;
  if (name == nullptr || !name->is(json::Kind::kString)) {
    connection.is_broken = true;
    return;
  }
  static const json::Value kNothing{};
  if (name->string() == kApplicationWait) {
    // Answered later, unless it cannot be.
    Result<Wait> wait = read_arg<Wait>(arg != nullptr ? *arg : kNothing);
    std::shared_ptr<ThreadGroup> group;
    for (const StartedProgram& one : connection.executed)
      if (wait && one.group->id == wait->pid) group = one.group;
    if (auto found = kernel_.groups.find(wait ? wait->pid : 0); group == nullptr && found != kernel_.groups.end())
      group = found->second;
    if (group == nullptr) return connection.send(answer_line(std::unexpected(Error(Errno{ESRCH}))));
    connection.waits.push_back(std::move(group));
    return answer_waits();
  }
  for (const Method& method : kMethods) {
    if (name->string() == method.name)
      return connection.send(answer_line((this->*method.serve)(connection, arg != nullptr ? *arg : kNothing)));
  }
  connection.send(
      answer_line(base::fail(ErrorCode::kUnsupported, "the application kernel has no method {}", name->string())));
}

bool ControlServer::has_waits() const {
  return std::ranges::any_of(connections_, [](const Connection& one) { return !one.waits.empty(); });
}

void ControlServer::answer_waits() {
  for (Connection& connection : connections_) {
    std::erase_if(connection.waits, [&](const std::shared_ptr<ThreadGroup>& group) {
      if (!group->is_zombie) return false;
      std::erase_if(connection.executed, [&](const StartedProgram& program) {
        if (program.group != group) return false;
        if (program.terminal != nullptr) program.terminal->close(core::kSecond);
        return true;
      });
      connection.send(answer_line(text_of(Waited{group->status})));
      return true;
    });
  }
}

Result<std::string> ControlServer::start(Connection&, const json::Value&) {
  if (is_started_) return base::fail(ErrorCode::kInvalidArgument, "the application has been started");
  is_started_ = true;
  return "{}";
}

Result<std::string> ControlServer::processes(Connection&, const json::Value&) {
  ProcessList list;
  const core::Nanoseconds offset = core::now(CLOCK_REALTIME) - core::now();
  for (const auto& [pid, group] : kernel_.groups) {
    if (group->is_zombie) continue;
    GuestProcess& one = list.processes.emplace_back();
    one.pid = pid;
    if (auto parent = group->parent.lock()) one.parent_pid = parent->id;
    if (task::Task* leader = group->leader()) one.uid = leader->creds.euid;
    one.threads = static_cast<uint32_t>(group->tasks.size());
    one.start_time = (group->start_time + offset) / core::kSecond;
    one.cpu_time = static_cast<uint64_t>(group->usage().time());
    one.command = command_of(*group);
  }
  return text_of(list);
}

Result<std::string> ControlServer::execute(Connection& connection, const json::Value& arg) {
  std::vector<sys::FileDescriptor> files = connection.reader.take_descriptors();
  Execute execute = TRY(read_arg<Execute>(arg));
  constexpr size_t kStreams = 3;
  if (files.size() < kStreams) return base::fail(ErrorCode::kInvalidArgument, "the standard streams are missing");
  if (kernel_.init == nullptr || kernel_.init->is_zombie)
    return base::fail(ErrorCode::kContainerNotRunning, "the container is not running");
  StartedProgram program = TRY(start_program(kernel_, poller_, {execute.process, std::move(files)}));
  const int pid = program.group->id;
  connection.executed.push_back(std::move(program));
  return text_of(Executed{pid});
}

Result<std::string> ControlServer::signal(Connection&, const json::Value& arg) {
  const Signal wanted = TRY(read_arg<Signal>(arg));
  if (wanted.signal < 0 || wanted.signal > task::kSignals) return std::unexpected(Error(Errno{EINVAL}));
  const siginfo_t info = task::signal_info(wanted.signal, SI_USER);  // from outside of every pid that the guest knows
  if (wanted.pid == 0) {
    for (const auto& [pid, group] : kernel_.groups) group->send(info);
    return "{}";
  }
  ThreadGroup* group = kernel_.group(wanted.pid);
  if (group == nullptr) return std::unexpected(Error(Errno{ESRCH}));
  group->send(info);
  return "{}";
}

Result<std::string> ControlServer::resize(Connection&, const json::Value& arg) {
  const Wait wanted = TRY(read_arg<Wait>(arg));
  ThreadGroup* group = kernel_.group(wanted.pid);
  if (group == nullptr) return std::unexpected(Error(Errno{ESRCH}));
  if (group->terminal != nullptr) group->terminal->window_changed();
  return "{}";
}

Result<std::string> ControlServer::update(Connection&, const json::Value& arg) {
  set_limits(kernel_, TRY(read_arg<Limits>(arg)));
  return "{}";
}

Result<std::string> ControlServer::event(Connection&, const json::Value&) {
  Event event;
  event.type = "stats";
  event.id = id_;
  event.data.memory = {kernel_.memory_limit, kernel_.memory->resident()};
  event.data.processes = kernel_.tasks.size();
  for (const auto& [number, count] : kernel_.unknown_calls) {
    const syscall::Entry* entry = syscall::find(number);
    event.data.unknown_syscalls[entry != nullptr ? entry->name : std::to_string(number)] = count;
  }
  return text_of(event);
}

Result<std::string> ControlServer::create_links_and_routes(Connection&, const json::Value&) {
  return base::fail(ErrorCode::kUnsupported, "network sandbox is not supported yet: there is no stack to configure");
}

}  // namespace cella::sandbox::boot
