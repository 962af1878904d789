// IdMap: the users or groups that there are in the user namespace which all programs are in, user_namespaces(7).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace cella::sandbox::task {

struct IdMap {
  struct Range {
    int64_t inside, outside, size;
  };
  std::vector<Range> ranges = {{0, 0, UINT32_MAX}};

  // EINVAL, or nobody, is what others are.
  bool contains(uint32_t id) const {
    return std::ranges::any_of(
        ranges, [id](const Range& range) { return id >= range.inside && id < range.inside + range.size; });
  }
  // As /proc/PID/uid_map has it.
  std::string text() const {
    std::string lines;
    for (const Range& range : ranges)
      lines += fmt::format("{:>10} {:>10} {:>10}\n", range.inside, range.outside, range.size);
    return lines;
  }
};

}  // namespace cella::sandbox::task
