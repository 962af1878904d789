// Resources → the cgroup files to write, as plain data: which OCI field asked, which file, which text.
//
// Pure: no I/O, so that what would be written can be compared with a golden list. Not the device rules (devices.h).
// The v1 → v2 conversions are those of the OCI specification's implementations since 2025 (runc 1.3.2, crun 1.23).
//
// Cost: one small allocation a value asked for; nothing for what is not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <cella/error.h>

#include "config/config.h"

namespace cella::cgroup {

struct Setting {
  // EINVAL: the kernel checks it against a value that is written later; try again after that one.
  static constexpr unsigned kDeferrable = 1;
  // A missing file is fine: the value is what a kernel without it does.
  static constexpr unsigned kOptional = 2;
  // The kernel clamps without a word: read back, and say so.
  static constexpr unsigned kVerify = 4;
  // What a new group has anyway: written only to one that existed.
  static constexpr unsigned kDefault = 8;

  std::string field;       // below linux.resources of the OCI specification: "memory.limit"
  std::string controller;  // "memory"; "" for files that every v2 group has
  std::string file;
  std::string value;
  unsigned flags = 0;
  std::string other_file = {};  // written instead where `file` does not exist
  std::string other_value = {};
  std::string reset = {};    // of a file with a line for each device: what takes the device's line out again
  std::string refusal = {};  // not empty: cannot be had in this layout, or is wrong; the rest of the sentence
};

std::vector<Setting> v1_settings(const config::Resources& resources);
// Without `unified`.
std::vector<Setting> v2_settings(const config::Resources& resources);
// One setting a line of each value; the controller is what stands before the dot.
std::vector<Setting> unified_settings(const config::Resources& resources);

// cpu.shares [2, 262144] → cpu.weight [1, 10000] so that 2 → 1, 1024 → 100 and 262144 → 10000; 0 (unset) → 0.
uint64_t weight_from_shares(uint64_t shares);
// blkio.weight [10, 1000] → io.weight [1, 10000], linear; 0 → 0.
uint64_t io_weight_from_blkio(uint16_t weight);
// The OCI's memory + swap → v2's swap alone. 0: leave it alone unless both are equal; -1: unlimited.
Result<int64_t> swap_from_memory_swap(int64_t memory_swap, int64_t memory);

}  // namespace cella::cgroup
