#include "oci/id_mapping.h"

#include <algorithm>

namespace cella::oci {
namespace {

constexpr size_t kMostRanges = 340;
constexpr uint64_t kIds = uint64_t{1} << 32;

void check_overlap(const std::vector<IDMapping>& mappings, uint32_t IDMapping::* start, const char* key,
                   json::Report& report) {
  std::vector<size_t> order(mappings.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return std::pair(mappings[a].*start, a) < std::pair(mappings[b].*start, b); });
  for (size_t i = 1; i < order.size(); ++i) {
    const IDMapping &before = mappings[order[i - 1]], &current = mappings[order[i]];
    if (uint64_t{before.*start} + before.size <= current.*start || before.size == 0 || current.size == 0) continue;
    json::At at(report, order[i]);
    report.fail_in(key, "begins a range that overlaps that of entry {}", order[i - 1]);
  }
}

}  // namespace

void check_id_mappings(const std::vector<IDMapping>& mappings, std::string_view key, json::Report& report) {
  if (mappings.empty()) return;
  json::At at(report, key);
  if (mappings.size() > kMostRanges) return report.fail("must have at most {} entries", kMostRanges);
  for (size_t i = 0; i < mappings.size(); ++i) {
    json::At item(report, i);
    if (mappings[i].size == 0) report.fail_in("size", "must not be 0");
    if (uint64_t{mappings[i].container_id} + mappings[i].size > kIds ||
        uint64_t{mappings[i].host_id} + mappings[i].size > kIds) {
      report.fail_in("size", "makes the range go beyond the last id, 4294967295");
    }
  }
  check_overlap(mappings, &IDMapping::container_id, "containerID", report);
  check_overlap(mappings, &IDMapping::host_id, "hostID", report);
}

}  // namespace cella::oci
