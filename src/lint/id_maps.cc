// The maps of a new user namespace: what the caller may map, user_namespaces(7), newuidmap(1); and the ids of the
// process, which must be mapped.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "lint/host.h"
#include "lint/lint.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

using Maps = std::vector<oci::IDMapping>;

struct Kind {
  const char* key;
  const Maps oci::Linux::* maps;
  const char* file;  // of the caller's own namespace
  const char* tool;
  uint32_t (*own)();
};
const Kind kKinds[] = {
    {"uidMappings", &oci::Linux::uid_mappings, "/proc/self/uid_map", "newuidmap", ::geteuid},
    {"gidMappings", &oci::Linux::gid_mappings, "/proc/self/gid_map", "newgidmap", ::getegid},
};

bool is_mapped(const Maps& maps, uint32_t id) {
  return std::ranges::any_of(
      maps, [&](const oci::IDMapping& m) { return id >= m.container_id && id - m.container_id < m.size; });
}

// Are the host's ids of this range ids of our own namespace?
bool is_ours(const std::string& own_map, const oci::IDMapping& mapping) {
  const uint64_t first = mapping.host_id, end = first + mapping.size;
  for (size_t line = 0; line < own_map.size(); line = own_map.find('\n', line) + 1) {
    unsigned long long inside = 0, outside = 0, size = 0;
    if (std::sscanf(own_map.c_str() + line, "%llu %llu %llu", &inside, &outside, &size) != 3) break;
    if (first >= inside && end <= inside + size) return true;
    if (own_map.find('\n', line) == std::string::npos) break;
  }
  return false;
}

bool is_in_path(const char* program) {
  const char* path = std::getenv("PATH");
  std::string_view search = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!search.empty()) {
    const size_t colon = search.find(':');
    if (exists(fmt::format("{}/{}", search.substr(0, colon), program))) return true;
    search = colon == std::string_view::npos ? std::string_view() : search.substr(colon + 1);
  }
  return false;
}

void check_maps(const Kind& kind, const Maps& maps, json::Report& report) {
  json::At at(report, kind.key);
  const SysResult<std::string> own_map = sys::read_file(kind.file);
  for (size_t i = 0; own_map && i < maps.size(); ++i) {
    json::At item(report, i);
    if (!is_ours(*own_map, maps[i])) report.fail_in("hostID", "begins a range that {} does not have", kind.file);
  }
  // An ordinary user may map the own id alone; else a set-user-ID program must help.
  const bool own_only = maps.size() == 1 && maps[0].size == 1 && maps[0].host_id == kind.own();
  if (::geteuid() != 0 && !own_only && !is_in_path(kind.tool)) {
    report.fail("cannot be set by an ordinary user without {}, which is not in $PATH (package uidmap)", kind.tool);
  }
}

void check_ids(const oci::Spec& spec, json::Report& report) {
  if (!spec.process) return;
  const oci::Linux& config = *spec.linux_config;
  json::At process(report, "process");
  json::At at(report, "user");
  const oci::User& user = spec.process->user;
  if (!is_mapped(config.uid_mappings, user.uid)) report.fail_in("uid", "is not mapped by /linux/uidMappings");
  if (!is_mapped(config.gid_mappings, user.gid)) report.fail_in("gid", "is not mapped by /linux/gidMappings");
  json::At gids(report, "additionalGids");
  for (size_t i = 0; i < user.additional_gids.size(); ++i) {
    json::At gid(report, i);
    if (!is_mapped(config.gid_mappings, user.additional_gids[i])) report.fail("is not mapped by /linux/gidMappings");
  }
}

}  // namespace

void check_id_maps(const Subject& subject, json::Report& report) {
  if (!subject.config.namespaces.is_new(config::NamespaceType::kUser)) return;
  {
    json::At at(report, "linux");
    for (const Kind& kind : kKinds) check_maps(kind, (*subject.spec.linux_config).*kind.maps, report);
  }
  check_ids(subject.spec, report);
}

}  // namespace cella::lint
