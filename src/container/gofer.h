// The gofer of a sandboxed container: a container of the namespaces engine, the jail (sandbox/gofer/jail.h), whose
// program serves the files; here is what is opened for it, and its start. It ends by itself when the kernel does.
#pragma once

#include <optional>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

#include "container/id_maps.h"
#include "container/launcher.h"
#include "plan/facts.h"
#include "sandbox/gofer/gofer_request.h"
#include "sandbox/gofer/jail.h"
#include "sys/fd.h"

namespace cella::container {

// Nothing has been opened. The gofer's descriptors are the request and the socket, from 3 on.
struct GoferPlan {
  sandbox::Jail jail;
  sandbox::gofer::GoferRequest request;
  uint32_t extra_files = 0;
};
Result<GoferPlan> plan_gofer(const config::Config& container, const std::vector<config::Mount>& trees,
                             const sandbox::JailFacts& facts);

struct GoferFiles {
  sys::FileDescriptor kernel_socket;       // the kernel's end
  std::vector<sys::FileDescriptor> owned;  // in the order of the gofer's
};
Result<GoferFiles> open_gofer(const GoferPlan& plan);

// Where it belongs: the container's cgroup.
struct GoferCgroup {
  int into_cgroup = -1;          // CLONE_INTO_CGROUP
  std::vector<int> tasks_files;  // v1
};
// Returns when it has its filter and can be asked. `program`: the binary, open. It is the caller's child.
Result<Launched> launch_gofer(const std::string& id, const GoferPlan& plan, const GoferFiles& files, int program,
                              plan::Facts facts, const GoferCgroup& cgroup, const IdMapTools& tools);

// Ends it, whose kernel has ended, and waits for that; none: nothing.
void reap(std::optional<Launched>& gofer);

}  // namespace cella::container
