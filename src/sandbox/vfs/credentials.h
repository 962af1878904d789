// Credentials of a guest task, credentials(7) and capabilities(7). Plain data; a change makes a copy.
#pragma once

#include <cstdint>
#include <vector>

namespace cella::sandbox::vfs {

struct Credentials {
  uint32_t uid = 0, euid = 0, suid = 0, fsuid = 0;
  uint32_t gid = 0, egid = 0, sgid = 0, fsgid = 0;
  std::vector<uint32_t> groups;
  uint64_t permitted = 0, effective = 0, inheritable = 0, bounding = 0, ambient = 0;
  bool no_new_privileges = false;
  bool keep_capabilities = false;

  bool has(int capability) const { return effective >> capability & 1; }
  bool in_group(uint32_t id) const {
    if (fsgid == id) return true;
    for (uint32_t group : groups)
      if (group == id) return true;
    return false;
  }
};

}  // namespace cella::sandbox::vfs
