// Hooks that run in the runtime's namespaces: prestart, createRuntime, poststart, poststop. The container's own
// (createContainer, startContainer) are steps of the plan. config.md of the OCI specification, "POSIX-platform Hooks".
#pragma once

#include <string>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

#include "oci/state.h"
#include "sys/fd.h"

namespace cella::container {

// Where hooks print to: Config::hooks_stdout and hooks_stderr, opened to append. Nothing is open when neither is set.
struct HookOutput {
  sys::FileDescriptor out, error;
  static Result<HookOutput> open(const config::Config& config);
};

// In order; the first that fails ends it. `hooks` are some of the config's.
Result<void> run_hooks(const config::Config& config, const std::vector<config::Hook>& hooks, const char* kind,
                       const oci::State& state);
// All of them, whatever fails: poststop. One finding for each failure.
std::vector<Finding> run_all_hooks(const config::Config& config, const std::vector<config::Hook>& hooks,
                                   const char* kind, const oci::State& state);

// The state document of a container with these labels.
oci::State hook_state(const config::Config& config, const std::string& id, const char* status, int pid);

}  // namespace cella::container
