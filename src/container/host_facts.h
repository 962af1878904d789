// The host's facts for a plan, and whether we are an ordinary user. Each is read only when something depends on it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

#include "cgroup/layout.h"
#include "cgroup/paths.h"
#include "plan/facts.h"

namespace cella::container {

// Root in the initial user namespace, user_namespaces(7).
bool is_privileged();

// For a container whose cgroups are `paths`. Compiles the seccomp policy. Warnings go to `warnings`.
Result<plan::Facts> host_facts(const config::Config& config, const cgroup::Layout& layout, const cgroup::Paths& paths,
                               std::vector<std::string>* warnings);

// kConfigInvalid for a sysctl that would change our own namespace, the host's, because that is the one to be joined.
Result<void> check_sysctls(const config::Config& config);

// The process with the capabilities that it can have. An ambient one has to be permitted and inheritable as well,
// capabilities(7); config.md, "capabilities", wants a warning for what cannot be granted, not a failure.
config::ProcessConfig grantable(const config::ProcessConfig& process, const config::Config& config,
                                const std::function<void(std::string_view)>& on_warning);

}  // namespace cella::container
