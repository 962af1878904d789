#include "container/id_maps.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/result.h"
#include "container/spawn.h"
#include "sys/file.h"

namespace cella::container {
namespace {

std::string find_tool(const std::string& configured, const char* name) {
  if (!configured.empty()) return configured;
  const char* path = std::getenv("PATH");
  std::string search = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  for (size_t start = 0; start <= search.size();) {
    size_t end = std::min(search.find(':', start), search.size());
    std::string candidate = search.substr(start, end - start) + "/" + name;
    if (candidate[0] == '/' && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    start = end + 1;
  }
  return {};
}

Result<void> run_tool(const std::string& configured, const char* name, pid_t pid,
                      const std::vector<config::IDMap>& maps) {
  std::string path = find_tool(configured, name);
  if (path.empty()) {
    Error error(ErrorCode::kSystemError, fmt::format("{} is not in $PATH", name), EPERM);
    error.hint = fmt::format("install {} (package uidmap), or map only your own id", name);
    return std::unexpected(std::move(error));
  }
  Spawn spawn;
  spawn.path = path;
  spawn.args = {name, std::to_string(pid)};
  for (const config::IDMap& map : maps) {
    spawn.args.push_back(std::to_string(map.container_id));
    spawn.args.push_back(std::to_string(map.host_id));
    spawn.args.push_back(std::to_string(map.size));
  }
  constexpr int kTimeoutSeconds = 20;
  spawn.timeout_seconds = kTimeoutSeconds;
  TRY(run_to_end(spawn), "running {}", path);
  return {};
}

// One kind of map. The kernel refuses with EPERM what the caller may not do itself.
Result<void> write_map(pid_t pid, const char* file, const std::vector<config::IDMap>& maps, bool own_only,
                       const std::string& tool, const char* tool_name) {
  if (maps.empty()) return {};
  std::string path = fmt::format("/proc/{}/{}", pid, file);
  if (own_only && file[0] == 'g') {
    // An ordinary user may map a group only when setgroups(2) cannot be used to lose one.
    TRY(sys::write_file(fmt::format("/proc/{}/setgroups", pid).c_str(), "deny"), "writing /proc/{}/setgroups", pid);
  }
  SysResult<void> written = sys::write_file(path.c_str(), id_map_text(maps));
  if (written) return {};
  if (written.error().value != EPERM) TRY(written, "writing {}", path);
  return run_tool(tool, tool_name, pid, maps);
}

bool is_own_only(const std::vector<config::IDMap>& maps, int64_t own) {
  return ::geteuid() != 0 && maps.size() == 1 && maps[0].size == 1 && maps[0].host_id == own;
}

}  // namespace

std::string id_map_text(const std::vector<config::IDMap>& maps) {
  std::string text;
  for (const config::IDMap& map : maps) text += fmt::format("{} {} {}\n", map.container_id, map.host_id, map.size);
  return text;
}

Result<void> write_id_maps(pid_t pid, const std::vector<config::IDMap>& uids, const std::vector<config::IDMap>& gids,
                           const IdMapTools& tools) {
  TRY(write_map(pid, "uid_map", uids, is_own_only(uids, ::geteuid()), tools.newuidmap, "newuidmap"));
  return write_map(pid, "gid_map", gids, is_own_only(gids, ::getegid()), tools.newgidmap, "newgidmap");
}

}  // namespace cella::container
