// Jail: a container of the namespaces engine, whose program is the application kernel. And what the kernel is to know
// of the container that was asked for. Pure: no system call is made here.
//
// The guest may take the kernel over. So the jail has a root that cannot be written to and is empty but for the trees
// that no gofer serves (sandbox/jail/jail.h), namespaces of its own, a network only as far as the network mode needs
// it, and no capabilities but those without which the host's files cannot be had.
#pragma once

#include <cella/config.h>
#include <cella/sandbox.h>

#include "sandbox/boot/boot_request.h"
#include "sandbox/jail/jail.h"

namespace cella::sandbox::boot {

// `trees`: of the container, without a gofer that has them.
Jail make_jail(const config::Config& container, const config::ProcessConfig& process, const Config& options,
               const JailFacts& facts, const std::vector<config::Mount>& trees);

// Everything but descriptors, the process's extra files among them, which the caller adds.
// `process` has its defaults (plan::with_defaults).
BootRequest make_request(const std::string& id, const config::Config& container, const config::ProcessConfig& process,
                         const Config& options);

// What its kernel tells programs of its limits, and keeps itself.
Limits guest_limits(const config::Resources& asked_for);
// What a container needs on the host for a limit that is the guest's: its tasks are more than one here.
config::Resources host_resources(const config::Resources& asked_for);
// What is not as it is asked for, and may be passed over.
std::vector<Finding> ignored_by_sandbox(const config::Config& container, const Config& options);

// kUnsupported, with a finding for every field that this engine does not enforce yet.
Result<void> check_enforced(const config::Config& container, const config::ProcessConfig& process,
                            const Config& options);

}  // namespace cella::sandbox::boot
