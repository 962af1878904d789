// The launcher: starts init with a Plan and answers it until it executes the program, waits for start, or fails.
//
// Not a policy: what a sync point means is the caller's (Handler). The child shares the caller's memory only until it
// executes init, and makes a handful of system calls there, so that a large or threaded program can launch safely.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <cella/error.h>
#include <cella/process.h>

#include "plan/build.h"
#include "sys/fd.h"

namespace cella::container {

// The caller's side of the sync points. Each may fail, which ends the launch.
struct Handler {
  // The process exists and this is its pid; before anything else, and before any other sync point of the process.
  std::function<Result<void>(pid_t pid)> created;
  // SyncPoint::kUserMaps: write the id maps.
  std::function<Result<void>(pid_t pid)> user_maps;
  // SyncPoint::kCgroups: the tasks files to join.
  std::function<Result<std::vector<int>>()> cgroups;
  // Called once when init has been sent its cgroups and has much to do.
  std::function<Result<void>(pid_t pid)> meanwhile;
  // SyncPoint::kNamespaces: run the hooks; the state documents for the container's own hooks, if the plan has any.
  std::function<Result<std::vector<int>>(pid_t pid)> namespaces;
  // SyncPoint::kReady: record the container; the document for the seccomp listener, if the plan has one.
  std::function<Result<std::vector<int>>(pid_t pid)> ready;
};

struct Launch {
  plan::Built& built;
  Stdio stdio;
  std::span<const int> extra_files;             // become 3, 4, …
  std::vector<std::pair<uint32_t, int>> slots;  // descriptors for the plan's slots; kNoSlot entries are passed over
  int into_cgroup = -1;                         // for CLONE_INTO_CGROUP
  bool wait_for_start = false;                  // init waits after kReady; else the launch ends when it executes
};

struct Launched {
  pid_t pid = 0;
  sys::FileDescriptor pidfd;
};

// On error the process, if there was one, has been killed and reaped.
Result<Launched> launch(Launch launch, const Handler& handler);

// What an error message of init means, for a plan that it came from.
Error error_of(const plan::Plan& plan, const plan::InitMessage& message);

}  // namespace cella::container
