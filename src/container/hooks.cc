#include "container/hooks.h"

#include <fcntl.h>

#include <cerrno>

#include "base/result.h"
#include "container/spawn.h"
#include "sys/file.h"

namespace cella::container {
namespace {

// Links are followed: the path is the operator's, and /dev/stdout is one.
Result<sys::FileDescriptor> open_output(const std::string& path) {
  if (path.empty()) return sys::FileDescriptor();
  // Not blocking, lest a fifo that nobody reads hangs us; what a hook writes to is an ordinary one again.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK;
  sys::FileDescriptor fd = TRY(sys::open(path.c_str(), kFlags, 0600), "opening {} for what hooks print", path);
  if (::fcntl(fd.get(), F_SETFL, O_APPEND) < 0) return base::fail_errno(errno, "opening {} for what hooks print", path);
  return fd;
}

Result<void> run_hook(const config::Hook& hook, const char* kind, size_t index, const std::string& state,
                      const std::string& bundle, const HookOutput& output) {
  Spawn spawn;
  spawn.path = hook.path;
  spawn.args = hook.args;
  if (spawn.args.empty()) spawn.args.push_back(hook.path);
  spawn.env = hook.env;
  spawn.input = state;
  spawn.directory = bundle;
  spawn.output = output.out.get();
  spawn.error_output = output.error.get();
  spawn.timeout_seconds = hook.timeout.value_or(0);
  TRY(run_to_end(spawn), "running {} hook #{} {}", kind, index, hook.path);
  return {};
}

}  // namespace

Result<HookOutput> HookOutput::open(const config::Config& config) {
  HookOutput output;
  output.out = TRY(open_output(config.hooks_stdout));
  output.error = TRY(open_output(config.hooks_stderr));
  return output;
}

Result<void> run_hooks(const config::Config& config, const std::vector<config::Hook>& hooks, const char* kind,
                       const oci::State& state) {
  if (hooks.empty()) return {};
  HookOutput output = TRY(HookOutput::open(config));
  std::string json = oci::to_json(state);
  for (size_t i = 0; i < hooks.size(); ++i) TRY(run_hook(hooks[i], kind, i, json, state.bundle, output));
  return {};
}

std::vector<Finding> run_all_hooks(const config::Config& config, const std::vector<config::Hook>& hooks,
                                   const char* kind, const oci::State& state) {
  std::vector<Finding> failures;
  if (hooks.empty()) return failures;
  Result<HookOutput> opened = HookOutput::open(config);
  if (!opened) failures.push_back({fmt::format("/hooks/{}", kind), opened.error().text()});
  HookOutput output = opened ? std::move(*opened) : HookOutput();
  std::string json = oci::to_json(state);
  for (size_t i = 0; i < hooks.size(); ++i) {
    Result<void> result = run_hook(hooks[i], kind, i, json, state.bundle, output);
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
