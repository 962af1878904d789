#include <cella/container.h>

#include <algorithm>
#include <csignal>

#include "base/result.h"
#include "base/scope_exit.h"
#include "container/bundle.h"
#include "container/container_impl.h"
#include "container/control.h"
#include "container/pid_namespace.h"
#include "container/process_impl.h"
#include "plan/print.h"
#include "sys/process.h"

namespace cella {

using container::StateDirectory;

// --- what the kernel knows

bool Container::Impl::init_is_alive() const {
  if (!state || state->init_process_pid <= 0) return false;
  SysResult<sys::ProcessStat> stat = sys::process_stat(static_cast<pid_t>(state->init_process_pid));
  return stat && stat->start_time == state->init_process_start && stat->state != 'Z' && stat->state != 'X';
}

Result<sys::FileDescriptor> Container::Impl::open_init() const {
  // Opened first, looked at then: the number cannot be another process's meanwhile.
  if (state && state->init_process_pid > 0) {
    SysResult<sys::FileDescriptor> pidfd = sys::pidfd_open(static_cast<pid_t>(state->init_process_pid));
    if (pidfd && init_is_alive()) return std::move(*pidfd);
  }
  return base::fail(ErrorCode::kContainerNotRunning, "container not running");
}

cgroup::Manager Container::Impl::cgroups() const {
  return cgroup::Manager::load(state ? state->cgroup_paths : cgroup::Paths(), config.rootless_cgroups);
}

Result<Status> Container::Impl::status() const {
  if (!init_is_alive()) return Status::kStopped;
  if (TRY(cgroups().frozen())) return Status::kPaused;
  return directory.has_fifo() ? Status::kCreated : Status::kRunning;
}

// --- the handle

const char* status_name(Status status) {
  switch (status) {
    case Status::kCreated:
      return "created";
    case Status::kRunning:
      return "running";
    case Status::kPausing:
      return "pausing";
    case Status::kPaused:
      return "paused";
    case Status::kStopped:
      return "stopped";
  }
  return "";
}

Container::Container(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Container::Container(Container&&) noexcept = default;
Container& Container::operator=(Container&&) noexcept = default;
Container::~Container() {
  // A reserved id whose container never came to be.
  if (impl_ && impl_->reserved) (void)impl_->directory.remove();
}

const std::string& Container::id() const {
  return impl_->id();
}
const config::Config& Container::config() const {
  return impl_->config;
}
Result<Status> Container::status() const {
  return impl_->status();
}

Result<OciState> Container::oci_state() const {
  OciState result;
  result.oci_version = impl_->config.version;
  result.id = impl_->id();
  result.status = TRY(impl_->status());
  if (result.status != Status::kStopped) result.pid = static_cast<pid_t>(impl_->state->init_process_pid);
  result.rootfs = impl_->config.rootfs;
  if (impl_->state) result.created = impl_->state->created;
  result.owner = impl_->directory.owner();
  for (const std::string& label : impl_->config.labels) {
    size_t equals = label.find('=');
    if (equals == std::string::npos) continue;
    std::string key = label.substr(0, equals), value = label.substr(equals + 1);
    if (key == "bundle") {
      result.bundle = std::move(value);
    } else {
      result.annotations.emplace(std::move(key), std::move(value));
    }
  }
  return result;
}

Result<std::string> Container::state_json() const {
  return impl_->directory.read_state();
}

Result<std::vector<pid_t>> Container::processes() const {
  cgroup::Manager cgroups = impl_->cgroups();
  std::vector<pid_t> pids = TRY(cgroups.processes(true), "listing the processes of container {}", id());
  if (pids.empty() && impl_->init_is_alive()) {
    const pid_t init = static_cast<pid_t>(impl_->state->init_process_pid);
    if (!impl_->config.namespaces.is_new(config::NamespaceType::kPid)) return std::vector<pid_t>{init};
    auto pid_namespace = TRY(container::PidNamespace::of(init), "listing the processes of container {}", id());
    return TRY(pid_namespace.processes(), "listing the processes of container {}", id());
  }
  std::ranges::sort(pids);
  return pids;
}

bool Container::is_sandbox() const {
  return impl_->is_sandbox();
}

Result<std::vector<sandbox::GuestProcess>> Container::guest_processes() const {
  if (!is_sandbox()) return base::fail(ErrorCode::kUnsupported, "container {} has no kernel of its own", id());
  // Its kernel is not there yet, or no more.
  if (!impl_->init_is_alive() || impl_->directory.has_fifo()) return std::vector<sandbox::GuestProcess>();
  const std::string answer = TRY(container::call_control(*impl_, sandbox::boot::kApplicationProcesses),
                                 "listing the processes of container {}", id());
  auto list = TRY(sandbox::boot::result_of<sandbox::boot::ProcessList>(answer));
  return std::move(list.processes);
}

Result<void> Container::start(Process& process) {
  TRY(impl_->state ? container::start_further(*impl_, process) : container::start_init(*impl_, process, true));
  process.impl().pipes = {};
  return {};
}

Result<void> Container::run(Process& process) {
  TRY(impl_->state ? container::start_further(*impl_, process) : container::start_init(*impl_, process, false));
  process.impl().pipes = {};
  return {};
}

Result<void> Container::exec() {
  return container::release_init(*impl_);
}

Result<config::ProcessConfig> Container::default_process() const {
  return container::bundle_process(impl_->config.label("bundle"));
}

Result<PlanText> Container::plan_exec(const Process& process) const {
  cgroup::Layout layout = TRY(cgroup::detect(), "looking for cgroups");
  bool tasks = layout.kind == cgroup::Layout::kV1 || layout.kind == cgroup::Layout::kHybrid;
  plan::Built built = TRY(container::plan_further(*impl_, process, layout, tasks));
  return PlanText{plan::to_text(built.plan), plan::to_json(built.plan)};
}

Result<void> Container::signal(int signal_number) {
  sys::FileDescriptor init = TRY(impl_->open_init());
  SysResult<void> sent = sys::pidfd_signal(init.get(), signal_number);
  if (!sent && sent.error().value == ESRCH) return base::fail(ErrorCode::kContainerNotRunning, "container not running");
  TRY(sent, "sending signal {} to container {}", signal_number, id());
  // A process frozen by cgroup v1 dies when it thaws.
  if (signal_number == SIGKILL) {
    cgroup::Manager cgroups = impl_->cgroups();
    if (TRY(cgroups.frozen())) TRY(cgroups.freeze(false), "thawing container {}", id());
  }
  return {};
}

Result<void> Container::signal_all(int signal_number) {
  // Signals but this one are the guest's; what runs guest code must not get them.
  if (is_sandbox() && signal_number != SIGKILL) {
    if (!impl_->init_is_alive()) return {};
    if (impl_->directory.has_fifo()) return signal(signal_number);
    json::Writer arg;
    json::write(sandbox::boot::Signal{0, signal_number}, arg);
    TRY(container::call_control(*impl_, sandbox::boot::kApplicationSignal, arg.text()),
        "sending signal {} to the processes of container {}", signal_number, id());
    return {};
  }
  cgroup::Manager cgroups = impl_->cgroups();
  if (cgroups.exists()) {
    TRY(cgroups.kill_all(signal_number), "sending signal {} to the processes of container {}", signal_number, id());
    return {};
  }
  if (!impl_->init_is_alive()) return {};
  // The end of a pid namespace's first process is that of all.
  if (signal_number == SIGKILL || !impl_->config.namespaces.is_new(config::NamespaceType::kPid)) {
    return signal(signal_number);
  }
  const pid_t init = static_cast<pid_t>(impl_->state->init_process_pid);
  auto pid_namespace = TRY(container::PidNamespace::of(init), "signalling the processes of container {}", id());
  TRY(pid_namespace.signal_all(signal_number), "sending signal {} to the processes of container {}", signal_number,
      id());
  return {};
}

Result<void> Container::pause() {
  Status now = TRY(status());
  if (now == Status::kPaused) return {};
  if (now != Status::kRunning && now != Status::kCreated) {
    return base::fail(ErrorCode::kContainerNotRunning, "container not running");
  }
  cgroup::Manager cgroups = impl_->cgroups();
  TRY(cgroups.freeze(true), "pausing container {}", id());
  return {};
}

Result<void> Container::resume() {
  cgroup::Manager cgroups = impl_->cgroups();
  if (!impl_->init_is_alive()) return base::fail(ErrorCode::kContainerNotRunning, "container not running");
  if (!TRY(cgroups.frozen())) return base::fail(ErrorCode::kContainerNotPaused, "container not paused");
  TRY(cgroups.freeze(false), "resuming container {}", id());
  return {};
}

Result<void> Container::destroy() {
  if (impl_->reserved) {
    impl_->reserved = false;
    return impl_->directory.remove();
  }
  if (!impl_->state) return {};  // its start failed and took everything back
  Result<void> locked = impl_->directory.lock();
  // Destroyed already, by somebody else.
  if (!locked && locked.error().code == ErrorCode::kContainerNotExists) return {};
  TRY(std::move(locked));
  base::ScopeExit unlock([&] { impl_->directory.unlock(); });
  Status now = TRY(impl_->status());
  if (now == Status::kCreated) {
    // Nobody's program runs in it yet.
    sys::FileDescriptor init = TRY(impl_->open_init());
    (void)sys::pidfd_signal(init.get(), SIGKILL);
    constexpr int kTimeoutMs = 10'000;
    (void)sys::wait_readable(init.get(), kTimeoutMs);
  } else if (now != Status::kStopped) {
    return base::fail(now == Status::kPaused ? ErrorCode::kContainerPaused : ErrorCode::kContainerNotStopped,
                      "cannot delete container {} that is not stopped: {}", id(), status_name(now));
  }
  return container::remove_container(*impl_);
}

}  // namespace cella
