#include "lint/host.h"

#include <sys/utsname.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/result.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

constexpr size_t kMost = 65536;  // of a list's numbers

uint64_t capability_line(std::string_view name) {
  SysResult<std::string> status = sys::read_file("/proc/self/status");
  if (!status) return 0;
  size_t line = status->find(fmt::format("\n{}:\t", name));
  if (line == std::string::npos) return 0;
  return std::strtoull(status->c_str() + line + name.size() + 3, nullptr, 16);
}

size_t number(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  size_t value = kMost;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<bool> parse_list(std::string_view list) {
  std::vector<bool> set(kMost);
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view range = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    const size_t dash = range.find('-');
    const size_t first = number(range.substr(0, dash));
    const size_t last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
    for (size_t i = first; i <= last && i < kMost; ++i) set[i] = true;
  }
  return set;
}

}  // namespace

bool exists(const std::string& path) {
  return sys::stat_at(sys::kCurrentDirectory, path.c_str()).has_value();
}

std::string first_line(const std::string& path) {
  SysResult<std::string> text = sys::read_file(path.c_str());
  return text ? text->substr(0, text->find('\n')) : std::string();
}

bool has_word(const std::string& path, std::string_view word) {
  SysResult<std::string> text = sys::read_file(path.c_str());
  if (!text) return false;
  constexpr std::string_view kBlanks = " \t\n";
  for (size_t start = 0; start < text->size();) {
    const size_t end = std::min(text->find_first_of(kBlanks, start), text->size());
    if (std::string_view(*text).substr(start, end - start) == word) return true;
    start = end + 1;
  }
  return false;
}

bool kernel_is_at_least(int major, int minor) {
  utsname name;
  int has_major = 0, has_minor = 0;
  if (::uname(&name) < 0 || std::sscanf(name.release, "%d.%d", &has_major, &has_minor) != 2) return true;
  return has_major > major || (has_major == major && has_minor >= minor);
}

bool has_capability(int capability) {
  return capability_line("CapEff") >> capability & 1;
}

std::string outside(std::string_view wanted, std::string_view available) {
  const std::vector<bool> want = parse_list(wanted), have = parse_list(available);
  std::string list;
  for (size_t i = 0; i < kMost; ++i) {
    if (!want[i] || have[i]) continue;
    size_t last = i;
    while (last + 1 < kMost && want[last + 1] && !have[last + 1]) ++last;
    if (!list.empty()) list += ',';
    list += last == i ? fmt::format("{}", i) : fmt::format("{}-{}", i, last);
    i = last;
  }
  return list;
}

}  // namespace cella::lint
