// The example config.json that `spec` writes: a shell with a terminal in a read-only root. Content as runc's.
#pragma once

#include <cstdint>

#include "oci/spec.h"

namespace cella::oci {

struct DefaultSpecOptions {
  bool rootless = false;          // in a user namespace that maps root to `uid` and `gid`; no cgroup settings
  bool cgroup_namespace = false;  // add one; runc does where the host has cgroup v2 alone
  uint32_t uid = 0, gid = 0;      // the caller's
};
Spec default_spec(const DefaultSpecOptions& options);

}  // namespace cella::oci
