// The names of the types of filesystems that there are in the sandbox: types.h.
#pragma once

#include <algorithm>
#include <string_view>

namespace cella::sandbox::fs {

inline constexpr std::string_view kMountTypes[] = {"proc",   "sysfs",  "tmpfs",  "ramfs",
                                                   "devpts", "mqueue", "cgroup", "cgroup2"};

constexpr bool is_mount_type(std::string_view type) {
  return std::ranges::find(kMountTypes, type) != std::end(kMountTypes);
}

}  // namespace cella::sandbox::fs
