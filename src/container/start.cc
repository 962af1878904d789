// Starting a container's first process.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <iterator>

#include "base/result.h"
#include "base/scope_exit.h"
#include "container/container_impl.h"
#include "container/hooks.h"
#include "container/host_facts.h"
#include "container/ignored.h"
#include "container/intel_rdt.h"
#include "container/launcher.h"
#include "container/net_devices.h"
#include "container/process_impl.h"
#include "container/sandbox.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cella::container {
namespace {

using config::NamespaceType;

// What the container's own pid namespace calls the process: the last number of NSpid, proc_pid_status(5).
int inner_pid(pid_t pid) {
  SysResult<std::string> status = sys::read_file(fmt::format("/proc/{}/status", pid).c_str());
  if (!status) return pid;
  size_t line = status->find("\nNSpid:");
  if (line == std::string::npos) return pid;
  size_t end = status->find('\n', line + 1);
  size_t last = status->find_last_of(" \t", end);
  return std::atoi(status->c_str() + last + 1);
}

class Start {
 public:
  Start(Container::Impl& container, Process& process, bool wait_for_start)
      : container_(container), config_(container.config), process_(process), wait_(wait_for_start) {}

  Result<void> run() {
    layout_ = TRY(cgroup::detect(), "looking for cgroups");
    TRY(check_delegation(config_, layout_));
    manager_.emplace(TRY(cgroup::Manager::make(layout_, config_.cgroups, container_.id()), "linux.cgroupsPath"));
    cgroup::Paths paths = manager_->paths();
    std::vector<Finding> ignored;
    plan::Facts facts = TRY(host_facts(config_, layout_, paths, &ignored));
    const config::ProcessConfig process = TRY(grantable(process_.config, config_, ignored));
    if (container_.is_sandbox()) TRY(note_sandbox(config_, ignored));
    TRY(settle(*container_.options, std::move(ignored)));
    plan::StartOptions options;
    options.id = container_.id();
    options.wait_for_start = wait_;
    options.console_socket = process_.keep_console || !process_.console_socket.empty();
    options.extra_files = static_cast<uint32_t>(process_.extra_files.size());
    TRY(check_sysctls(config_));
    rdt_ = TRY(plan_rdt_group(config_, container_.id()));
    if (container_.is_sandbox()) {
      sandbox_ =
          TRY(plan_sandbox(*container_.options, container_.id(), config_, process, facts, process_.extra_files.size()));
      facts_ = facts;
      sandbox_files_ = TRY(open_sandbox(*container_.options, *sandbox_, container_.directory, process_.extra_files));
      options.extra_files = sandbox_->extra_files;
      options.open_program = true;
      options.destination_names = sandbox_->jail.destination_names;
    }
    const config::Config& planned = sandbox_ ? sandbox_->jail.config : config_;
    plan::Built built = TRY(plan::build_create(planned, sandbox_ ? sandbox_->jail.process : process, facts, options));
    Result<void> started = launch_with(built);
    if (!started) {
      // Nothing of it stays: what was made is removed in the opposite order.
      (void)manager_->kill_all(SIGKILL);
      reap(container_.gofer);
      (void)manager_->destroy();
      if (rdt_) (void)rdt_->undo();
      if (!config_.net_devices.empty()) take_devices_back();
      // runtime.md, "Lifecycle": what fails after the first hook goes on with the poststop hooks.
      if (hooks_have_run_) {
        container_.warn_all(run_all_hooks(config_, config_.hooks.poststop, "poststop",
                                          hook_state(config_, container_.id(), "stopped", 0)));
      }
    }
    return started;
  }

 private:
  Result<void> launch_with(plan::Built& built) {
    // On disk before anything of it is there: before the clone only what has to exist by then.
    const Journal journal = {manager_->paths(), rdt_ ? rdt_->to_make() : std::vector<std::string>()};
    const bool born_in_cgroup = journal.cgroup_paths.contains("");
    if (born_in_cgroup) TRY(container_.directory.write_journal(journal));
    TRY(manager_->create(cgroup::Part::kV2), "creating the cgroup");
    cgroup::Join birth = TRY(manager_->open_join({}, cgroup::Part::kV2), "opening the cgroup");
    cgroup::Join join;
    sys::FileDescriptor fifo;
    if (wait_) fifo = TRY(container_.directory.make_fifo());
    ConsoleSockets console = TRY(open_console(process_));
    listener_ = TRY(SeccompListener::connect(config_, built));
    HookOutput hook_output;
    if (built.hook_output_first != plan::kNoSlot) hook_output = TRY(HookOutput::open(config_));

    const std::vector<int>& extra_files = sandbox_ ? sandbox_files_.extra_files : process_.extra_files;
    Stdio streams = process_.stdio;
    sys::FileDescriptor terminal;
    if (sandbox_ && process_.config.terminal) {
      terminal = TRY(make_terminal(process_, console));
      streams = {terminal.get(), terminal.get(), terminal.get()};
    }
    Launch request = {built, streams, extra_files, {}, birth.into_cgroup.get(), wait_};
    request.slots = {{built.console_socket, console.theirs.get()},
                     {built.program, sandbox_files_.program.get()},
                     {built.fifo, fifo.get()},
                     {built.listener_socket, listener_.socket.get()}};
    if (hook_output.out) request.slots.emplace_back(built.hook_output_first, hook_output.out.get());
    if (hook_output.error) request.slots.emplace_back(built.hook_output_first + 1, hook_output.error.get());
    Handler handler;
    handler.created = [&](pid_t pid) -> Result<void> {
      std::vector<Finding> ignored;
      TRY(announce(process_, pid, process_.config.oom_score_adj ? process_.config.oom_score_adj : config_.oom_score_adj,
                   config_.rootless_euid, ignored));
      if (!config_.pidfd_receiver.empty()) TRY(send_pidfd(config_.pidfd_receiver, pid));
      reset_affinity(container_, pid);
      // Init is making namespaces now, which takes about as long.
      if (!born_in_cgroup) TRY(container_.directory.write_journal(journal));
      TRY(manager_->create(cgroup::Part::kV1), "creating the cgroup");
      TRY(manager_->apply(container_.host_resources(config_.cgroups.resources)), "setting the cgroup's limits");
      join = TRY(manager_->open_join({}, cgroup::Part::kV1), "opening the cgroup");
      if (rdt_) TRY(enter_rdt_group(pid));
      std::ranges::move(manager_->take_ignored(), std::back_inserter(ignored));
      return settle(*container_.options, std::move(ignored));
    };
    handler.user_maps = [&](pid_t pid) {
      const config::Config& maps = sandbox_ ? sandbox_->jail.config : config_;
      return write_id_maps(pid, maps.uid_mappings, maps.gid_mappings,
                           {container_.options->newuidmap_path, container_.options->newgidmap_path});
    };
    handler.cgroups = [&]() -> Result<std::vector<int>> {
      std::vector<int> fds;
      for (const sys::FileDescriptor& tasks : join.tasks) fds.push_back(tasks.get());
      return fds;
    };
    handler.meanwhile = [&](pid_t pid) -> Result<void> {
      TRY(prepare_record(pid));
      // An init that does not wait at kReady must be on record before.
      return built.ready_waits ? Result<void>() : container_.directory.commit_state();
    };
    handler.namespaces = [&](pid_t pid) -> Result<std::vector<int>> {
      TRY(lend_devices(container_.directory, config_, pid));
      return run_runtime_hooks(pid);
    };
    handler.ready = [&](pid_t pid) -> Result<std::vector<int>> {
      if (sandbox_ && sandbox_->gofer) {
        GoferCgroup cgroup{birth.into_cgroup.get(), {}};
        for (const sys::FileDescriptor& tasks : join.tasks) cgroup.tasks_files.push_back(tasks.get());
        container_.gofer =
            TRY(launch_gofer(container_.id(), *sandbox_->gofer, *sandbox_files_.gofer, sandbox_files_.program.get(),
                             facts_, cgroup, {container_.options->newuidmap_path, container_.options->newgidmap_path}));
        // Its end is the kernel's: as long as we had the sockets, neither would see the other's.
        sandbox_files_.gofer->owned.clear();
      }
      return record(pid, built.ready_waits);
    };
    Result<Launched> launched = launch(std::move(request), handler);
    if (!launched) return std::unexpected(std::move(launched).error());
    Process::Impl& started = process_.impl();
    started.pid = launched->pid;
    started.pidfd = std::move(launched->pidfd);
    Result<void> received = receive_console(console, process_);
    if (!received) {
      (void)sys::pidfd_signal(started.pidfd.get(), SIGKILL);
      (void)process_.wait();
    }
    return received;
  }

  // What cannot come back stays on record, for `delete --force`.
  void take_devices_back() {
    std::vector<std::string> warnings;
    Result<void> back = container::take_devices_back(container_.directory, warnings);
    if (!back) warnings.push_back(back.error().text());
    container_.warn_of_devices(warnings);
  }

  Result<void> enter_rdt_group(pid_t pid) {
    TRY(rdt_->make());
    TRY(rdt_->set(*config_.intel_rdt));
    TRY(rdt_->monitor());
    return rdt_->add(pid);
  }

  Result<std::vector<int>> run_runtime_hooks(pid_t pid) {
    const config::Hooks& hooks = config_.hooks;
    hooks_have_run_ = true;
    oci::State state = hook_state(config_, container_.id(), "creating", pid);
    TRY(run_hooks(config_, hooks.prestart, "prestart", state));
    TRY(run_hooks(config_, hooks.create_runtime, "createRuntime", state));
    std::vector<int> documents;
    if (hooks.create_container.empty() && hooks.start_container.empty()) return documents;
    // For the hooks that init runs, the pid is what the container's own pid namespace calls it.
    state.pid = inner_pid(pid);
    for (const char* status : {"creating", "created"}) {
      state.status = status;
      documents_.push_back(
          TRY(sys::memory_file("cella-state", oci::to_json(state), false), "writing the hooks' state"));
      documents.push_back(documents_.back().get());
    }
    return documents;
  }

  Result<void> prepare_record(pid_t pid) {
    config::State& state = state_.emplace();
    state.id = container_.id();
    state.init_process_pid = pid;
    state.init_process_start = TRY(sys::process_stat(pid), "reading the start time of process {}", pid)
    .start_time;
    timespec now;
    ::clock_gettime(CLOCK_REALTIME, &now);
    state.created = config::rfc3339(now);
    state.config = config_;
    state.rootless = config_.rootless_euid;
    state.cgroup_paths = manager_->paths();
    if (rdt_) keep_rdt_group(*rdt_, state);
    if (sandbox_) {
      if (!state.cella) state.cella.emplace();
      state.cella->isolation = "sandbox";
    }
    for (int type = 0; type < config::kNamespaceTypeCount; ++type) {
      auto kind = static_cast<NamespaceType>(type);
      if (kind == NamespaceType::kTime && !config_.namespaces.contains(kind)) continue;
      state.namespace_paths[config::namespace_key(kind)] =
          fmt::format("/proc/{}/ns/{}", pid, config::namespace_file(kind));
    }
    return container_.directory.prepare_state(config::to_json(state));
  }

  // From here on the container exists for others.
  Result<std::vector<int>> record(pid_t pid, bool ready_waits) {
    if (!state_) TRY(prepare_record(pid));
    if (const std::string& delegate = config_.cgroups.delegate; !delegate.empty()) {
      const auto uid = static_cast<uid_t>(config_.host_root_uid().value_or(0));
      const auto gid = static_cast<gid_t>(config_.host_root_gid().value_or(0));
      TRY(manager_->delegate(pid, delegate, uid, gid), "delegating a cgroup");
    }
    if (ready_waits) TRY(container_.directory.commit_state());
    container_.state = std::move(state_);
    return listener_.describe(config_, container_.id(), "creating", pid);
  }

  Container::Impl& container_;
  const config::Config& config_;
  Process& process_;
  const bool wait_;
  cgroup::Layout layout_;
  std::optional<cgroup::Manager> manager_;
  std::optional<rdt::Group> rdt_;
  plan::Facts facts_;  // of a sandbox, for its gofer
  std::optional<SandboxPlan> sandbox_;
  SandboxFiles sandbox_files_;
  std::vector<sys::FileDescriptor> documents_;
  std::optional<config::State> state_;
  SeccompListener listener_;
  bool hooks_have_run_ = false;
};

Result<void> run_poststart(Container::Impl& container) {
  const config::Config& config = container.config;
  if (config.hooks.poststart.empty()) return {};
  oci::State state = hook_state(config, container.id(), "running", static_cast<int>(container.state->init_process_pid));
  return run_hooks(config, config.hooks.poststart, "poststart", state);
}

constexpr int kEndTimeoutMs = 10'000;

void kill_init(Container::Impl& container) {
  Result<sys::FileDescriptor> init = container.open_init();
  if (!init) return;
  (void)sys::pidfd_signal(init->get(), SIGKILL);
  (void)sys::wait_readable(init->get(), kEndTimeoutMs);
}

}  // namespace

Result<void> start_init(Container::Impl& container, Process& process, bool wait_for_start) {
  Result<void> started = Start(container, process, wait_for_start).run();
  if (!started) {
    (void)container.directory.remove();
    container.state.reset();
    return started;
  }
  container.reserved = false;
  // Complete: from here on others may change it, however long this handle lives.
  base::ScopeExit unlock([&] { container.directory.unlock(); });
  if (wait_for_start) return {};
  Result<void> hooks = run_poststart(container);
  if (!hooks) kill_init(container);
  return hooks;
}

Result<void> release_init(Container::Impl& container) {
  TRY(container.directory.lock());
  base::ScopeExit unlock([&] { container.directory.unlock(); });
  sys::FileDescriptor fifo = TRY(container.directory.open_fifo());
  Result<sys::FileDescriptor> init = container.open_init();
  if (!init) return base::fail(ErrorCode::kContainerNotRunning, "cannot start a container that has stopped");
  if (!fifo) return base::fail(ErrorCode::kContainerNotRunning, "cannot start an already running container");
  if (TRY(container.cgroups().frozen())) {
    return base::fail(ErrorCode::kContainerPaused, "cannot start a container in the paused state");
  }

  // See plan/layout.h: a page of fill, the byte that init was waiting to write, then its end or an error. An init of
  // runc's was waiting for a reader, and writes the byte alone.
  std::string content;
  size_t fill = plan::kFifoFill;
  for (;;) {
    pollfd fds[2] = {{fifo.get(), POLLIN, 0}, {init->get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return base::fail_errno(errno, "waiting for init");
    char buffer[8192];
    ssize_t n = fds[0].revents != 0 ? ::read(fifo.get(), buffer, sizeof buffer) : -1;
    if (n > 0 && content.empty() && buffer[0] != '\0') fill = 0;
    if (n > 0) content.append(buffer, static_cast<size_t>(n));
    if (n == 0 || (n < 0 && fds[1].revents != 0)) break;
  }
  TRY(container.directory.remove_fifo());
  const size_t preamble = fill + 1;
  // Init ends after an error, and until then it would be said to run.
  if (content.size() != preamble) (void)sys::wait_readable(init->get(), kEndTimeoutMs);
  if (content.size() >= preamble + sizeof(plan::InitMessage)) {
    plan::InitMessage message;
    std::memcpy(&message, content.data() + preamble, sizeof message);
    std::string text(message.detail, ::strnlen(message.detail, sizeof message.detail));
    return std::unexpected(Error(ErrorCode::kSystemError, std::move(text), message.errno_value));
  }
  if (content.size() < preamble) {
    return base::fail(ErrorCode::kSystemError, "init ended before it could execute the program");
  }
  Result<void> hooks = run_poststart(container);
  if (!hooks) kill_init(container);
  return hooks;
}

}  // namespace cella::container
