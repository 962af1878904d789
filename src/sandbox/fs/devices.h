// What is in a container's /dev besides what is mounted there: the default devices of the runtime specification, the
// links that go with them, and those that the configuration asks for.
#pragma once

#include <string>
#include <vector>

#include <cella/error.h>

#include "sandbox/fs/mount_builder.h"

namespace cella::sandbox::fs {

struct DeviceNode {
  std::string path;   // in the container
  uint32_t mode = 0;  // with its type: S_IFCHR, S_IFBLK or S_IFIFO
  unsigned major = 0, minor = 0;
  uint32_t uid = 0, gid = 0;
};

// Makes those of `devices` and the default ones; of two with one path the one that was asked for. /dev is where it is:
// nothing is mounted here.
Result<void> make_devices(MountBuilder& builder, const std::vector<DeviceNode>& devices);

}  // namespace cella::sandbox::fs
