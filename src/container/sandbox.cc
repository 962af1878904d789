#include "container/sandbox.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <cerrno>
#include <charconv>

#include "base/result.h"
#include "container/host_facts.h"
#include "plan/build.h"
#include "sandbox/boot/options.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace cella::container {
namespace {

using sandbox::boot::BootRequest;
using sys::FileDescriptor;

constexpr uint32_t kRequest = plan::kFirstExtraFile;
constexpr uint32_t kRoot = kRequest + 1;

// The ids of a map of procfs as they are called in the namespace: user_namespaces(7).
Result<std::vector<config::IDMap>> own_ids(const char* path) {
  const std::string text = TRY(sys::read_file(path), "reading {}", path);
  std::vector<config::IDMap> maps;
  for (const char *next = text.data(), *end = next + text.size(); next != end;) {
    int64_t numbers[3] = {};
    for (int64_t& number : numbers) {
      while (next != end && *next == ' ') ++next;
      next = std::from_chars(next, end, number).ptr;
    }
    while (next != end && *next++ != '\n') {
    }
    maps.push_back({numbers[0], numbers[0], numbers[2]});
  }
  return maps;
}

// A tree of its own, so that what is mounted below is there as far as it was asked for, and nothing can be written that
// must not be, whoever has the descriptor. An ordinary user cannot have that, and gets the directory as it is.
Result<FileDescriptor> open_source(const SandboxPlan::Source& source) {
  SysResult<FileDescriptor> tree = sys::clone_tree(source.path.c_str(), source.recursive, source.nofollow);
  if (tree) {
    if (source.read_only) TRY(sys::make_read_only(tree->get(), source.recursive), "making {} read-only", source.path);
    return std::move(*tree);
  }
  if (tree.error().value != EPERM) return base::fail_errno(tree.error().value, "opening {}", source.path);
  return TRY(sys::open(source.path.c_str(), O_PATH | (source.nofollow ? O_NOFOLLOW : 0)), "opening {}", source.path);
}

}  // namespace

Result<SandboxPlan> plan_sandbox(const std::string& id, const config::Config& config,
                                 const config::ProcessConfig& process, size_t extra_files) {
  const sandbox::Config options = TRY(sandbox::boot::options_from(config.labels));
  const config::ProcessConfig full = plan::with_defaults(process, config);
  TRY(sandbox::boot::check_enforced(config, full));
  sandbox::boot::JailFacts facts;
  facts.uids = TRY(own_ids("/proc/self/uid_map"));
  facts.gids = TRY(own_ids("/proc/self/gid_map"));
  SandboxPlan plan{sandbox::boot::make_jail(config, full, options, facts),
                   sandbox::boot::make_request(id, config, full, options),
                   {},
                   0};
  plan.jail.process.args = {"cella", "boot", std::to_string(kRequest)};
  BootRequest& request = plan.request;
  request.root = kRoot;
  // Below a read-only root places for mounts are still to be made; with an overlay nothing is.
  plan.sources.push_back({config.rootfs, true, options.overlay});
  uint32_t next = kRoot + 1;
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    const config::Mount& mount = config.mounts[i];
    if ((mount.flags & MS_BIND) == 0 || (mount.flags & MS_REMOUNT) != 0) continue;
    request.mounts[i].descriptor = static_cast<int>(next++);
    plan.sources.push_back({mount.source, (mount.flags & MS_REC) != 0, (mount.flags & MS_RDONLY) != 0});
  }
  for (size_t i = 0; i < extra_files; ++i) request.process.extra_files.push_back(static_cast<int>(next++));
  plan.extra_files = next - plan::kFirstExtraFile;
  request.report = static_cast<int>(next);
  return plan;
}

Result<SandboxFiles> open_sandbox(const FactoryOptions& options, const SandboxPlan& plan,
                                  const std::vector<int>& extra_files) {
  if (options.sandbox_program.empty()) {
    return base::fail(ErrorCode::kUnsupported,
                      "the sandbox needs a program that is the application kernel: "
                      "FactoryOptions::sandbox_program");
  }
  SandboxFiles files;
  files.program = TRY(sys::open(options.sandbox_program.c_str(), O_RDONLY), "opening the application kernel {}",
                      options.sandbox_program);
  files.owned.push_back(
      TRY(sys::memory_file("cella-request", sandbox::boot::to_json(plan.request), true), "writing the request"));
  for (const SandboxPlan::Source& source : plan.sources) files.owned.push_back(TRY(open_source(source)));
  for (const FileDescriptor& fd : files.owned) files.extra_files.push_back(fd.get());
  files.extra_files.insert(files.extra_files.end(), extra_files.begin(), extra_files.end());
  return files;
}

}  // namespace cella::container
