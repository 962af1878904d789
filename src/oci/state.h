// State: what a runtime tells of a container, runtime.md of the specification: on stdin of every hook, to a seccomp
// listener, and as the base of `state`.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <cella/error.h>

namespace cella::oci {

struct State {
  std::string version;  // ociVersion
  std::string id;
  std::string status;  // "creating", "created", "running", "stopped"; also "paused" by `state`
  int pid = 0;         // 0: not running; left out of the JSON
  std::string bundle;
  std::map<std::string, std::string> annotations;
  friend bool operator==(const State&, const State&) = default;
};

// On one line, as runc gives it to hooks.
std::string to_json(const State& state);
Result<State> parse_state(std::string_view json_text);

}  // namespace cella::oci
