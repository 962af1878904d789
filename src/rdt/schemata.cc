#include "rdt/schemata.h"

#include <charconv>

#include <fmt/format.h>

#include "cgroup/text.h"

namespace cella::rdt {
namespace {

using cgroup::take_until;
using cgroup::trim;

constexpr std::string_view kBandwidth = "MB";

// The part of the line of `resource` behind its colon.
std::optional<std::string_view> line_of(std::string_view resource, std::string_view schemata) {
  while (!schemata.empty()) {
    std::string_view line = take_until(schemata, '\n');
    if (line.find(':') != line.npos && trim(take_until(line, ':')) == resource) return line;
  }
  return std::nullopt;
}

// The value of a domain in "0=7f0;1=1f".
std::optional<std::string_view> value_of(std::string_view domain, std::string_view line) {
  while (!line.empty()) {
    std::string_view item = take_until(line, ';');
    if (item.find('=') != item.npos && trim(take_until(item, '=')) == domain) return trim(item);
  }
  return std::nullopt;
}

// Bandwidth is decimal, every other resource a hexadecimal mask of cache ways.
std::optional<uint64_t> number(std::string_view resource, std::string_view text) {
  const bool decimal = resource == kBandwidth;
  if (!decimal && text.starts_with("0x")) text.remove_prefix(2);
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, decimal ? 10 : 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> difference(std::string_view wanted, std::string_view existing, uint64_t bandwidth_step) {
  while (!wanted.empty()) {
    std::string_view line = take_until(wanted, '\n');
    if (trim(line).empty()) continue;
    if (line.find(':') == line.npos) return fmt::format("\"{}\" is not of the form L3:0=7f0;1=1f", line);
    std::string_view resource = trim(take_until(line, ':'));
    std::optional<std::string_view> other = line_of(resource, existing);
    if (!other) return fmt::format("it has no {}", resource);
    while (!line.empty()) {
      std::string_view item = take_until(line, ';');
      if (trim(item).empty()) continue;
      std::string_view domain = trim(take_until(item, '='));
      std::string_view value = trim(item);
      std::optional<std::string_view> there = value_of(domain, *other);
      if (!there) return fmt::format("it has no {} of {}", resource, domain);
      std::optional<uint64_t> a = number(resource, value), b = number(resource, *there);
      if (a && resource == kBandwidth && bandwidth_step > 1) {
        *a = (*a / bandwidth_step + (*a % bandwidth_step != 0)) * bandwidth_step;
      }
      if (!a || a != b) return fmt::format("{} of {} is {}, not {}", resource, domain, *there, value);
    }
  }
  return std::nullopt;
}

}  // namespace cella::rdt
