// Changing the resources of a container that is there.
#include <functional>
#include <utility>

#include "base/result.h"
#include "base/scope_exit.h"
#include "config/resources.h"
#include "container/container_impl.h"
#include "container/control.h"
#include "container/intel_rdt.h"
#include "sandbox/boot/jail.h"

namespace cella {
namespace {

// The kernel's own refusal would come only if the shares were written, which they are not while the group is idle.
Result<void> check_idle(const config::Resources& resources, const config::Resources& before) {
  if (resources.cpu_idle.value_or(0) == 0 || before.cpu_idle.value_or(0) == 0) return {};
  if (resources.cpu_shares == before.cpu_shares) return {};
  return base::fail(ErrorCode::kInvalidArgument,
                    "linux.resources.cpu.shares: cannot be changed while cpu.idle is 1: the kernel sets them");
}

void merge_intel_rdt(const config::IntelRdt& changes, std::optional<config::IntelRdt>& present) {
  if (!present) present.emplace();
  if (!changes.clos_id.empty()) present->clos_id = changes.clos_id;
  if (!changes.l3_cache_schema.empty()) present->l3_cache_schema = changes.l3_cache_schema;
  if (!changes.mem_bw_schema.empty()) present->mem_bw_schema = changes.mem_bw_schema;
  if (!changes.schemata.empty()) present->schemata = changes.schemata;
  present->enable_monitoring |= changes.enable_monitoring;
}

// What the kernel of a sandbox keeps itself of it.
Result<void> tell_kernel(const Container::Impl& container, const config::Resources& resources) {
  if (!container.is_sandbox()) return {};
  return container::tell_control(container, sandbox::boot::kApplicationUpdate, sandbox::boot::guest_limits(resources));
}

// Reads the config of now, lets `change` change it, applies it and writes it down, all under the container's lock.
Result<void> change_config(Container::Impl& container, const std::function<void(config::Config&)>& change) {
  if (!container.state) return base::fail(ErrorCode::kContainerNotRunning, "container not running");
  TRY(container.directory.lock());
  base::ScopeExit unlock([&] { container.directory.unlock(); });
  const std::string text = TRY(container.directory.read_state());
  config::State state = TRY(config::parse_state(text), "state.json of container {}", container.id());
  container.state = state;
  container.config = state.config;
  if (!container.init_is_alive()) return base::fail(ErrorCode::kContainerNotRunning, "container not running");
  if (!state.config.cgroups.paths.empty()) {
    return base::fail(ErrorCode::kUnsupported, "the cgroups of container {} are not its own to limit", container.id());
  }

  change(state.config);
  const config::Resources& before = container.config.cgroups.resources;
  config::Resources& resources = state.config.cgroups.resources;
  TRY(check_idle(resources, before));
  const bool skip_devices = std::exchange(resources.skip_devices, before.skip_devices);
  resources.freezer = before.freezer;
  // On disk before anything is changed, so that no full disk can come between the two.
  TRY(container.directory.prepare_state(config::to_json(state)));
  base::ScopeExit discard([&] { container.directory.discard_state(); });
  config::Resources wanted = resources;
  wanted.skip_devices = skip_devices;
  const container::RdtChange rdt = TRY(container::RdtChange::make(*container.state, state.config.intel_rdt));
  base::ScopeExit undo_rdt([&] { rdt.undo(); });
  cgroup::Manager cgroups = container.cgroups();
  TRY(cgroups.set(container.host_resources(wanted), container.host_resources(before)));
  base::ScopeExit undo_cgroups(
      [&] { (void)cgroups.set(container.host_resources(before), container.host_resources(wanted)); });
  TRY(tell_kernel(container, resources));
  discard.dismiss();
  if (Result<void> committed = container.directory.commit_state(); !committed) {
    (void)tell_kernel(container, before);
    return committed;
  }
  undo_cgroups.dismiss();
  undo_rdt.dismiss();
  container.config = state.config;
  container.state = std::move(state);
  return {};
}

}  // namespace

Result<void> Container::set(const config::Config& config) {
  TRY(change_config(*impl_,
                    [&](config::Config& present) {
                      present.cgroups.resources = config.cgroups.resources;
                      present.intel_rdt = config.intel_rdt;
                    }),
      "updating container {}", id());
  return {};
}

Result<void> Container::update(const ResourceChanges& changes) {
  TRY(change_config(*impl_,
                    [&](config::Config& present) {
                      config::merge_resources(changes.resources, present.cgroups.resources);
                      if (changes.intel_rdt) merge_intel_rdt(*changes.intel_rdt, present.intel_rdt);
                    }),
      "updating container {}", id());
  return {};
}

}  // namespace cella
