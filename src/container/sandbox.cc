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
constexpr uint32_t kRoot = kControl + 1;
constexpr uint32_t kGofer = kControl + 1;

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
Result<FileDescriptor> open_tree(const SandboxPlan::Source& source) {
  SysResult<FileDescriptor> tree = sys::clone_tree(source.path.c_str(), source.recursive);
  if (!tree && tree.error().value == EPERM) return TRY(sys::open(source.path.c_str(), O_PATH));
  if (!tree) return std::unexpected(Error(tree.error()));
  if (source.read_only) TRY(sys::make_read_only(tree->get(), source.recursive), "making it read-only");
  return std::move(*tree);
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

// A regular file cannot be opened again by whoever has nothing but its descriptor.
Result<FileDescriptor> open_source(const SandboxPlan::Source& source) {
  FileDescriptor tree = TRY(open_tree(source), "opening {}", source.path);
  const struct stat status = TRY(sys::stat_at(tree.get(), "", AT_EMPTY_PATH), "opening {}", source.path);
  if (!S_ISREG(status.st_mode)) return tree;
  const std::string path = fmt::format("/proc/self/fd/{}", tree.get());
  if (!source.read_only) {
    SysResult<FileDescriptor> file = sys::open(path.c_str(), O_RDWR | O_NONBLOCK);
    if (file) return std::move(*file);
    // On a read-only filesystem, another user's, or being executed.
    const int error = file.error().value;
    if (error != EROFS && error != EACCES && error != EPERM && error != ETXTBSY)
      return base::fail_errno(error, "opening {}", source.path);
  }
  return TRY(sys::open(path.c_str(), O_RDONLY | O_NONBLOCK), "opening {}", source.path);
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
  SandboxPlan plan{sandbox::boot::make_jail(config, full, options, ids),
                   sandbox::boot::make_request(id, config, full, options),
                   {},
                   factory.sandbox_log,
                   0,
                   std::nullopt};
  plan.jail.process.args = {"cella", "boot", std::to_string(kRequest)};
  BootRequest& request = plan.request;
  request.control = kControl;
  if (const std::optional<plan::SeccompBlob> filter = std::exchange(facts.seccomp, std::nullopt)) {
    request.seccomp = TRY(instructions_of(*filter));
    request.seccomp_flags = filter->flags;
  }
  const bool has_gofer = options.file_access == sandbox::FileAccess::kProxy;
  if (has_gofer) request.gofer = kGofer;
  // Of the kernel's next descriptor, and of the host's next file as the kernel is told of it.
  uint32_t next = has_gofer ? kGofer + 1 : kRoot, next_root = 0;
  auto number = [&] { return static_cast<int>(has_gofer ? next_root++ : next++); };
  request.root = number();
  // Below a read-only root places for mounts are still to be made; with an overlay nothing is.
  plan.sources.push_back({config.rootfs, true, options.overlay});
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    const config::Mount& mount = config.mounts[i];
    if ((mount.flags & MS_BIND) == 0 || (mount.flags & MS_REMOUNT) != 0) continue;
    request.mounts[i].descriptor = number();
    plan.sources.push_back({mount.source, (mount.flags & MS_REC) != 0, (mount.flags & MS_RDONLY) != 0});
  }
  if (!plan.log.empty()) request.log = static_cast<int>(next++);
  for (size_t i = 0; i < extra_files; ++i) request.process.extra_files.push_back(static_cast<int>(next++));
  if (has_gofer) {
    std::vector<bool> read_only;
    for (const SandboxPlan::Source& source : plan.sources) read_only.push_back(source.read_only);
    plan.gofer = TRY(plan_gofer(config, read_only, ids));
    plan.gofer->request.disable_seccomp = options.disable_seccomp;
  }
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
    std::vector<FileDescriptor> roots;
    for (const SandboxPlan::Source& source : plan.sources)
      roots.push_back(TRY(open_tree(source), "opening {}", source.path));
    files.gofer = TRY(open_gofer(*plan.gofer, std::move(roots)));
    files.owned.push_back(std::move(files.gofer->kernel_socket));
  } else {
    for (const SandboxPlan::Source& source : plan.sources) files.owned.push_back(TRY(open_source(source)));
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
