// Containers of the second engine: a container of the namespaces engine, the jail, whose program is the application
// kernel (sandbox/boot/jail.h); here is what is opened for it, and how the kernel is told.
#pragma once

#include <optional>
#include <vector>

#include <cella/factory.h>
#include <cella/sandbox.h>

#include "container/gofer.h"
#include "container/state_directory.h"
#include "plan/facts.h"
#include "sandbox/boot/boot_request.h"
#include "sandbox/boot/jail.h"
#include "sys/fd.h"

namespace cella::container {

// The jail of a container, its program included, and what the kernel is told. Nothing has been opened.
struct SandboxPlan {
  sandbox::Jail jail;
  sandbox::boot::BootRequest request;
  std::string log;  // FactoryOptions::sandbox_log
  // All that the kernel is passed: the request, the control socket, the socket to the gofer, the log and the process's
  // own extra files.
  uint32_t extra_files = 0;
  std::optional<GoferPlan> gofer;
};
// `facts` are the container's; what is left of them are its jail's. kUnsupported, with findings, for what the sandbox
// does not enforce.
Result<SandboxPlan> plan_sandbox(const FactoryOptions& options, const std::string& id, const config::Config& config,
                                 const config::ProcessConfig& process, plan::Facts& facts, size_t extra_files);

// What of the container's configuration is otherwise in a sandbox, and may be passed over, to be told of: into
// `ignored`.
Result<void> note_sandbox(const config::Config& config, std::vector<Finding>& ignored);

// What the plan names, opened.
struct SandboxFiles {
  sys::FileDescriptor program;
  std::vector<sys::FileDescriptor> owned;
  std::optional<GoferFiles> gofer;
  std::vector<int> extra_files;  // Launch::extra_files; `extra_files` of the process included
};
Result<SandboxFiles> open_sandbox(const FactoryOptions& options, const SandboxPlan& plan, StateDirectory& directory,
                                  const std::vector<int>& extra_files);

}  // namespace cella::container
