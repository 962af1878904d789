// Resources and changes to them.
//
// Pure. Which change means what is runc's `update` where the two have the same words; see merge_resources.
#pragma once

#include <vector>

#include "config/config.h"
#include "oci/spec.h"

namespace cella::config {

// The specification's, by libcontainer's convention: a number that is 0 is "not set", except where 0 is a value of the
// kernel's. Without the device rules that every container has (default_allowed_devices).
Resources convert_resources(const oci::Resources& resources);

// Changes the resources of a container: what is absent or empty in `changes` stays, an entry of a list takes the place
// of the one for the same device, page size or interface. Unlimited memory without a word about swap means both. New
// device rules replace the old ones but for those that every container has. Not freezer and skip_devices.
void merge_resources(const Resources& changes, Resources& resources);

// The same rules in the same order, whatever the nodes that they were made for.
bool same_rules(const std::vector<Device>& a, const std::vector<Device>& b);

}  // namespace cella::config
