// Container: a handle to one container under a Factory's root. libcontainer's Container.
//
// Move-only; holds a descriptor of the state directory and reads the rest when asked, because another process may
// change or destroy the container at any time. The destructor closes and never kills. A handle belongs to one thread at
// a time; other threads, like other processes, have handles of their own (Factory::load).
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>
#include <cella/notification.h>
#include <cella/process.h>
#include <cella/sandbox.h>
#include <cella/stats.h>

namespace cella {

// Derived from the kernel, never stored.
enum class Status {
  kCreated,  // init waits for exec()
  kRunning,
  kPausing,
  kPaused,
  kStopped,
};
// "created", "running", "pausing", "paused", "stopped".
const char* status_name(Status status);

// `state` of the OCI runtime specification, with runc's additions (rootfs, created, owner).
struct OciState {
  std::string oci_version;
  std::string id;
  pid_t pid = 0;  // 0 when stopped
  Status status = Status::kStopped;
  std::string bundle;
  std::string rootfs;
  std::string created;  // RFC 3339, UTC
  std::map<std::string, std::string> annotations;
  std::string owner;  // user name of the state directory's owner
};
// As `runc state` prints it: indented by two spaces, no newline at the end.
std::string to_json(const OciState& state);
// As `runc list --format json`: one line; "null" when empty.
std::string to_json(const std::vector<OciState>& states);

// What Container::update changes: what is absent or empty here stays as it is, and so does a number that is 0 where the
// kernel has no such value. A list of device rules takes the place of the present one (the rules that every container
// has are kept); lists of limits by device, interface or page size are changed entry by entry.
struct ResourceChanges {
  config::Resources resources;  // but for freezer and skip_devices
  std::optional<config::IntelRdt> intel_rdt;
};

// The steps of a plan, for people and for programs. See docs/architecture.md.
struct PlanText {
  std::string text;  // a numbered line a step, ending in a newline
  std::string json;  // {"steps":[{"n":1,"op":"…",…}…]}, ending in a newline
};

class Container {
 public:
  Container(Container&&) noexcept;
  Container& operator=(Container&&) noexcept;
  ~Container();

  const std::string& id() const;
  Result<Status> status() const;
  Result<OciState> oci_state() const;
  // libcontainer's State as JSON: what state.json holds.
  Result<std::string> state_json() const;
  const config::Config& config() const;
  // Pids of all processes in the container, in the caller's pid namespace, ascending.
  Result<std::vector<pid_t>> processes() const;

  // Is it one of the second engine's, see cella/sandbox.h? Its processes are then those of its kernel and of what runs
  // guest code; the programs' own have numbers of the guest's alone:
  bool is_sandbox() const;
  // kContainerNotRunning; kUnsupported for a container that is none.
  Result<std::vector<sandbox::GuestProcess>> guest_processes() const;

  // Starts a process. The first one is the container's init: it is set up completely and then waits for exec(). Later
  // ones join the running container and run at once. kConfigInvalid and kUnsupported for a Config that no plan can be
  // made of. When the first one fails to start, nothing of the container is left.
  Result<void> start(Process& process);
  // start(), and exec() for the init process.
  Result<void> run(Process& process);
  // Lets the waiting init execute the user's program; returns when it has, or with its error. Runs the poststart hooks.
  Result<void> exec();
  // The program of the bundle's config.json (the template of `exec`).
  Result<config::ProcessConfig> default_process() const;
  // The plan that start() would carry out for this process in this running container. Creates nothing.
  Result<PlanText> plan_exec(const Process& process) const;

  // To the init process. kContainerNotRunning when it has ended.
  Result<void> signal(int signal_number);
  // To every process of the container; success when there is none.
  Result<void> signal_all(int signal_number);
  Result<void> pause();
  Result<void> resume();

  // Applies the resources of the config (cgroups.resources but for the freezer's state, and intel_rdt; the rest is not
  // looked at) to the container, created, running or paused, and keeps them in its state. When the kernel refuses one
  // of the values, those written before it are put back, and the error says which could not be. Device rules are
  // written only when they are not those of before. kContainerNotRunning; kUnsupported for a value that this host
  // cannot have.
  Result<void> set(const config::Config& config);
  // set() of the present config with the changes in it. Safe against other processes that do the same.
  Result<void> update(const ResourceChanges& changes);

  // kContainerNotRunning.
  Result<Stats> stats() const;
  // An event each time that a process of the container has been killed for lack of memory, or would have been.
  // kContainerNotRunning; kUnsupported without a memory cgroup.
  Result<Notification> notify_oom() const;
  // An event each time that the pressure reaches the level. Also kUnsupported on cgroup v2, which has memory.pressure.
  Result<Notification> notify_memory_pressure(PressureLevel level) const;

  // Removes cgroups, state and runs the poststop hooks. kContainerNotStopped when it is running, kContainerPaused when
  // it is paused; success when it has been destroyed already. A created one is killed first.
  Result<void> destroy();

  struct Impl;
  explicit Container(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cella
