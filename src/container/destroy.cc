#include <csignal>

#include "base/result.h"
#include "container/container_impl.h"
#include "container/hooks.h"
#include "container/intel_rdt.h"

namespace cella::container {

Result<void> remove_container(Container::Impl& container) {
  cgroup::Manager cgroups = container.cgroups();
  // In a pid namespace of its own everything died with init; otherwise what is left is found by the cgroup.
  if (!container.config.namespaces.is_new(config::NamespaceType::kPid)) {
    TRY(cgroups.kill_all(SIGKILL), "killing the container's processes");
  }
  TRY(cgroups.destroy(), "removing the cgroup");
  if (std::optional<rdt::Group> group = rdt_group(*container.state)) TRY(group->remove());
  TRY(container.directory.remove());
  const config::Config& config = container.config;
  if (!config.hooks.poststop.empty()) {
    container.warn_all(
        run_all_hooks(config.hooks.poststop, "poststop", hook_state(config, container.id(), "stopped", 0)));
  }
  return {};
}

Result<void> remove_remains(StateDirectory& directory) {
  const Journal journal = TRY(directory.read_journal());
  cgroup::Manager cgroups = cgroup::Manager::load(journal.cgroup_paths);
  TRY(cgroups.kill_all(SIGKILL), "killing what is left of container {}", directory.id());
  TRY(cgroups.destroy(), "removing the cgroup of container {}", directory.id());
  TRY(rdt::remove_unused(journal.resctrl_groups));
  return directory.remove();
}

}  // namespace cella::container
