// The mount options of the specification (config.md, "Mounts"), one table. What is in no line of it is the
// filesystem's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/config.h"

namespace cella::config {

enum class MountOptionKind {
  kNothing,             // "defaults"
  kFlag,                // MS_* of mount(2)
  kPropagation,         // MS_PRIVATE …, perhaps with MS_REC
  kRecursiveAttribute,  // MOUNT_ATTR_* of mount_setattr(2), for the mount and all below it
  kExtension,           // kExtensionCopyUp
  kIdmap,               // value 1: recursive
};
struct MountOption {
  const char* name;
  MountOptionKind kind;
  bool clears;  // switches the bits of `value` off
  uint64_t value;
};

// In the order of the names; `features` lists them.
std::span<const MountOption> mount_options();

// Applies the options to flags, cleared_flags, propagation_flags, rec_attr_*, extensions, idmap and data. The last of
// two contradicting options wins.
void apply_mount_options(const std::vector<std::string>& options, Mount& mount);

}  // namespace cella::config
