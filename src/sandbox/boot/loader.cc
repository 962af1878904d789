// The process that is a sandbox: from the request to the end of the container's first program.
#include <cella/sandbox.h>

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/result.h"
#include "plan/layout.h"
#include "sandbox/boot/boot_request.h"
#include "sandbox/boot/control_server.h"
#include "sandbox/boot/debug_log.h"
#include "sandbox/boot/filter.h"
#include "sandbox/boot/limits.h"
#include "sandbox/boot/options.h"
#include "sandbox/boot/program.h"
#include "sandbox/boot/sysctls.h"
#include "sandbox/fs/container_mounts.h"
#include "sandbox/fs/host/direct_backend.h"
#include "sandbox/gofer/client.h"
#include "sandbox/jail/jail.h"
#include "sandbox/net/stack.h"
#include "sandbox/platform/ptrace/ptrace_platform.h"
#include "sandbox/syscall/strace.h"
#include "sandbox/syscall/table.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/landlock.h"
#include "sys/seccomp.h"

namespace cella::sandbox {
namespace {

using boot::BootRequest;
using sys::FileDescriptor;

// Everything that may be meant for the program. Not: SIGCHLD, which our own stubs cause, and what faults of ours raise.
sigset_t forwarded_signals() {
  sigset_t set;
  ::sigfillset(&set);
  for (int signal : {SIGCHLD, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) ::sigdelset(&set, signal);
  return set;
}

// The guest's own limit says how many files it may have open; each may need one here.
void take_all_descriptors() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

// The way in which init would have told of an error: see plan/layout.h.
class Report {
 public:
  explicit Report(int fd) : fd_(fd) {}

  void fail(const Error& error) {
    if (!fd_) return;
    plan::InitMessage message = {};
    message.kind = plan::InitMessage::kError;
    message.step = plan::kNoStep;
    const std::string text = error.text();
    std::memcpy(message.detail, text.data(), std::min(text.size(), sizeof message.detail - 1));
    (void)!::write(fd_.get(), &message, sizeof message);
    fd_.reset();
  }
  void succeed() { fd_.reset(); }

 private:
  FileDescriptor fd_;
};

// A single file cannot be opened again by whoever has nothing but a descriptor of O_PATH: DirectBackend's.
Result<FileDescriptor> open_tree(const std::string& path) {
  FileDescriptor tree = TRY(sys::open(path.c_str(), O_PATH), "opening {}", path);
  const struct stat status = TRY(sys::stat_at(tree.get(), "", AT_EMPTY_PATH), "opening {}", path);
  if (!S_ISREG(status.st_mode)) return tree;
  // On a read-only filesystem, another user's, or being executed.
  for (int flags : {O_RDWR, O_RDONLY})
    if (SysResult<FileDescriptor> file = sys::open(path.c_str(), flags | O_NONBLOCK)) return std::move(*file);
  return tree;
}

// The host's files: the trees of the kernel's own jail, or the gofer's, where there is one.
class Trees {
 public:
  static Result<Trees> open(const BootRequest& request) {
    Trees trees;
    if (request.gofer >= 0) {
      trees.gofer_ = gofer::make_connection(FileDescriptor(request.gofer));
      return trees;
    }
    size_t count = 1;
    for (const boot::BootMount& mount : request.mounts) count += mount.tree >= 0 ? 1 : 0;
    while (trees.own_.size() < count) trees.own_.push_back(TRY(open_tree(tree_path(trees.own_.size()))));
    return trees;
  }
  // Those that are opened here.
  std::vector<int> descriptors() const {
    std::vector<int> numbers;
    for (const FileDescriptor& fd : own_) numbers.push_back(fd.get());
    return numbers;
  }
  // Once for each. `exclusive`: nobody but this kernel is to change what is there.
  std::shared_ptr<fs::FileBackend> take(int index, bool exclusive) {
    const auto at = static_cast<size_t>(index);
    if (gofer_ == nullptr) return std::make_shared<fs::DirectBackend>(std::move(own_.at(at)));
    return gofer::make_gofer_backend(gofer_, at, {.exclusive = exclusive});
  }

 private:
  std::shared_ptr<gofer::Connection> gofer_;
  std::vector<FileDescriptor> own_;
};

task::IdMap id_map(const std::vector<config::IDMap>& maps) {
  task::IdMap map;
  map.ranges.clear();
  for (const config::IDMap& one : maps) map.ranges.push_back({one.container_id, one.host_id, one.size});
  return map;
}

fs::ContainerFiles files_of(const BootRequest& request, const Config& options, Trees trees, task::Kernel& kernel) {
  fs::ContainerFiles files;
  files.root = trees.take(0, (request.root_flags & MS_SLAVE) == 0);
  files.overlay = options.overlay;
  files.root_flags = request.root_flags;
  for (const boot::BootMount& mount : request.mounts) {
    files.mounts.push_back({mount.destination, mount.type, mount.source, mount.flags, mount.data, mount.copy_up,
                            mount.tree >= 0 ? trees.take(mount.tree, false) : nullptr});
  }
  for (const boot::BootDevice& device : request.devices) {
    files.devices.push_back({device.path, device.mode, static_cast<unsigned>(device.major),
                             static_cast<unsigned>(device.minor), device.uid, device.gid});
  }
  files.hooks.proc.net = [&kernel](fs::FixedDirectory& directory) { kernel.network->add_proc_files(directory); };
  files.hooks.sys.net = [&kernel](fs::FixedDirectory& directory) { kernel.network->add_sys_files(directory); };
  files.working_directory = request.process.cwd;
  files.masked_paths = request.masked_paths;
  files.read_only_paths = request.read_only_paths;
  return files;
}

}  // namespace

struct Loader::Impl {
  BootRequest request;
  Config options;
  std::optional<Report> report;
  std::optional<task::Kernel> kernel;
  std::unique_ptr<fs::HostPoller> poller;
  std::optional<boot::ControlServer> server;
  std::optional<boot::DebugLog> log;
  std::shared_ptr<fs::HostTerminal> terminal;  // the first program's
  FileDescriptor signals, changed;

  ~Impl() {
    // Without the kernel lock: its thread takes it.
    server.reset();
    poller.reset();
  }

  Result<void> boot() {
    // So that we are told of its window.
    if (request.process.terminal && ::ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
      return base::fail_errno(errno, "setting the controlling terminal");
    // Before there is a process that runs guest code: it is held to the same, and may be traced because it is.
    Trees trees = TRY(Trees::open(request));
    TRY(sys::landlock_restrict(trees.descriptors(), options.network == NetworkType::kHost),
        "restricting the kernel to the container's files");
    auto platform = TRY(platform::make_ptrace_platform(), "making the platform {}", to_string(options.platform));
    kernel.emplace(std::move(platform), TRY(mm::MemoryFile::make(), "making the memory file"), syscall::dispatch);
    boot::set_limits(*kernel, request.limits);
    if (!request.seccomp.empty()) {
      std::vector<sock_filter> program(request.seccomp.size());
      std::memcpy(program.data(), request.seccomp.data(), program.size() * sizeof program[0]);
      kernel->seccomp =
          TRY(task::SeccompFilter::make(std::move(program), request.seccomp_flags, nullptr), "linux.seccomp");
    }
    // A new UTS namespace begins with the names of the one that it is made in, uts_namespaces(7).
    utsname host;
    if (::uname(&host) == 0) kernel->host_name = {host.nodename, host.domainname};
    if (!request.hostname.empty()) kernel->host_name.node = request.hostname;
    if (!request.domainname.empty()) kernel->host_name.domain = request.domainname;
    poller = TRY(fs::HostPoller::make(kernel->lock), "making the poller of host descriptors");
    kernel->sysctls = request.sysctls;
    if (!request.uid_maps.empty()) kernel->user_ids = id_map(request.uid_maps);
    if (!request.gid_maps.empty()) kernel->group_ids = id_map(request.gid_maps);
    const net::StackOptions stack = {boot::first_unprivileged_port(request.sysctls).value_or(0)};
    kernel->network =
        options.network == NetworkType::kHost ? net::make_host_stack(*poller, stack) : net::make_loopback_stack(stack);
    server.emplace(*kernel, *poller, FileDescriptor(request.control), request.id);
    core::Locked locked(kernel->lock);
    kernel->mounts = TRY(fs::make_container_mounts(*kernel, files_of(request, options, std::move(trees), *kernel)));
    return open_log();
  }

  Result<void> open_log() {
    if (request.log < 0 && !options.strace) return {};
    FileDescriptor fd(request.log >= 0 ? request.log : ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return base::fail_errno(errno, "opening the debug log");
    log.emplace(std::move(fd));
    if (request.log >= 0) kernel->log = [this](const std::string& line) { log->write(line); };
    if (!options.strace) return {};
    kernel->call_observer = TRY(syscall::make_strace(options.strace_syscalls, options.strace_log_size,
                                                     [this](const std::string& line) { log->write(line); }),
                                "sandbox option strace-syscalls");
    return {};
  }

  // What programs have asked for in vain is told when all is over: it could be a line for each of millions of calls.
  void log_unknown_calls() {
    if (request.log < 0) return;
    for (const auto& [number, count] : kernel->unknown_calls)
      log->write(fmt::format("{}: system call {} is not served: {} times", request.id, number, count));
  }

  // From here on nothing of a guest's has been looked at but the names of its mounts.
  Result<void> lock_in() {
    if (options.disable_seccomp) return {};
    const std::vector<sock_filter> filter = boot::make_filter(boot::filter_rules(options));
    TRY(sys::load_seccomp_filter(filter), "loading the kernel's own seccomp filter");
    return {};
  }

  // Answers calls and forwards signals until `is_done`, which is asked with the kernel lock.
  template <typename Condition>
  void serve(Condition is_done) {
    for (std::vector<pollfd> fds;;) {
      {
        core::Locked locked(kernel->lock);
        server->answer_waits();
        if (is_done()) return;
      }
      fds = {{changed.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
      server->add_to(fds);
      if (::poll(fds.data(), fds.size(), -1) < 0) continue;
      uint64_t count;
      if (fds[0].revents != 0) (void)!::read(changed.get(), &count, sizeof count);
      if (fds[1].revents != 0) forward_signals();
      server->handle(std::span(fds).subspan(2));
    }
  }

  void forward_signals() {
    signalfd_siginfo info;
    while (::read(signals.get(), &info, sizeof info) == sizeof info) {
      core::Locked locked(kernel->lock);
      const auto signal = static_cast<int>(info.ssi_signo);
      if (info.ssi_code != SI_KERNEL) {
        // From outside of every pid that the guest knows.
        if (kernel->init != nullptr) kernel->init->send(task::signal_info(signal, SI_USER));
      } else if (signal == SIGWINCH && terminal != nullptr) {
        // Everything else that happens to the terminal is seen there.
        terminal->window_changed();
      }
    }
  }

  Result<void> start() {
    server->handle_waiting();
    core::Locked locked(kernel->lock);
    std::vector<FileDescriptor> files;
    for (int fd = 0; fd < 3; ++fd) files.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    for (int fd : request.process.extra_files) files.emplace_back(fd);
    terminal = TRY(boot::start_program(*kernel, *poller, {request.process, std::move(files)}))
    .terminal;
    server->set_started();
    return {};
  }
};

Loader::Loader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;
Loader::~Loader() = default;

Result<Loader> Loader::make(int request_fd) {
  // One lock, so one arena: more would be memory that nobody uses.
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::prctl(PR_SET_NAME, "cella-kernel");
  // Before there is a second thread, so that all have it blocked.
  const sigset_t forwarded = forwarded_signals();
  ::sigprocmask(SIG_BLOCK, &forwarded, nullptr);
  take_all_descriptors();
  // The guest has its own, which has been applied to the modes of new files.
  (void)::umask(0);
  auto impl = std::make_unique<Impl>();
  const FileDescriptor request(request_fd);
  if (::lseek(request.get(), 0, SEEK_SET) < 0) return base::fail_errno(errno, "reading the request");
  std::string text = TRY(sys::read_all(request.get()), "reading the request");
  impl->request = TRY(boot::parse_boot_request(text));
  impl->report.emplace(impl->request.report);
  Result<void> made = [&]() -> Result<void> {
    impl->options = TRY(boot::options_from(impl->request.options));
    impl->signals = FileDescriptor(::signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK));
    impl->changed = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!impl->signals || !impl->changed) return base::fail_errno(errno, "opening a descriptor for signals");
    return impl->boot();
  }();
  if (!made) {
    impl->report->fail(made.error());
    return std::unexpected(std::move(made).error());
  }
  return Loader(std::move(impl));
}

void Loader::wait_for_start_signal() {
  if (!impl_->request.wait_for_start) return;
  impl_->serve([&] { return impl_->server->is_started(); });
}

Result<void> Loader::run() {
  Result<void> started = impl_->lock_in();
  if (started) started = impl_->start();
  if (started) {
    impl_->report->succeed();
  } else {
    impl_->report->fail(started.error());
  }
  return started;
}

int Loader::wait_exit() {
  // Tells the loop of what it waits for: most processes that end are nobody's business out here.
  class Ending final : public core::Waiter {
   public:
    explicit Ending(Impl& impl) : impl_(impl) {}
    void on_event(uint32_t) override {
      if (!impl_.kernel->init->is_zombie && !impl_.server->has_waits()) return;
      const uint64_t one = 1;
      (void)!::write(impl_.changed.get(), &one, sizeof one);
    }

   private:
    Impl& impl_;
  };
  task::Kernel& kernel = *impl_->kernel;
  Ending ending(*impl_);
  {
    core::Locked locked(kernel.lock);
    kernel.process_events.add(ending, ~0u);
  }
  impl_->serve([&] { return kernel.init->is_zombie; });
  core::Locked locked(kernel.lock);
  ending.leave();
  impl_->log_unknown_calls();
  if (impl_->terminal != nullptr) {
    impl_->terminal->close(core::kSecond);
    boot::leave_terminal();
  }
  return kernel.init->status;
}

void Loader::destroy() {
  impl_.reset();
}

}  // namespace cella::sandbox
