// The inside of a Container, shared by the files that implement it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cella/container.h>
#include <cella/factory.h>

#include "cgroup/manager.h"
#include "config/state.h"
#include "container/gofer.h"
#include "container/id_maps.h"
#include "container/state_directory.h"
#include "plan/build.h"
#include "sandbox/boot/jail.h"
#include "sandbox/boot/options.h"

namespace cella {

struct Container::Impl {
  std::shared_ptr<const FactoryOptions> options;  // root is set
  container::StateDirectory directory;
  config::Config config;
  std::optional<config::State> state;  // absent: nothing has been started yet
  // The sandbox's, which this process has started, and so has to wait for.
  std::optional<container::Launched> gofer;
  bool reserved = false;  // made by this handle's Factory::create; not complete yet

  // Of what went wrong and ends nothing. What was asked for and is ignored goes through settle().
  // What was lost of network devices on the way.
  void warn_of_devices(const std::vector<std::string>& texts) const {
    if (!options->on_warning) return;
    for (const std::string& text : texts) options->on_warning({"/linux/netDevices", text});
  }
  void warn_all(const std::vector<Finding>& findings) const {
    if (!options->on_warning) return;
    for (const Finding& finding : findings) options->on_warning(finding);
  }
  const std::string& id() const { return directory.id(); }
  // Is the second engine's? Factory::create has checked the annotation.
  bool is_sandbox() const { return sandbox::boot::is_asked_for(config.labels).value_or(false); }
  // What the host's cgroups are to keep to.
  config::Resources host_resources(const config::Resources& resources) const {
    return is_sandbox() ? sandbox::boot::host_resources(resources) : resources;
  }

  // Is the init process there, the same one and not a zombie?
  bool init_is_alive() const;
  // A pidfd of it. kContainerNotRunning.
  Result<sys::FileDescriptor> open_init() const;
  Result<Status> status() const;
  cgroup::Manager cgroups() const;
};

}  // namespace cella

namespace cella::container {

// start.cc: the first process, waiting for start or run at once.
Result<void> start_init(Container::Impl& container, Process& process, bool wait_for_start);
// Lets a waiting init go, and runs the poststart hooks.
Result<void> release_init(Container::Impl& container);
// exec.cc: a further process.
Result<void> start_further(Container::Impl& container, Process& process);
Result<plan::Built> plan_further(const Container::Impl& container, const Process& process, cgroup::Layout& layout,
                                 bool tasks);
// destroy.cc: removes whatever there is of a container; nothing of it may be running.
Result<void> remove_container(Container::Impl& container);
// The half-made one in `directory`, as its journal tells.
Result<void> remove_remains(StateDirectory& directory, std::vector<std::string>& warnings);

// process_io.cc: the sockets that a process's terminal and pidfd go to.
struct ConsoleSockets {
  sys::FileDescriptor theirs;  // for init
  sys::FileDescriptor ours;    // with keep_console: the master arrives here
};
Result<ConsoleSockets> open_console(const Process& process);
// Does init's part for a process of the sandbox: makes a terminal of the host's, sends its master to `sockets.theirs`,
// and gives the slave, which nobody is controlled by yet.
Result<sys::FileDescriptor> make_terminal(const Process& process, const ConsoleSockets& sockets);
Result<void> receive_console(ConsoleSockets& sockets, Process& process);
// As soon as the process exists: its pid file, its pidfd socket, its OOM score. A rootless container does without a
// score that it may not have; that is added to `ignored`.
Result<void> announce(const Process& process, pid_t pid, std::optional<int> oom_score_adj, bool rootless,
                      std::vector<Finding>& ignored);

// To a unix socket.
Result<void> send_pidfd(const std::string& path, pid_t pid);
// A process for which no CPUs are named must not inherit those that the runtime happens to be kept to (a shell's
// taskset, a unit's CPUAffinity=): the container's cpuset decides. What denies it is warned about.
void reset_affinity(const Container::Impl& container, pid_t pid);

// The other end of seccomp.listenerPath, and the ContainerProcessState that goes there with the notify descriptor
// (config-linux.md, "The Container Process State").
struct SeccompListener {
  sys::FileDescriptor socket;
  sys::FileDescriptor document;

  // Nothing when the plan has no listener.
  static Result<SeccompListener> connect(const config::Config& config, const plan::Built& built);
  // What the plan's SyncPoint::kReady wants.
  Result<std::vector<int>> describe(const config::Config& config, const std::string& id, const char* status, pid_t pid);
};

}  // namespace cella::container
