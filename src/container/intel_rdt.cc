#include "container/intel_rdt.h"

#include "base/result.h"

namespace cella::container {

Result<std::optional<rdt::Group>> plan_rdt_group(const config::Config& config, const std::string& id) {
  if (!config.intel_rdt) return std::nullopt;
  std::optional<rdt::Filesystem> filesystem = TRY(rdt::detect());
  if (!filesystem) {
    Error error(ErrorCode::kUnsupported, "linux.intelRdt needs a mounted resctrl filesystem, and there is none");
    error.hint = "where CPU and kernel have resource control: mount -t resctrl resctrl /sys/fs/resctrl";
    return std::unexpected(std::move(error));
  }
  return TRY(rdt::Group::plan(*filesystem, *config.intel_rdt, id));
}

std::optional<rdt::Group> rdt_group(const config::State& state) {
  if (!state.config.intel_rdt || state.intel_rdt_path.empty()) return std::nullopt;
  // In a state that runc has written, a group that has the container's name is the container's.
  const bool own = state.cella ? state.cella->intel_rdt_own : state.config.intel_rdt->clos_id.empty();
  return rdt::Group::load(*state.config.intel_rdt, state.intel_rdt_path, state.intel_rdt_mon_path, own);
}

void keep_rdt_group(const rdt::Group& group, config::State& state) {
  state.intel_rdt_path = group.path();
  state.intel_rdt_mon_path = group.monitor_path();
  if (!state.cella) state.cella.emplace();
  state.cella->intel_rdt_own = group.own();
}

Result<void> change_rdt_group(const config::State& state, const config::IntelRdt& wanted) {
  std::optional<rdt::Group> group = rdt_group(state);
  if (!group) {
    return base::fail(ErrorCode::kInvalidArgument, "container {} has no linux.intelRdt to be updated", state.id);
  }
  return group->set(wanted);
}

}  // namespace cella::container
