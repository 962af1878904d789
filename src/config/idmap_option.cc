#include "config/idmap_option.h"

#include <charconv>

namespace cella::config {
namespace {

constexpr int64_t kIds = int64_t{1} << 32;

// What is before the first `separator`, which is taken away with it.
std::string_view next_part(std::string_view& text, char separator) {
  std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

bool parse_number(std::string_view text, int64_t& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 && value < kIds;
}

bool parse_range(std::string_view text, IDMap& range) {
  return parse_number(next_part(text, '-'), range.container_id) && parse_number(next_part(text, '-'), range.host_id) &&
         parse_number(text, range.size) && range.size > 0 && range.container_id + range.size <= kIds &&
         range.host_id + range.size <= kIds;
}

// From an id of the container's user namespace to the host's.
bool make_absolute(const std::vector<IDMap>& container, IDMap& range) {
  for (const IDMap& map : container) {
    int64_t offset = range.host_id - map.container_id;
    if (offset < 0 || offset + range.size > map.size) continue;
    range.host_id = map.host_id + offset;
    return true;
  }
  return false;
}

bool parse_ranges(std::string_view text, const std::vector<IDMap>& container, std::vector<IDMap>& ranges,
                  json::Report& report) {
  while (!text.empty()) {
    std::string_view part = next_part(text, '#');
    IDMap range;
    if (!parse_range(part.starts_with('@') ? part.substr(1) : part, range)) {
      report.fail("must have ranges like 0-1000-10, not {}", json::quoted(part));
      return false;
    }
    if (part.starts_with('@') && !make_absolute(container, range)) {
      report.fail("must have relative ranges that are inside one of the user namespace's, unlike {}",
                  json::quoted(part));
      return false;
    }
    ranges.push_back(range);
  }
  return true;
}

}  // namespace

void parse_idmap_option(std::string_view maps, const Config& config, Mount& mount, json::Report& report) {
  while (!maps.empty()) {
    std::string_view part = next_part(maps, ';');
    bool uids = part.starts_with("uids=");
    if (!uids && !part.starts_with("gids="))
      return report.fail("must have uids= and gids=, not {}", json::quoted(part));
    constexpr size_t kKeySize = 5;
    if (!parse_ranges(part.substr(kKeySize), uids ? config.uid_mappings : config.gid_mappings,
                      uids ? mount.uid_mappings : mount.gid_mappings, report)) {
      return;
    }
  }
  if (mount.uid_mappings.empty() || mount.gid_mappings.empty()) report.fail("must have both uids= and gids=");
}

}  // namespace cella::config
