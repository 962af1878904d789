// The parts that create and exec plans are put together from. Private to plan/.
#pragma once

#include <unordered_map>

#include "plan/build.h"

namespace cella::plan {

// Everything that the functions below write to and read from.
struct Builder {
  const config::Config& config;
  const config::ProcessConfig process;  // with_defaults()
  const Facts& facts;
  const StartOptions& options;
  Writer writer;
  Built built;
  std::unordered_map<const config::Mount*, uint32_t> tree_slots;  // bind sources that the launcher opens
  uint32_t user_slot = kNoSlot;                                   // the user namespace that is joined

  bool is_new(config::NamespaceType type) const { return config.namespaces.is_new(type); }
  bool joins(config::NamespaceType type) const { return has(type) && !is_new(type); }
  bool has(config::NamespaceType type) const { return config.namespaces.contains(type); }
  // As errors call it.
  std::string name_of(const std::string& destination) const {
    auto name = options.destination_names.find(destination);
    return name != options.destination_names.end() ? name->second : destination;
  }
};

// check.cc, check_mounts.cc: what no plan can be made for.
Result<void> check_config(const config::Config& config, const Facts& facts);
Result<void> check_mounts(const config::Config& config, const Facts& facts);
Result<void> check_options(const StartOptions& options);

// Stops at `point`, where nothing is received.
void add_sync(Builder& b, SyncPoint point);

// mount_sources.cc: bind sources that the launcher opens, into tree_slots.
void add_mount_sources(Builder& b);

// remount.cc: changes a mount that is there already and, unless it is a bind mount's, its filesystem.
void add_remount(Builder& b, const config::Mount& mount, const std::string& target);

// rootfs.cc: an absolute path without ".", ".." and doubled slashes. As runc does it, by the letters alone: what is not
// there yet has no other meaning.
std::string clean_path(const std::string& path);
// Is the source of the bind mount, if it is a symbolic link, opened itself?
bool opens_link(const config::Mount& mount);
// Kernel parameters. kConfigInvalid: a name that leads out of /proc/sys.
Result<void> add_sysctls(Builder& b);
// Mounts, devices and links, before the new root is entered.
void add_mounts(Builder& b);
void add_devices(Builder& b);
// Entering the new root, and what is done to it afterwards: read-only, masks, propagation.
void add_enter_root(Builder& b);
void add_root_protection(Builder& b);

// process.cc: the session and its terminal or standard streams; attributes that can be set before start; and the last
// steps, which end in the program.
void add_stdio(Builder& b);
Result<void> add_process(Builder& b);
Result<void> add_affinity(Builder& b, const std::string& cpus);
Result<void> add_execution(Builder& b);

// hooks that run inside the container's namespaces.
void add_hooks(Builder& b, const std::vector<config::Hook>& hooks, const char* kind, uint32_t state_slot);

}  // namespace cella::plan
