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

Result<RdtChange> RdtChange::make(const config::State& state, const std::optional<config::IntelRdt>& wanted) {
  const std::optional<config::IntelRdt>& present = state.config.intel_rdt;
  RdtChange change;
  if (wanted == present) return change;
  std::optional<rdt::Group> group = rdt_group(state);
  if (!group || !wanted) {
    return base::fail(ErrorCode::kInvalidArgument, "linux.intelRdt: a container cannot be {} later",
                      group ? "taken out of its resctrl group" : "put in a resctrl group");
  }
  if (wanted->clos_id != present->clos_id || wanted->enable_monitoring != present->enable_monitoring) {
    return base::fail(ErrorCode::kInvalidArgument,
                      "linux.intelRdt: closID and enableMonitoring cannot be changed later");
  }
  config::IntelRdt changed = *wanted;
  if (wanted->l3_cache_schema == present->l3_cache_schema) changed.l3_cache_schema.clear();
  if (wanted->mem_bw_schema == present->mem_bw_schema) changed.mem_bw_schema.clear();
  if (wanted->schemata == present->schemata) changed.schemata.clear();
  change.before_ = TRY(group->schemata());
  TRY(group->set(changed));
  change.group_ = std::move(group);
  return change;
}

void RdtChange::undo() const {
  if (group_) (void)group_->put_back(before_);
}

}  // namespace cella::container
