// linux.intelRdt in the life of a container: where its group comes from and how it is kept. rdt/ does the work.
#pragma once

#include <optional>
#include <string>

#include <cella/config.h>
#include <cella/error.h>

#include "config/state.h"
#include "rdt/group.h"

namespace cella::container {

// The group that the container is to have; nothing is made yet. nullopt: the config asks for none. kUnsupported where
// resctrl is not mounted; the errors of rdt::Group::plan().
Result<std::optional<rdt::Group>> plan_rdt_group(const config::Config& config, const std::string& id);
// The one that it has, from what keep_rdt_group() has put into its state. nullopt: none.
std::optional<rdt::Group> rdt_group(const config::State& state);
void keep_rdt_group(const rdt::Group& group, config::State& state);

// A change of a started container's schemata.
class RdtChange {
 public:
  // Writes what `wanted` has otherwise than the state's config; nothing where they are the same. kInvalidArgument where
  // the container has no group, and for what stays as it was made: closID and enableMonitoring.
  static Result<RdtChange> make(const config::State& state, const std::optional<config::IntelRdt>& wanted);
  // As it was before.
  void undo() const;

 private:
  std::optional<rdt::Group> group_;  // nullopt: nothing was changed
  std::string before_;
};

}  // namespace cella::container
