// Starting a further process in a running container.
#include <csignal>

#include "base/result.h"
#include "container/container_impl.h"
#include "container/control.h"
#include "container/host_facts.h"
#include "container/ignored.h"
#include "container/intel_rdt.h"
#include "container/launcher.h"
#include "container/process_impl.h"
#include "sys/process.h"

namespace cella::container {
namespace {

// "--cgroup [CONTROLLER[,…]:]PATH".
cgroup::SubPaths sub_paths(const std::string& text) {
  cgroup::SubPaths paths;
  if (text.empty()) return paths;
  size_t colon = text.find(':');
  if (colon == std::string::npos) {
    paths[""] = text;
    return paths;
  }
  for (size_t start = 0; start < colon;) {
    size_t end = std::min(text.find(',', start), colon);
    paths[text.substr(start, end - start)] = text.substr(colon + 1);
    start = end + 1;
  }
  return paths;
}

}  // namespace

Result<plan::Built> plan_further(const Container::Impl& container, const Process& process, cgroup::Layout& layout,
                                 bool tasks) {
  if (container.is_sandbox())
    return base::fail(ErrorCode::kUnsupported, "there is no plan for a process of the sandbox: its kernel starts it");
  // What the container does without was settled when it was made; here counts what this process would.
  plan::Facts facts = TRY(host_facts(container.config, layout, {}, nullptr));
  std::vector<Finding> ignored;
  config::ProcessConfig own = TRY(grantable(process.config, container.config, ignored));
  TRY(settle(*container.options, std::move(ignored)));
  facts.join_v1_tasks = tasks;
  plan::StartOptions options;
  options.id = container.id();
  options.init = false;
  options.wait_for_start = false;
  options.console_socket = process.keep_console || !process.console_socket.empty();
  options.extra_files = static_cast<uint32_t>(process.extra_files.size());
  return plan::build_exec(container.config, own, facts, options);
}

Result<void> start_further(Container::Impl& container, Process& process) {
  if (container.is_sandbox()) return exec_in_sandbox(container, process);
  if (!container.init_is_alive()) {
    return base::fail(ErrorCode::kContainerNotRunning, "cannot exec in a stopped container");
  }
  sys::FileDescriptor init = TRY(container.open_init());
  cgroup::Manager cgroups = container.cgroups();
  if (!process.ignore_paused && TRY(cgroups.frozen())) {
    return base::fail(ErrorCode::kContainerPaused,
                      "cannot exec in a paused container (use --ignore-paused to override)");
  }
  cgroup::Join join = TRY(cgroups.open_join(sub_paths(process.sub_cgroup)), "opening the container's cgroup");
  cgroup::Layout no_layout;
  plan::Built built = TRY(plan_further(container, process, no_layout, !join.tasks.empty()));
  ConsoleSockets console = TRY(open_console(process));
  SeccompListener listener = TRY(SeccompListener::connect(container.config, built));

  Launch request = {built, process.stdio, process.extra_files, {}, join.into_cgroup.get(), false};
  request.slots = {{built.pidfd, init.get()},
                   {built.console_socket, console.theirs.get()},
                   {built.listener_socket, listener.socket.get()}};
  Handler handler;
  const std::optional<rdt::Group> rdt = rdt_group(*container.state);
  handler.created = [&](pid_t pid) -> Result<void> {
    const config::ProcessConfig& own = process.config;
    std::vector<Finding> ignored;
    TRY(announce(process, pid, own.oom_score_adj ? own.oom_score_adj : container.config.oom_score_adj,
                 container.config.rootless_euid, ignored));
    if (!own.exec_cpu_affinity && !container.config.exec_cpu_affinity) reset_affinity(container, pid);
    if (rdt && rdt->exists()) TRY(rdt->add(pid));
    // The container's other processes have been in the default group since.
    if (rdt && !rdt->exists()) {
      container.warn_all({{"/linux/intelRdt", fmt::format("the resctrl group {} is gone", rdt->path())}});
    }
    return settle(*container.options, std::move(ignored));
  };
  handler.cgroups = [&]() -> Result<std::vector<int>> {
    std::vector<int> fds;
    for (const sys::FileDescriptor& tasks : join.tasks) fds.push_back(tasks.get());
    return fds;
  };
  handler.ready = [&](pid_t pid) { return listener.describe(container.config, container.id(), "running", pid); };
  Launched launched = TRY(launch(std::move(request), handler));
  process.impl().pid = launched.pid;
  process.impl().pidfd = std::move(launched.pidfd);
  return receive_console(console, process);
}

}  // namespace cella::container
