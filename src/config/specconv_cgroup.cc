#include <algorithm>

#include "config/resources.h"
#include "config/specconv_parts.h"
#include "oci/annotations.h"

namespace cella::config {
namespace {

constexpr std::string_view kPropertyPrefix = oci::annotation::kSystemdProperty;

// At least three letters.
bool is_property_name(std::string_view name) {
  return name.size() >= 3 &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

// Unit properties without a unit.
void ignore_properties(const oci::Spec& spec, json::Report& report) {
  json::At at(report, "annotations");
  for (const auto& [key, value] : spec.annotations) {
    if (key.starts_with(kPropertyPrefix)) report.warn_in(key, "is ignored: systemd does not make the cgroups");
  }
}

void convert_systemd(const oci::Spec& spec, const SpecconvOptions& options, Cgroup& cgroup, json::Report& report) {
  for (const auto& [key, value] : spec.annotations) {
    if (!key.starts_with(kPropertyPrefix)) continue;
    std::string name = key.substr(kPropertyPrefix.size());
    if (!is_property_name(name)) {
      json::At at(report, "annotations");
      report.fail_in(key, "must be named after a systemd property: letters, at least three");
      continue;
    }
    cgroup.systemd_properties.emplace_back(std::move(name), value);
  }
  const std::string path = spec.linux_config ? spec.linux_config->cgroups_path : std::string();
  if (path.empty()) {
    cgroup.scope_prefix = std::string("cella");
    cgroup.name = options.id;
    return;
  }
  if (std::count(path.begin(), path.end(), ':') != 2) {
    json::At at(report, "linux");
    return report.fail_in("cgroupsPath", "must have the form slice:prefix:name with the systemd cgroup manager, not {}",
                          json::quoted(path));
  }
  size_t first = path.find(':'), second = path.find(':', first + 1);
  cgroup.parent = path.substr(0, first);
  cgroup.scope_prefix = path.substr(first + 1, second - first - 1);
  cgroup.name = path.substr(second + 1);
}

}  // namespace

Cgroup convert_cgroup(const oci::Spec& spec, const SpecconvOptions& options, json::Report& report) {
  Cgroup cgroup;
  cgroup.systemd = options.systemd_cgroup;
  cgroup.rootless = options.rootless_cgroups;
  if (options.systemd_cgroup) {
    convert_systemd(spec, options, cgroup, report);
  } else if (spec.linux_config && !spec.linux_config->cgroups_path.empty()) {
    cgroup.path = clean_path("/" + spec.linux_config->cgroups_path);
  } else if (!options.rootless_cgroups) {
    cgroup.path = "/" + options.id;
  }  // else none was asked for: one below the caller's own, where it may make one
  if (!options.systemd_cgroup) ignore_properties(spec, report);
  if (spec.linux_config && spec.linux_config->resources)
    cgroup.resources = convert_resources(*spec.linux_config->resources);
  for (const Device& rule : default_allowed_devices()) {
    bool overridden = false;  // by a node of the container's own at the same path
    if (spec.linux_config && !rule.path.empty()) {
      for (const oci::Device& node : spec.linux_config->devices) overridden |= node.path == rule.path;
    }
    if (!overridden) cgroup.resources.devices.push_back(rule);
  }
  return cgroup;
}

}  // namespace cella::config
