#include "container/launcher.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "base/result.h"
#include "container/slots.h"
#include "init/image.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace cella::container {
namespace {

using plan::InitMessage;
using plan::LauncherMessage;
using plan::Op;
using plan::SyncPoint;
using sys::FileDescriptor;

// The init program as a sealed memory file: nothing that a container runs could change it for the next one.
Result<int> init_program() {
  static Result<FileDescriptor> program = [] -> Result<FileDescriptor> {
    SysResult<FileDescriptor> made = sys::memory_file("cella-init", init::image(), true, true);
    if (!made) {
      Error error = Error(made.error()).with("making the init program");
      if (made.error().value == EACCES) error.hint = "vm.memfd_noexec is 2: with 1 a program may ask to be executable";
      return std::unexpected(std::move(error));
    }
    return std::move(*made);
  }();
  if (!program) return std::unexpected(program.error());
  return program->get();
}

// What the child does between clone3(2) and execveat(2).
struct Child {
  int program;
  Stdio stdio;
  const plan::Header* plan;
  int plan_fd;
  int sync_fd;
  char plan_number[12];
  int error;
};

int run_child(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  auto failed = [&] {
    child.error = errno;
    return 126;
  };
  // Standard streams first; a source that another one would overwrite is out of the way since place_above().
  const int streams[3] = {child.stdio.in, child.stdio.out, child.stdio.err};
  for (int i = 0; i < 3; ++i) {
    if (streams[i] == i ? ::fcntl(i, F_SETFD, 0) < 0 && errno != EBADF : ::dup3(streams[i], i, 0) < 0) return failed();
  }
  auto keep = [](int fd) { return fd < 0 || ::fcntl(fd, F_SETFD, 0) == 0; };
  if (!keep(child.sync_fd) || !keep(child.plan_fd)) return failed();
  for (uint32_t i = 0; i < child.plan->slot_count; ++i)
    if (!keep(child.plan->slots[i])) return failed();
  char name[] = "cella-init";
  char* argv[] = {name, child.plan_number, nullptr};
  char* envp[] = {nullptr};
  ::execveat(child.program, "", argv, envp, AT_EMPTY_PATH);
  return failed();
}

// A duplicate of `fd` that is not below `lowest`.
SysResult<FileDescriptor> place_above(int fd, int lowest) {
  int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, lowest);
  if (copy < 0) return std::unexpected(Errno{errno});
  return FileDescriptor(copy);
}

// Asked here, while init is busy, and not by init itself: the program is to start with default dispositions, and 64
// calls for what is nearly always nothing would delay it.
uint64_t ignored_signals() {
  uint64_t mask = 0;
  for (int signal = 1; signal <= 64; ++signal) {
    struct sigaction action;
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) mask |= uint64_t{1} << (signal - 1);
  }
  return mask;
}

SysResult<void> answer(int socket, SyncPoint point, std::span<const int> fds = {}) {
  LauncherMessage message = {point, static_cast<uint32_t>(fds.size()), ignored_signals()};
  return sys::send_message(socket, {reinterpret_cast<const char*>(&message), sizeof message}, fds);
}

// How a process that said nothing came to its end.
Error death_of(pid_t pid) {
  SysResult<int> status = sys::wait_for(pid);
  if (!status) return Error(status.error()).with("waiting for init");
  if (WIFSIGNALED(*status)) {
    Error error(ErrorCode::kSystemError, fmt::format("init was killed by signal {}", WTERMSIG(*status)));
    if (WTERMSIG(*status) == SIGKILL) error.hint = "the memory limit may be too small for the program to start";
    return error;
  }
  return Error(ErrorCode::kSystemError, fmt::format("init ended with status {}", WEXITSTATUS(*status)));
}

class Conversation {
 public:
  Conversation(Launch& launch, const Handler& handler, FileDescriptor socket, sys::CloneResult child)
      : launch_(launch), handler_(handler), socket_(std::move(socket)), child_(std::move(child)) {}

  Result<Launched> run() {
    Result<void> result = talk();
    if (!result) {
      if (!reaped_) {
        (void)sys::pidfd_signal(child_.pidfd.get(), SIGKILL);
        (void)sys::wait_for(child_.pid);
      }
      return std::unexpected(std::move(result).error());
    }
    Launched launched;
    launched.pid = child_.pid;
    launched.pidfd = std::move(child_.pidfd);
    return launched;
  }

 private:
  Result<void> talk() {
    if (!launch_.built.forks) TRY(handler_.created(child_.pid));
    if (cgroups_before_fork()) TRY(send_cgroups());
    for (;;) {
      InitMessage message;
      ssize_t n;
      do n = ::recv(socket_.get(), &message, sizeof message, 0);
      while (n < 0 && errno == EINTR);
      if (n < 0) return base::fail_errno(errno, "waiting for init");
      if (n == 0) {
        // The socket is close-on-exec: after kReady its end is the program's begin. Before, it is init's end.
        if (ready_) return {};
        Error error = death_of(child_.pid);
        reaped_ = true;
        return std::unexpected(std::move(error));
      }
      if (n != sizeof message) return base::fail(ErrorCode::kSystemError, "init sent a message of {} bytes", n);
      if (message.kind == InitMessage::kError) return std::unexpected(error_of(launch_.built.plan, message));
      TRY(handle(message));
      if (ready_ && launch_.wait_for_start) return {};
    }
  }

  Result<void> handle(const InitMessage& message) {
    switch (message.point) {
      case SyncPoint::kForked: {
        (void)sys::wait_for(child_.pid);
        child_.pid = message.pid;
        child_.pidfd = TRY(sys::pidfd_open(message.pid), "opening a pidfd of the container's process");
        TRY(handler_.created(child_.pid));
        return launch_.built.user_maps || cgroups_before_fork() ? Result<void>() : send_cgroups();
      }
      case SyncPoint::kUserMaps:
        TRY(handler_.user_maps(child_.pid));
        TRY(tell_init(message.point));
        return send_cgroups();
      case SyncPoint::kCgroups:
        break;  // sent unasked
      case SyncPoint::kNamespaces: {
        std::vector<int> fds = TRY(handler_.namespaces(child_.pid));
        TRY(tell_init(message.point, fds));
        return {};
      }
      case SyncPoint::kReady: {
        TRY(limit_init());
        std::vector<int> fds = TRY(handler_.ready(child_.pid));
        ready_ = !launch_.built.ready_waits || TRY(tell_init(message.point, fds));
        return {};
      }
    }
    return base::fail(ErrorCode::kSystemError, "init stopped at an unknown point");
  }

  // Does init join its cgroups as what the launcher has cloned, and not as a child of that?
  bool cgroups_before_fork() const {
    for (const plan::Step& step : launch_.built.plan.steps()) {
      if (step.op == Op::kReceive) return true;
      if (step.op == Op::kFork) return false;
    }
    return false;
  }

  // Unasked, and as early as init can take it next: it finds the descriptors when it comes for them, and neither side
  // waits for the other.
  Result<void> send_cgroups() {
    if (!launch_.built.waits_for_cgroups) return {};
    std::vector<int> fds = TRY(handler_.cgroups());
    if (!TRY(tell_init(SyncPoint::kCgroups, fds))) return {};
    return handler_.meanwhile ? handler_.meanwhile(child_.pid) : Result<void>();
  }

  // False: init has ended. What it said last, or its end, is what is received next.
  Result<bool> tell_init(SyncPoint point, std::span<const int> fds = {}) {
    SysResult<void> sent = answer(socket_.get(), point, fds);
    if (!sent && (sent.error().value == EPIPE || sent.error().value == ECONNRESET)) return false;
    TRY(sent, "answering init");
    return true;
  }

  Result<void> limit_init() {
    for (const plan::Step& step : launch_.built.plan.steps()) {
      if (step.op != Op::kLimitInit) continue;
      const rlimit limit = {step.args[1], step.args[2]};
      auto resource = static_cast<__rlimit_resource>(step.args[0]);
      if (::prlimit(child_.pid, resource, &limit, nullptr) < 0) {
        return base::fail_errno(errno, "{}", launch_.built.plan.string(step.about));
      }
    }
    return {};
  }

  Launch& launch_;
  const Handler& handler_;
  FileDescriptor socket_;
  sys::CloneResult child_;
  bool ready_ = false;
  bool reaped_ = false;
};

}  // namespace

Error error_of(const plan::Plan& plan, const plan::InitMessage& message) {
  Error error;
  error.errno_value = message.errno_value;
  error.message.assign(message.detail, ::strnlen(message.detail, sizeof message.detail));
  if (message.step < plan.header().step_count) {
    std::string about = plan.string(plan.steps()[message.step].about);
    if (!about.empty()) error.context.push_back(std::move(about));
  }
  return error;
}

Result<Launched> launch(Launch launch, const Handler& handler) {
  plan::Plan& plan = launch.built.plan;
  plan::Header& header = plan.header();
  int program = TRY(init_program());
  auto opened = TRY(open_slots(plan));
  auto [ours, theirs] = TRY(sys::packet_pair(), "making the socket to init");

  // Everything that init receives by number lies above what the program will find from 3 on.
  const int report = launch.built.program != plan::kNoSlot ? 1 : 0;
  const int lowest = static_cast<int>(plan::kFirstExtraFile + launch.extra_files.size()) + report;
  header.lowest_fd = lowest;
  std::vector<FileDescriptor> placed;
  auto place = [&](int fd) -> Result<int> {
    if (fd >= lowest) return fd;
    placed.push_back(TRY(place_above(fd, lowest), "duplicating a descriptor"));
    return placed.back().get();
  };
  for (const auto& [slot, fd] : opened) header.slots[slot] = TRY(place(fd.get()));
  for (auto [slot, fd] : launch.slots)
    if (slot != plan::kNoSlot) header.slots[slot] = TRY(place(fd));
  for (size_t i = 0; i < launch.extra_files.size(); ++i) {
    // Always a duplicate: the original may be one that the child moves away.
    placed.push_back(TRY(place_above(launch.extra_files[i], lowest), "passing descriptor {}", launch.extra_files[i]));
    header.slots[launch.built.extra_first + i] = placed.back().get();
  }
  Child child = {};
  child.program = TRY(place(program));
  child.sync_fd = header.sync_fd = TRY(place(theirs.get()));
  child.stdio = launch.stdio;
  for (int* stream : {&child.stdio.in, &child.stdio.out, &child.stdio.err}) {
    if (*stream < 3 && *stream != (stream == &child.stdio.in ? 0 : stream == &child.stdio.out ? 1 : 2)) {
      placed.push_back(TRY(place_above(*stream, lowest), "duplicating a standard stream"));
      *stream = placed.back().get();
    }
  }
  FileDescriptor plan_fd = TRY(sys::memory_file("cella-plan", plan.block, false), "writing the plan");
  child.plan_fd = TRY(place(plan_fd.get()));
  child.plan = &header;
  std::snprintf(child.plan_number, sizeof child.plan_number, "%d", child.plan_fd);

  sys::CloneResult cloned;
  {
    sys::SignalBlock block;
    cloned = TRY(sys::clone_vfork(launch.built.clone_flags, launch.into_cgroup, run_child, &child), "cloning init");
  }
  theirs.reset();
  // The child's end of the socket must be its alone, or its end would not be noticed.
  placed.clear();
  if (child.error != 0) {
    (void)sys::wait_for(cloned.pid);
    return base::fail_errno(child.error, "executing init");
  }
  return Conversation(launch, handler, std::move(ours), std::move(cloned)).run();
}

}  // namespace cella::container
