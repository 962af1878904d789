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

Result<void> update_rdt_group(Container::Impl& container, const std::string& l3_cache_schema,
                              const std::string& mem_bw_schema) {
  std::optional<rdt::Group> group = container.state ? rdt_group(*container.state) : std::nullopt;
  if (!group) {
    return base::fail(ErrorCode::kInvalidArgument, "container {} has no linux.intelRdt to be updated", container.id());
  }
  TRY(group->set({{}, l3_cache_schema, mem_bw_schema, {}, false}), "updating container {}", container.id());
  for (config::Config* config : {&container.config, &container.state->config}) {
    if (!l3_cache_schema.empty()) config->intel_rdt->l3_cache_schema = l3_cache_schema;
    if (!mem_bw_schema.empty()) config->intel_rdt->mem_bw_schema = mem_bw_schema;
  }
  return {};
}

}  // namespace cella::container
