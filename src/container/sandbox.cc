#include "container/sandbox.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <utility>

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
constexpr uint32_t kControl = kRequest + 1;
constexpr uint32_t kFirstOther = kControl + 1;

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

// The filter is for the guest's programs, and their kernel's to apply.
Result<std::vector<uint64_t>> instructions_of(const plan::SeccompBlob& filter) {
  if (filter.listener) {
    return base::fail(ErrorCode::kUnsupported,
                      "/linux/seccomp: the sandbox asks no listener about the calls of its programs");
  }
  if (filter.program.size() % sizeof(uint64_t) != 0)
    return base::fail(ErrorCode::kConfigInvalid, "linux.seccomp: the program ends within an instruction");
  std::vector<uint64_t> instructions(filter.program.size() / sizeof(uint64_t));
  std::memcpy(instructions.data(), filter.program.data(), filter.program.size());
  return instructions;
}

}  // namespace

Result<void> note_sandbox(const config::Config& config, std::vector<Finding>& ignored) {
  const sandbox::Config options = TRY(sandbox::boot::options_from(config.labels));
  std::ranges::move(sandbox::boot::ignored_by_sandbox(config, options), std::back_inserter(ignored));
  return {};
}

Result<SandboxPlan> plan_sandbox(const FactoryOptions& factory, const std::string& id, const config::Config& config,
                                 const config::ProcessConfig& process, plan::Facts& facts, size_t extra_files) {
  const sandbox::Config options = TRY(sandbox::boot::options_from(config.labels));
  const config::ProcessConfig full = plan::with_defaults(process, config);
  TRY(sandbox::boot::check_enforced(config, full, options));
  sandbox::JailFacts ids;
  ids.uids = TRY(own_ids("/proc/self/uid_map"));
  ids.gids = TRY(own_ids("/proc/self/gid_map"));
  // With an overlay nothing is written. Below a read-only root places for mounts are still to be made.
  const std::vector<config::Mount> trees = sandbox::trees_of(config, options.overlay);
  const bool has_gofer = options.file_access == sandbox::FileAccess::kProxy;
  SandboxPlan plan{
      sandbox::boot::make_jail(config, full, options, ids, has_gofer ? std::vector<config::Mount>() : trees),
      sandbox::boot::make_request(id, config, full, options), factory.sandbox_log, 0, std::nullopt};
  plan.jail.process.args = {"cella", "boot", std::to_string(kRequest)};
  BootRequest& request = plan.request;
  request.control = kControl;
  if (const std::optional<plan::SeccompBlob> filter = std::exchange(facts.seccomp, std::nullopt)) {
    request.seccomp = TRY(instructions_of(*filter));
    request.seccomp_flags = filter->flags;
  }
  if (!config.namespaces.contains(config::NamespaceType::kUser)) {
    request.uid_maps = ids.uids;
    request.gid_maps = ids.gids;
  }
  uint32_t next = kFirstOther;
  if (has_gofer) {
    plan.gofer = TRY(plan_gofer(config, trees, ids));
    plan.gofer->request.disable_seccomp = options.disable_seccomp;
    request.gofer = static_cast<int>(next++);
  }
  if (!plan.log.empty()) request.log = static_cast<int>(next++);
  for (size_t i = 0; i < extra_files; ++i) request.process.extra_files.push_back(static_cast<int>(next++));
  plan.extra_files = next - plan::kFirstExtraFile;
  request.report = static_cast<int>(next);
  return plan;
}

Result<SandboxFiles> open_sandbox(const FactoryOptions& options, const SandboxPlan& plan, StateDirectory& directory,
                                  const std::vector<int>& extra_files) {
  if (options.sandbox_program.empty()) {
    return base::fail(ErrorCode::kUnsupported,
                      "the sandbox needs a program that is the application kernel: "
                      "FactoryOptions::sandbox_program");
  }
  const sandbox::Config config = TRY(sandbox::boot::options_from(plan.request.options));
  if (config.disable_seccomp && options.on_warning) {
    options.on_warning(
        {"/annotations/dev.cella.sandbox.disable-seccomp",
         "the application kernel and its gofer run without their own seccomp filters: for debugging alone"});
  }
  SandboxFiles files;
  files.program = TRY(sys::open(options.sandbox_program.c_str(), O_RDONLY), "opening the application kernel {}",
                      options.sandbox_program);
  files.owned.push_back(
      TRY(sys::memory_file("cella-request", sandbox::boot::to_json(plan.request), true), "writing the request"));
  files.owned.push_back(TRY(directory.make_control_socket()));
  if (plan.gofer) {
    files.gofer = TRY(open_gofer(*plan.gofer));
    files.owned.push_back(std::move(files.gofer->kernel_socket));
  }
  if (!plan.log.empty()) {
    constexpr mode_t kMode = 0600;
    files.owned.push_back(TRY(sys::open(plan.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, kMode),
                              "opening the debug log {}", plan.log));
  }
  for (const FileDescriptor& fd : files.owned) files.extra_files.push_back(fd.get());
  files.extra_files.insert(files.extra_files.end(), extra_files.begin(), extra_files.end());
  return files;
}

}  // namespace cella::container
