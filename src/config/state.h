// State: what is kept of a container in its state.json. libcontainer's State, and what we add under the key "cella".
//
// Not the OCI state (oci/state.h), and no status: that is derived from the kernel.
#pragma once

#include <ctime>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "config/config.h"

namespace cella::config {

// What runc does not know. It drops this when it rewrites the file, so nothing here may be needed to kill or delete.
struct CellaState {
  int version = 1;          // of this struct
  std::string isolation;    // "namespaces", "sandbox"
  std::string engine_root;  // directory of the engine's own files
  bool systemd = false;     // the cgroup is a unit of systemd
  // Was the resctrl group made for this container alone, so that it goes with it? Without this key: if it has no
  // closID.
  bool intel_rdt_own = false;
};

struct State {
  std::string id;
  int init_process_pid = 0;
  uint64_t init_process_start = 0;  // field 22 of /proc/PID/stat, in clock ticks: tells a reused pid
  std::string created;              // RFC 3339 with nanoseconds, UTC
  Config config;
  bool rootless = false;
  std::map<std::string, std::string> cgroup_paths;     // by controller; "" with cgroup v2
  std::map<std::string, std::string> namespace_paths;  // by "NEWNET" …
  std::vector<std::string> external_descriptors;       // of stdin, stdout, stderr, for checkpoints
  std::string intel_rdt_path, intel_rdt_mon_path;
  std::optional<CellaState> cella;  // absent: written by runc
};

std::string to_json(const State& state);
// Unknown keys are ignored. Fails with kConfigInvalid and findings.
Result<State> parse_state(std::string_view json_text);

// "2026-01-02T03:04:05.000000006Z".
std::string rfc3339(const timespec& time);

}  // namespace cella::config
