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
  uint32_t securebits = 0;  // capabilities(7): SECBIT_*

  bool has(int capability) const { return effective >> capability & 1; }
  // Of a number of <linux/securebits.h>, SECURE_KEEP_CAPS and the like.
  static constexpr uint32_t mask(int securebit) { return uint32_t{1} << securebit; }
  bool has_securebit(int securebit) const { return (securebits & mask(securebit)) != 0; }
  bool in_group(uint32_t id) const {
    if (fsgid == id) return true;
    for (uint32_t group : groups)
      if (group == id) return true;
    return false;
  }
};

}  // namespace cella::sandbox::vfs
