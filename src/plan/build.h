// Config + facts → Plan. Pure: no system call is made here, and nothing is read but the arguments.
//
// The order of the steps is the order of the OCI runtime specification's life cycle (runtime.md, "Lifecycle"): joined
// and new namespaces, the cgroup, prestart and createRuntime hooks, mounts and devices, createContainer hooks, the new
// root, the process's attributes, (created) wait for start, startContainer hooks, the user's program.
#pragma once

#include <cella/config.h>
#include <cella/error.h>

#include "plan/facts.h"
#include "plan/plan.h"

namespace cella::plan {

// A plan, and what the launcher must put into which slot. kNoSlot: the plan has no such slot.
struct Built {
  Plan plan;
  uint32_t cgroup_first = kNoSlot;  // received at SyncPoint::kCgroups; facts.join_v1_tasks of them at most
  uint32_t cgroup_count = 0;
  bool waits_for_cgroups = false;        // SyncPoint::kCgroups is received, whether with descriptors or without
  uint32_t hook_state_first = kNoSlot;   // received at SyncPoint::kNamespaces: "creating" and "created" documents
  uint32_t hook_output_first = kNoSlot;  // hooks_stdout and hooks_stderr; either may be missing
  uint32_t pidfd = kNoSlot;              // exec: of the container's init
  uint32_t console_socket = kNoSlot;
  uint32_t fifo = kNoSlot;
  uint32_t listener_socket = kNoSlot;   // connected to seccomp.listenerPath
  uint32_t listener_message = kNoSlot;  // received at SyncPoint::kReady: the document that goes with the listener
  uint32_t extra_first = kNoSlot;
  uint32_t program = kNoSlot;  // with StartOptions::open_program
  bool ready_waits = true;     // SyncPoint::kReady wants an answer
  uint64_t clone_flags = 0;    // of the launcher's clone
  bool forks = false;          // the process is a child of init's: its pid comes with SyncPoint::kForked
  bool user_maps = false;      // SyncPoint::kUserMaps will come
};

// kUnsupported where the Config asks for something that the facts say is not there.
Result<Built> build_create(const config::Config& config, const config::ProcessConfig& process, const Facts& facts,
                           const StartOptions& options);
// A further process in the running container that `config` describes.
Result<Built> build_exec(const config::Config& config, const config::ProcessConfig& process, const Facts& facts,
                         const StartOptions& options);

// A process's settings with the Config's where it has none of its own.
config::ProcessConfig with_defaults(const config::ProcessConfig& process, const config::Config& config);

}  // namespace cella::plan
