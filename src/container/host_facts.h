// The host's facts for a plan, and whether we are an ordinary user. Each is read only when something depends on it.
#pragma once

#include <vector>

#include <cella/config.h>
#include <cella/error.h>

#include "cgroup/layout.h"
#include "cgroup/paths.h"
#include "plan/facts.h"

namespace cella::container {

// Root in the initial user namespace, user_namespaces(7).
bool is_privileged();

// For a container whose cgroups are `paths`. Compiles the seccomp policy; what it does without is added to `ignored`.
Result<plan::Facts> host_facts(const config::Config& config, const cgroup::Layout& layout, const cgroup::Paths& paths,
                               std::vector<Finding>* ignored);

// kUnsupported when a cgroup is to be delegated where that is not safe: anywhere but with cgroup v2 alone.
Result<void> check_delegation(const config::Config& config, const cgroup::Layout& layout);

// kConfigInvalid for a sysctl that would change our own namespace, the host's, because that is the one to be joined.
Result<void> check_sysctls(const config::Config& config);

// The process with the capabilities that it can have. In the runtime's own user namespace that is no more than the
// runtime has; and an ambient one has to be permitted and inheritable as well, capabilities(7). config.md,
// "capabilities", wants a warning for what cannot be granted, not a failure: what is taken away is added to `ignored`.
Result<config::ProcessConfig> grantable(const config::ProcessConfig& process, const config::Config& config,
                                        std::vector<Finding>& ignored);

}  // namespace cella::container
