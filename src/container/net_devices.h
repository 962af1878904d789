// linux.netDevices in the life of a container: the devices go in when its namespaces are there, and come back when it
// is deleted or has failed to start (docs/decisions/0012-a-borrowed-network-device-comes-back.md).
//
// In the state directory the record of the devices is written first, then the namespace is bound beside it, then the
// devices move; on the way back the order is the opposite. So whoever finds the directory can finish that way.
#pragma once

#include <string>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

#include "container/state_directory.h"

namespace cella::container {

// Moves the config's devices from the calling thread's network namespace into that of the process, which must not be
// reaped meanwhile. On error take_devices_back() is due. Does nothing when the config has none.
Result<void> lend_devices(StateDirectory& directory, const config::Config& config, pid_t pid);
// Takes back into the calling thread's network namespace what the directory tells of, and gives the container's up.
// Nothing of the container may be running. Does nothing when nothing is told. On error the rest is still told of.
Result<void> take_devices_back(StateDirectory& directory, std::vector<std::string>& warnings);

}  // namespace cella::container
