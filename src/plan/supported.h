// What a Config or a host's user may ask for, and whether this build can do it: one table. check_supported() refuses
// what is not supported, and `features` prints the same rows, so that the two cannot differ.
#pragma once

#include <cella/config.h>
#include <cella/error.h>

namespace cella::plan {

enum class Support {
  kNetDevices,
  kIntelRdt,
  kIntelRdtSchemata,
  kIntelRdtMonitoring,
  kMemoryPolicy,
  kIdmappedMounts,
  kCopyUp,
  kSystemdCgroups,
  kSystemdUserCgroups,
  // What no Config asks for by itself, or everything does.
  kCgroupV1,
  kCgroupV2,
  kRdma,
  kAppArmor,
  kSelinux,
  kCheckpoint,
};
bool is_supported(Support what);

// kUnsupported, naming the first thing asked for that this build cannot do. Pure.
Result<void> check_supported(const config::Config& config);

}  // namespace cella::plan
