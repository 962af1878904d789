#include <cstdlib>

#include "cgroup/stats.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

PsiData parse_psi_line(std::string_view line) {
  PsiData data;
  while (!line.empty()) {
    std::string_view value = take_until(line, ' ');
    std::string_view key = take_until(value, '=');
    if (key == "total") {
      data.total = parse_limit(value);
      continue;
    }
    double number = std::strtod(std::string(value).c_str(), nullptr);
    if (key == "avg10") data.avg10 = number;
    if (key == "avg60") data.avg60 = number;
    if (key == "avg300") data.avg300 = number;
  }
  return data;
}

uint32_t parse_rdma_value(std::string_view text) {
  return text == "max" ? UINT32_MAX : parse_number<uint32_t>(text).value_or(0);
}

PageStats* numa_field(PageUsage& usage, std::string_view key) {
  if (key == "total") return &usage.total;
  if (key == "file") return &usage.file;
  if (key == "anon") return &usage.anon;
  if (key == "unevictable") return &usage.unevictable;
  return nullptr;
}

}  // namespace

std::optional<PsiStats> parse_psi(std::string_view text) {
  if (text.empty()) return std::nullopt;
  PsiStats psi;
  for_each_line(text, [&](std::string_view line) {
    std::string_view kind = take_until(line, ' ');
    if (kind == "some") psi.some = parse_psi_line(line);
    if (kind == "full") psi.full = parse_psi_line(line);
  });
  return psi;
}

// "8:0 Read 1282048", "8:0 6792", and at the end "Total 3477504", which is left out.
std::vector<BlkioEntry> parse_v1_blkio(std::string_view text) {
  std::vector<BlkioEntry> entries;
  for_each_line(text, [&](std::string_view line) {
    auto major = parse_number<uint64_t>(take_until(line, ':'));
    auto minor = parse_number<uint64_t>(take_until(line, ' '));
    if (!major || !minor) return;
    BlkioEntry entry{*major, *minor, "", 0};
    if (line.find(' ') != std::string_view::npos) entry.op = take_until(line, ' ');
    entry.value = parse_limit(line);
    entries.push_back(std::move(entry));
  });
  return entries;
}

// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=5".
void parse_v2_io(std::string_view text, BlkioStats& stats) {
  struct Column {
    std::string_view key;
    const char* op;
    std::vector<BlkioEntry> BlkioStats::* list;
  };
  static constexpr Column kColumns[] = {
      {"rbytes", "Read", &BlkioStats::io_service_bytes_recursive},
      {"wbytes", "Write", &BlkioStats::io_service_bytes_recursive},
      {"rios", "Read", &BlkioStats::io_serviced_recursive},
      {"wios", "Write", &BlkioStats::io_serviced_recursive},
      {"cost.usage", "Count", &BlkioStats::io_cost_usage},
      {"cost.wait", "Count", &BlkioStats::io_cost_wait},
      {"cost.indebt", "Count", &BlkioStats::io_cost_indebt},
      {"cost.indelay", "Count", &BlkioStats::io_cost_indelay},
  };
  for_each_line(text, [&](std::string_view line) {
    auto major = parse_number<uint64_t>(take_until(line, ':'));
    auto minor = parse_number<uint64_t>(take_until(line, ' '));
    if (!major || !minor) return;
    while (!line.empty()) {
      std::string_view value = take_until(line, ' ');
      std::string_view key = take_until(value, '=');
      for (const Column& column : kColumns) {
        if (column.key == key) (stats.*column.list).push_back({*major, *minor, column.op, parse_limit(value)});
      }
    }
  });
}

// "mlx4_0 hca_handle=2 hca_object=max".
std::vector<RdmaEntry> parse_rdma(std::string_view text) {
  std::vector<RdmaEntry> entries;
  for_each_line(text, [&](std::string_view line) {
    RdmaEntry entry;
    entry.device = take_until(line, ' ');
    if (line.empty()) return;
    while (!line.empty()) {
      std::string_view value = take_until(line, ' ');
      std::string_view key = take_until(value, '=');
      if (key == "hca_handle") entry.hca_handles = parse_rdma_value(value);
      if (key == "hca_object") entry.hca_objects = parse_rdma_value(value);
    }
    entries.push_back(std::move(entry));
  });
  return entries;
}

std::vector<uint16_t> parse_cpu_list(std::string_view text) {
  std::vector<uint16_t> result;
  for (std::string_view rest = trim(text); !rest.empty();) {
    std::string_view range = take_until(rest, ',');
    auto first = parse_number<uint16_t>(take_until(range, '-'));
    auto last = range.empty() ? first : parse_number<uint16_t>(range);
    if (!first || !last) continue;
    for (unsigned n = *first; n <= *last; ++n) result.push_back(static_cast<uint16_t>(n));
  }
  return result;
}

// memory.numa_stat: "total=4 N0=3 N1=1", "hierarchical_total=…".
void parse_numa(std::string_view text, MemoryStats& stats) {
  constexpr std::string_view kHierarchical = "hierarchical_";
  for_each_line(text, [&](std::string_view line) {
    std::string_view value = take_until(line, ' ');
    std::string_view key = take_until(value, '=');
    bool hierarchical = key.starts_with(kHierarchical);
    if (hierarchical) key.remove_prefix(kHierarchical.size());
    PageStats* field = numa_field(hierarchical ? stats.page_usage_by_numa_hierarchical : stats.page_usage_by_numa, key);
    if (field == nullptr || value.empty()) return;
    field->total = parse_limit(value);
    while (!line.empty()) {
      std::string_view pages = take_until(line, ' ');
      std::string_view node = take_until(pages, '=');
      if (!node.starts_with('N')) continue;
      if (auto n = parse_number<uint8_t>(node.substr(1))) field->nodes[*n] = parse_limit(pages);
    }
  });
}

}  // namespace cella::cgroup
