#include <csignal>

#include "base/result.h"
#include "container/container_impl.h"
#include "container/hooks.h"
#include "container/intel_rdt.h"
#include "container/net_devices.h"

namespace cella::container {

Result<void> remove_container(Container::Impl& container) {
  cgroup::Manager cgroups = container.cgroups();
  // In a pid namespace of its own everything died with init; otherwise what is left is found by the cgroup.
  if (!container.config.namespaces.is_new(config::NamespaceType::kPid)) {
    TRY(cgroups.kill_all(SIGKILL), "killing the container's processes");
  }
  reap(container.gofer);
  TRY(cgroups.destroy(), "removing the cgroup");
  if (std::optional<rdt::Group> group = rdt_group(*container.state)) TRY(group->remove());
  const config::Config& config = container.config;
  if (!config.net_devices.empty()) {
    std::vector<std::string> warnings;
    Result<void> back = take_devices_back(container.directory, warnings);
    container.warn_of_devices(warnings);
    TRY(std::move(back));
  }
  TRY(container.directory.remove());
  if (!config.hooks.poststop.empty()) {
    container.warn_all(
        run_all_hooks(config, config.hooks.poststop, "poststop", hook_state(config, container.id(), "stopped", 0)));
  }
  return {};
}

Result<void> remove_remains(StateDirectory& directory, std::vector<std::string>& warnings) {
  const Journal journal = TRY(directory.read_journal());
  cgroup::Manager cgroups = cgroup::Manager::load(journal.cgroup_paths);
  TRY(cgroups.kill_all(SIGKILL), "killing what is left of container {}", directory.id());
  TRY(cgroups.destroy(), "removing the cgroup of container {}", directory.id());
  TRY(rdt::remove_unused(journal.resctrl_groups));
  TRY(take_devices_back(directory, warnings));
  return directory.remove();
}

}  // namespace cella::container
