#include "container/hooks.h"

#include "base/result.h"
#include "container/spawn.h"

namespace cella::container {
namespace {

Result<void> run_hook(const config::Hook& hook, const char* kind, size_t index, const std::string& state,
                      const std::string& bundle) {
  Spawn spawn;
  spawn.path = hook.path;
  spawn.args = hook.args;
  if (spawn.args.empty()) spawn.args.push_back(hook.path);
  spawn.env = hook.env;
  spawn.input = state;
  spawn.directory = bundle;
  spawn.timeout_seconds = hook.timeout.value_or(0);
  TRY(run_to_end(spawn), "running {} hook #{} {}", kind, index, hook.path);
  return {};
}

}  // namespace

Result<void> run_hooks(const std::vector<config::Hook>& hooks, const char* kind, const oci::State& state) {
  if (hooks.empty()) return {};
  std::string json = oci::to_json(state);
  for (size_t i = 0; i < hooks.size(); ++i) TRY(run_hook(hooks[i], kind, i, json, state.bundle));
  return {};
}

std::vector<Finding> run_all_hooks(const std::vector<config::Hook>& hooks, const char* kind, const oci::State& state) {
  std::vector<Finding> failures;
  if (hooks.empty()) return failures;
  std::string json = oci::to_json(state);
  for (size_t i = 0; i < hooks.size(); ++i) {
    Result<void> result = run_hook(hooks[i], kind, i, json, state.bundle);
    if (!result) failures.push_back({fmt::format("/hooks/{}/{}", kind, i), result.error().text()});
  }
  return failures;
}

oci::State hook_state(const config::Config& config, const std::string& id, const char* status, int pid) {
  oci::State state;
  state.version = config.version;
  state.id = id;
  state.status = status;
  state.pid = pid;
  for (const std::string& label : config.labels) {
    size_t equals = label.find('=');
    if (equals == std::string::npos) continue;
    std::string key = label.substr(0, equals), value = label.substr(equals + 1);
    if (key == "bundle") {
      state.bundle = std::move(value);
    } else {
      state.annotations.emplace(std::move(key), std::move(value));
    }
  }
  return state;
}

}  // namespace cella::container
