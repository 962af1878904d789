// The mount options of the specification (config.md, "Mounts"), of runc and of crun(1), one table. What is in no line
// of it is the filesystem's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace cella::config {

enum class MountOptionKind {
  kNothing,             // "defaults"
  kFlag,                // MS_* of mount(2)
  kPropagation,         // MS_PRIVATE …, perhaps with MS_REC
  kRecursiveAttribute,  // MOUNT_ATTR_* of mount_setattr(2), for the mount and all below it
  kExtension,           // kExtension*
  kIdmap,               // value 1: recursive; may have maps of its own after a '=', see idmap_option.h
};
struct MountOption {
  const char* name;
  MountOptionKind kind;
  bool clears;  // switches the bits of `value` off
  uint64_t value;
};

// In the order of the names; `features` lists them.
std::span<const MountOption> mount_options();

// nullptr: the option is the filesystem's. "idmap=…" is found as "idmap".
const MountOption* find_mount_option(std::string_view name);

// Applies the options to flags, cleared_flags, propagation_flags, rec_attr_*, extensions, idmap and data. The last of
// two contradicting options wins. The maps of "idmap=…" are not looked at.
void apply_mount_options(const std::vector<std::string>& options, Mount& mount);

}  // namespace cella::config
