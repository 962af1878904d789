#include "rdt/group.h"

#include <fcntl.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "base/result.h"
#include "cgroup/text.h"
#include "rdt/schemata.h"
#include "sys/file.h"

namespace cella::rdt {
namespace {

constexpr char kDefaultGroup[] = "/";

bool is_directory(const std::string& path) {
  SysResult<struct stat> status = sys::stat_at(sys::kCurrentDirectory, path.c_str());
  return status && S_ISDIR(status->st_mode);
}

Result<void> remove_directory(const std::string& path) {
  SysResult<void> removed = sys::unlink_at(sys::kCurrentDirectory, path.c_str(), AT_REMOVEDIR);
  if (!removed && removed.error().value != ENOENT) TRY(removed, "removing the resctrl group {}", path);
  return {};
}

// Processes that have just been killed are tasks until they are reaped.
bool becomes_empty(const std::string& tasks) {
  constexpr int kTimeoutMs = 500, kPauseMs = 10;
  for (int waited = 0;; waited += kPauseMs) {
    SysResult<std::string> text = sys::read_file(tasks.c_str());
    if (!text || text->empty()) return true;
    if (waited >= kTimeoutMs) return false;
    timespec pause = {0, kPauseMs * 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

// One component, and none of those that lead elsewhere.
bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos && name.find('\0') == name.npos;
}

Result<void> check_support(const Filesystem& filesystem, const config::IntelRdt& config) {
  const Support support = probe(filesystem);
  auto lacks = [&](const char* field, const char* what) {
    return base::fail(ErrorCode::kUnsupported, "linux.intelRdt.{} is given, but {} has no {}", field, filesystem.root,
                      what);
  };
  if (!config.l3_cache_schema.empty() && !support.cache_allocation)
    return lacks("l3CacheSchema", "L3 cache allocation");
  if (!config.mem_bw_schema.empty() && !support.bandwidth_allocation) {
    return lacks("memBwSchema", "memory bandwidth allocation");
  }
  if (!config.schemata.empty() && !support.any_allocation) return lacks("schemata", "resource to allocate");
  if (config.enable_monitoring && !support.monitoring) return lacks("enableMonitoring", "monitoring groups");
  return {};
}

// "If closID directory exists, runtimes MUST compare l3CacheSchema and/or memBwSchema value with schemata file".
Result<void> check_schemata(const Filesystem& filesystem, const config::IntelRdt& config, const std::string& path) {
  if (config.l3_cache_schema.empty() && config.mem_bw_schema.empty()) return {};
  std::string file = path + "/schemata";
  std::string existing = TRY(sys::read_file(file.c_str()), "reading {}", file);
  uint64_t step = 0;
  if (!filesystem.bandwidth_in_mbps) {
    SysResult<std::string> text = sys::read_file((filesystem.root + "/info/MB/bandwidth_gran").c_str());
    if (text) step = cgroup::parse_limit(*text);
  }
  for (const auto& [field, wanted] : {std::pair("l3CacheSchema", std::string_view(config.l3_cache_schema)),
                                      std::pair("memBwSchema", std::string_view(config.mem_bw_schema))}) {
    std::optional<std::string> differs = difference(wanted, existing, step);
    if (!differs) continue;
    return base::fail(ErrorCode::kConfigInvalid, "linux.intelRdt.{} does not match the schemata of the existing {}: {}",
                      field, path, *differs);
  }
  return {};
}

}  // namespace

Result<Group> Group::plan(const Filesystem& filesystem, const config::IntelRdt& config, std::string_view id) {
  const std::string& clos = config.clos_id;
  if (!clos.empty() && clos != kDefaultGroup && !is_name(clos)) {
    return base::fail(ErrorCode::kConfigInvalid, "linux.intelRdt.closID \"{}\" is not the name of a directory", clos);
  }
  TRY(check_support(filesystem, config));
  Group group;
  group.root_ = filesystem.root;
  group.path_ =
      clos == kDefaultGroup ? filesystem.root : fmt::format("{}/{}", filesystem.root, clos.empty() ? id : clos);
  if (config.enable_monitoring) group.monitor_path_ = fmt::format("{}/mon_groups/{}", group.path_, id);
  group.missing_ = !is_directory(group.path_);
  group.own_ = clos.empty() && group.missing_;
  if (clos.empty()) return group;
  const bool schemata = !config.l3_cache_schema.empty() || !config.mem_bw_schema.empty() || !config.schemata.empty();
  if (group.missing_ && !schemata) {
    return base::fail(ErrorCode::kConfigInvalid,
                      "linux.intelRdt.closID \"{}\" does not exist in {}, and no schemata are given to make it with",
                      clos, filesystem.root);
  }
  if (!group.missing_) TRY(check_schemata(filesystem, config, group.path_));
  return group;
}

Group Group::load(const config::IntelRdt& config, std::string path, std::string monitor_path, bool own) {
  Group group;
  group.root_ = config.clos_id == kDefaultGroup ? path : path.substr(0, path.find_last_of('/'));
  group.path_ = std::move(path);
  group.monitor_path_ = std::move(monitor_path);
  group.own_ = own;
  return group;
}

std::vector<std::string> Group::to_make() const {
  std::vector<std::string> paths;
  if (missing_) paths.push_back(path_);
  if (!monitor_path_.empty()) paths.push_back(monitor_path_);
  return paths;
}

std::unexpected<Error> Group::failed(Errno errno_value, std::string what) const {
  Error error(errno_value);
  if (SysResult<std::string> status = sys::read_file((root_ + "/info/last_cmd_status").c_str())) {
    if (std::string_view said = cgroup::trim(*status); said != "ok") error.message = said;
  }
  return std::unexpected(std::move(error).with(std::move(what)));
}

Result<void> Group::make_directory(const std::string& path) {
  constexpr mode_t kMode = 0755;
  SysResult<void> made = sys::make_directory_at(sys::kCurrentDirectory, path.c_str(), kMode);
  if (!made) return failed(made.error(), fmt::format("making the resctrl group {}", path));
  made_.push_back(path);
  return {};
}

Result<void> Group::make() {
  return missing_ ? make_directory(path_) : Result<void>();
}

Result<void> Group::monitor() {
  return monitor_path_.empty() ? Result<void>() : make_directory(monitor_path_);
}

Result<std::string> Group::schemata() const {
  std::string file = path_ + "/schemata";
  return TRY(sys::read_file(file.c_str()), "reading {}", file);
}

Result<void> Group::put_back(std::string_view text) const {
  SysResult<void> written = sys::write_file((path_ + "/schemata").c_str(), text);
  if (written) return {};
  return failed(written.error(), fmt::format("writing \"{}\" to {}/schemata", cgroup::trim(text), path_));
}

Result<void> Group::set(const config::IntelRdt& config) const {
  std::vector<std::string> writes;
  for (const std::string* schema : {&config.l3_cache_schema, &config.mem_bw_schema}) {
    if (!schema->empty()) writes.push_back(*schema + "\n");
  }
  if (!config.schemata.empty()) {
    std::string& lines = writes.emplace_back();
    for (const std::string& line : config.schemata) lines += line + "\n";
  }
  if (writes.empty()) return {};
  const std::string before = TRY(schemata());
  for (const std::string& text : writes) {
    Result<void> written = put_back(text);
    if (written) continue;
    if (&text != &writes.front()) (void)put_back(before);
    return written;
  }
  return {};
}

Result<void> Group::add(pid_t pid) const {
  // The group first: entering it leaves a monitoring group of another one.
  for (const std::string* path : {&path_, &monitor_path_}) {
    if (path->empty()) continue;
    SysResult<void> written = sys::write_file((*path + "/tasks").c_str(), std::to_string(pid));
    if (!written) return failed(written.error(), fmt::format("moving process {} to the resctrl group {}", pid, *path));
  }
  return {};
}

bool Group::exists() const {
  return is_directory(path_);
}

Result<void> Group::undo() {
  return remove_unused(std::exchange(made_, {}));
}

Result<void> Group::remove() const {
  if (!monitor_path_.empty()) TRY(remove_directory(monitor_path_));
  if (own_) TRY(remove_directory(path_));
  return {};
}

Result<void> remove_unused(const std::vector<std::string>& paths) {
  for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
    if (!becomes_empty(*path + "/tasks")) continue;
    TRY(remove_directory(*path));
  }
  return {};
}

}  // namespace cella::rdt
