// linux.intelRdt in the life of a container: where its group comes from and how it is kept. rdt/ does the work.
#pragma once

#include <optional>
#include <string>

#include <cella/config.h>
#include <cella/error.h>

#include "config/state.h"
#include "container/container_impl.h"
#include "rdt/group.h"

namespace cella::container {

// The group that the container is to have; nothing is made yet. nullopt: the config asks for none. kUnsupported where
// resctrl is not mounted; the errors of rdt::Group::plan().
Result<std::optional<rdt::Group>> plan_rdt_group(const config::Config& config, const std::string& id);
// The one that it has, from what keep_rdt_group() has put into its state. nullopt: none.
std::optional<rdt::Group> rdt_group(const config::State& state);
void keep_rdt_group(const rdt::Group& group, config::State& state);

// Writes other schemata to the group of a started container. Either all of them, or none; the config and state.json are
// the caller's. kInvalidArgument where the container has no linux.intelRdt.
Result<void> change_rdt_group(const config::State& state, const config::IntelRdt& wanted);

}  // namespace cella::container
