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

// `update --l3-cache-schema L3 --mem-bw-schema MB`: writes what is not empty to the group of a started container, then
// notes it in the config and in the state's; state.json is the caller's to write. The cgroups' lock rules hold: the
// state directory is locked. kInvalidArgument where the container has no linux.intelRdt.
Result<void> update_rdt_group(Container::Impl& container, const std::string& l3_cache_schema,
                              const std::string& mem_bw_schema);

}  // namespace cella::container
