#include "container/control.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/result.h"
#include "container/host_facts.h"
#include "container/ignored.h"
#include "container/process_impl.h"
#include "sandbox/boot/options.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace cella::container {
namespace {

using sys::FileDescriptor;

// Becomes `attend`, see cli/attend.cc.
struct Child {
  int program;
  int stream;
  int control;
  char** args;
  int error;
};
int run_child(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  for (int stream = 0; stream < 3; ++stream) ::dup2(child.stream, stream);
  // What happens to a terminal is told to the session that it controls.
  if (::isatty(STDIN_FILENO)) {
    ::setsid();
    ::ioctl(STDIN_FILENO, TIOCSCTTY, 0);
  }
  char* env[] = {nullptr};
  constexpr int kControl = 3;
  // One that is there already stays open only when it is not close-on-exec.
  if (child.control == kControl ? ::fcntl(kControl, F_SETFD, 0) == 0 : ::dup2(child.control, kControl) >= 0)
    ::execveat(child.program, "", child.args, env, AT_EMPTY_PATH);
  child.error = errno;
  return 127;
}

// `terminal`: the process's, or -1.
Result<sys::CloneResult> start_proxy(const FactoryOptions& options, int control, int pid, int terminal) {
  FileDescriptor program = TRY(sys::open(options.sandbox_program.c_str(), O_RDONLY));
  // Out of the way of the streams and of 3.
  program = FileDescriptor(::fcntl(program.get(), F_DUPFD_CLOEXEC, 4));
  FileDescriptor null = TRY(sys::open("/dev/null", O_RDWR));
  if (!program) return std::unexpected(Error(Errno{errno}));
  std::string name = "cella", command = "attend", number = "3", guest = std::to_string(pid);
  char* args[] = {name.data(), command.data(), number.data(), guest.data(), nullptr};
  Child child = {program.get(), terminal >= 0 ? terminal : null.get(), control, args, 0};
  sys::CloneResult cloned;
  {
    sys::SignalBlock block;
    cloned = TRY(sys::clone_vfork(0, -1, run_child, &child));
  }
  if (child.error == 0) return cloned;
  (void)sys::wait_for(cloned.pid);
  return std::unexpected(Error(Errno{child.error}));
}

Result<void> check_started(const Container::Impl& container) {
  if (!container.directory.has_fifo()) return {};
  return base::fail(ErrorCode::kContainerNotRunning, "container {} has not been started: its kernel is not there yet",
                    container.id());
}

}  // namespace

Result<FileDescriptor> open_control(const Container::Impl& container, int type_flags) {
  if (!container.init_is_alive()) return base::fail(ErrorCode::kContainerNotRunning, "container not running");
  return TRY(sys::connect_unix(sandbox::control_socket_addr(container.options->root, container.id()), type_flags),
             "connecting to the application kernel of container {}", container.id());
}

Result<FileDescriptor> connect_control(const Container::Impl& container) {
  TRY(check_started(container));
  if (TRY(container.cgroups().frozen())) {
    return base::fail(ErrorCode::kContainerPaused, "container {} is paused, and its kernel with it", container.id());
  }
  return open_control(container);
}

Result<std::string> call_control(const Container::Impl& container, std::string_view method, std::string_view arg) {
  const FileDescriptor control = TRY(connect_control(container));
  return sandbox::boot::call(control.get(), method, arg);
}

Result<void> exec_in_sandbox(Container::Impl& container, Process& process) {
  using namespace sandbox::boot;
  if (!container.init_is_alive()) {
    return base::fail(ErrorCode::kContainerNotRunning, "cannot exec in a stopped container");
  }
  if (TRY(container.cgroups().frozen())) {
    return base::fail(ErrorCode::kContainerPaused, "cannot exec in a paused container{}",
                      process.ignore_paused ? ", whose kernel is paused too: --ignore-paused" : "");
  }
  if (!process.sub_cgroup.empty())
    return base::fail(ErrorCode::kUnsupported, "a cgroup of its own for a process is not the sandbox's yet");
  std::vector<Finding> ignored;
  const config::ProcessConfig granted = TRY(grantable(process.config, container.config, ignored));
  TRY(settle(*container.options, std::exchange(ignored, {})));
  const config::ProcessConfig full = plan::with_defaults(granted, container.config);
  const sandbox::Config options = TRY(options_from(container.config.labels));
  TRY(check_enforced(container.config, full, options));
  if (container.options->sandbox_program.empty())
    return base::fail(ErrorCode::kUnsupported, "the sandbox needs a program: FactoryOptions::sandbox_program");
  TRY(check_started(container));
  const FileDescriptor control = TRY(open_control(container));
  const Execute execute = {make_request(container.id(), container.config, full, {}).process};
  ConsoleSockets console = TRY(open_console(process));
  std::vector<int> fds = {process.stdio.in, process.stdio.out, process.stdio.err};
  FileDescriptor terminal;
  if (full.terminal) {
    terminal = TRY(make_terminal(process, console));
    fds = {terminal.get(), terminal.get(), terminal.get()};
  }
  fds.insert(fds.end(), process.extra_files.begin(), process.extra_files.end());
  const std::string answer = TRY(call(control.get(), kApplicationExecute, execute, fds));
  const auto executed = TRY(result_of<Executed>(answer));

  // From here on the process ends with this connection, which is the proxy's alone when we are done.
  sys::CloneResult proxy =
      TRY(start_proxy(*container.options, control.get(), executed.pid, terminal.get()), "starting a process for it");
  process.impl().pid = proxy.pid;
  process.impl().pidfd = std::move(proxy.pidfd);
  Result<void> announced =
      announce(process, proxy.pid, process.config.oom_score_adj, container.config.rootless_euid, ignored);
  if (announced) announced = settle(*container.options, std::move(ignored));
  if (announced) announced = receive_console(console, process);
  if (!announced) {
    (void)process.signal(SIGKILL);
    (void)process.wait();
  }
  return announced;
}

}  // namespace cella::container
