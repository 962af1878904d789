#include <csignal>

#include "base/result.h"
#include "container/container_impl.h"
#include "container/hooks.h"

namespace cella::container {

Result<void> remove_container(Container::Impl& container) {
  cgroup::Manager cgroups = container.cgroups();
  // In a pid namespace of its own everything died with init; otherwise what is left is found by the cgroup.
  if (!container.config.namespaces.is_new(config::NamespaceType::kPid)) {
    TRY(cgroups.kill_all(SIGKILL), "killing the container's processes");
  }
  TRY(cgroups.destroy(), "removing the cgroup");
  TRY(container.directory.remove());
  const config::Config& config = container.config;
  if (!config.hooks.poststop.empty()) {
    container.warn_all(
        run_all_hooks(config, config.hooks.poststop, "poststop", hook_state(config, container.id(), "stopped", 0)));
  }
  return {};
}

Result<void> remove_remains(StateDirectory& directory) {
  cgroup::Manager cgroups = cgroup::Manager::load(TRY(directory.read_journal()));
  TRY(cgroups.kill_all(SIGKILL), "killing what is left of container {}", directory.id());
  TRY(cgroups.destroy(), "removing the cgroup of container {}", directory.id());
  return directory.remove();
}

}  // namespace cella::container
