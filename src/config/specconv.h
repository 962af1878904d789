// specconv: an oci::Spec becomes a Config, as libcontainer's package of that name does it.
//
// Pure: what only the host knows (that a rootfs exists, the maps of a user namespace to join, whether a network
// namespace to join is the host's own, which capabilities the kernel has) is checked when the Config is used. The Spec
// is one that oci::parse_spec has accepted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <cella/error.h>

#include "config/config.h"
#include "oci/spec.h"

namespace cella::config {

struct SpecconvOptions {
  std::string id;              // of the container: names its default cgroup
  std::string bundle;          // absolute; relative paths of the Spec start here
  bool rootless_euid = false;  // the caller is not root
  bool rootless_cgroups = false;
  bool systemd_cgroup = false;  // cgroupsPath is "slice:prefix:name"
  bool no_pivot_root = false;
  bool no_new_keyring = false;
};

struct Converted {
  Config config;                         // the process's settings in it are the defaults of `exec`
  std::optional<ProcessConfig> process;  // the init process; absent when the Spec has none
};

// Fails with kConfigInvalid and findings: mounts without a type, bind mounts with filesystem options, options of mounts
// that cannot have them, idmapped mounts that are no bind mounts or have no mappings, rootless ones, a systemd
// cgroupsPath of another form. What the Config does without is added to `ignored`, also then.
Result<Converted> from_spec(const oci::Spec& spec, const SpecconvOptions& options,
                            std::vector<Finding>* ignored = nullptr);

// The process of `exec --process`. Unknown capabilities are added to `ignored`.
ProcessConfig process_from_spec(const oci::Process& process, std::vector<Finding>* ignored = nullptr);

// Lexical: without ".", "..", double and trailing slashes; "/" at least when absolute, "." at least when not.
std::string clean_path(std::string_view path);

}  // namespace cella::config
