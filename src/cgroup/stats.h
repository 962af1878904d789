// Reading a container's statistics (see cella/stats.h) out of its groups.
//
// Cost: two to thirty small reads for each of the controllers; PSI comes from the v2 tree on hybrid hosts too.
#pragma once

#include <cella/stats.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cgroup/group.h"

namespace cella::cgroup {

// Add one group's counters. v1: of the group's controllers. v2: of what is there; on a hybrid host that is PSI and what
// the v2 tree has controllers for. Missing files are left out, other errors of the kernel are not hidden.
Result<void> add_v1_stats(Group& group, CgroupStats& stats);
Result<void> add_v2_stats(Group& group, CgroupStats& stats, bool hybrid);

// The pure parts, for both layouts and for tests.
std::optional<PsiStats> parse_psi(std::string_view text);
std::vector<BlkioEntry> parse_v1_blkio(std::string_view text);
void parse_v2_io(std::string_view text, BlkioStats& stats);
std::vector<RdmaEntry> parse_rdma(std::string_view text);
std::vector<uint16_t> parse_cpu_list(std::string_view text);  // "0-3,7"
void parse_numa(std::string_view text, MemoryStats& stats);

}  // namespace cella::cgroup
