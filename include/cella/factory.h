// Factory: the containers under one root directory. libcontainer's Factory.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cella/config.h>
#include <cella/container.h>
#include <cella/error.h>
#include <cella/lint.h>

namespace cella {

// /run/cella for root; $XDG_RUNTIME_DIR/cella for an ordinary user.
std::string default_root();

struct FactoryOptions {
  // State directory, made (mode 0711, sticky in $XDG_RUNTIME_DIR) when the first container is. Empty: default_root().
  std::string root;
  bool systemd_cgroup = false;
  // Tolerate what an ordinary user may not do with cgroups. Absent: decided from the effective user and its namespace.
  std::optional<bool> rootless;
  // Absolute paths; empty: looked up in $PATH.
  std::string newuidmap_path;
  std::string newgidmap_path;
  // The program that is the application kernel of sandboxed containers (cella/sandbox.h): one that runs a
  // sandbox::Loader when its arguments are "boot" and the number of the request's descriptor, linked statically.
  // `cella` is one. Empty: there are no sandboxed containers.
  std::string sandbox_program;
  // What is asked for and would be ignored (a property or capability that is not known, what this host or user cannot
  // have) is an error, kUnsupported, that lists all of it. Without this each is a warning.
  bool strict = false;
  // Called with each warning, in the calling thread; the pointer is that of the field of config.json, or "" where
  // something else went wrong. May be empty.
  std::function<void(const Finding&)> on_warning;
};

// What a bundle's config.json asks for.
struct Bundle {
  config::Config config;
  // The program; absent when the config has no "process".
  std::optional<config::ProcessConfig> process;
};
struct BundleOptions {
  bool no_pivot_root = false;
  bool no_new_keyring = false;
};

class Factory {
 public:
  explicit Factory(FactoryOptions options);
  Factory(Factory&&) noexcept;
  Factory& operator=(Factory&&) noexcept;
  ~Factory();

  // Reads and validates <path>/config.json: kConfigInvalid with all findings. Creates nothing.
  Result<Bundle> load_bundle(std::string_view id, std::string_view path, const BundleOptions& options = {}) const;

  // What load_bundle and a start of it would refuse or ignore, as far as that can be told by looking; makes nothing. An
  // Error only when there is no config.json that can be read. In the order in which they matter: errors first.
  Result<std::vector<Diagnosis>> lint(std::string_view path, const BundleOptions& options = {}) const;

  // A process description as `exec --process` takes it: the "process" object of the OCI specification.
  Result<config::ProcessConfig> load_process(std::string_view path) const;
  // The changes of `update --resources`, as text: the "resources" object of the OCI specification.
  Result<config::Resources> parse_resources(std::string_view json) const;

  // Reserves the id. Nothing runs yet: Container::start makes the init process, and when that fails (or the Container
  // is destroyed without it) nothing stays behind. kIdInUse, kInvalidIdFormat; kUnsupported for what this build cannot
  // do, see features_json(). Config::version may be left empty. The rest of what a Config asks for is looked at by
  // start(). Safe in several threads at once.
  Result<Container> create(std::string_view id, config::Config config);
  // kContainerNotExists.
  Result<Container> load(std::string_view id) const;
  // Every container under the root, by id. Those that vanish meanwhile or are half made are left out.
  Result<std::vector<OciState>> list() const;
  // The plan that Container::start would carry out. Pure but for reading the host's facts; needs no privilege.
  Result<PlanText> plan_create(std::string_view id, const config::Config& config, const Process& process) const;
  // Destroys a container, or whatever a killed create left of it. With force, a running one is killed first and an
  // unknown one is success.
  Result<void> destroy(std::string_view id, bool force);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// The config.json that `spec` and `spec --rootless` write.
std::string default_spec_json(bool rootless);

// Bits of a capability name ("CAP_CHOWN", "chown"), or nullopt.
std::optional<uint64_t> capability_bit(std::string_view name);

// "0.1.0"; the version of the OCI runtime specification, "1.3.0"; the commit this was built from, or "".
const char* version();
const char* oci_version();
const char* commit();

}  // namespace cella
