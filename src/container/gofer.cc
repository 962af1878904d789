#include "container/gofer.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>

#include "base/result.h"
#include "plan/build.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace cella::container {
namespace {

using sys::FileDescriptor;

constexpr uint32_t kRequest = plan::kFirstExtraFile;
constexpr uint32_t kSocket = kRequest + 1;
constexpr uint32_t kReport = kSocket + 1;

}  // namespace

Result<GoferPlan> plan_gofer(const config::Config& container, const std::vector<config::Mount>& trees,
                             const sandbox::JailFacts& facts) {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return base::fail_errno(errno, "reading the limit of descriptors");
  GoferPlan plan{sandbox::gofer::make_jail(container, facts, trees, limit.rlim_max), {}, 0};
  plan.jail.process.args = {"cella", "gofer", std::to_string(kRequest)};
  for (const config::Mount& tree : trees) {
    const bool read_only = (tree.flags & MS_RDONLY) != 0 || (tree.rec_attr_set & MOUNT_ATTR_RDONLY) != 0;
    plan.request.roots.push_back({sandbox::tree_path(plan.request.roots.size()), read_only});
  }
  plan.request.socket = kSocket;
  plan.request.report = kReport;
  plan.extra_files = kReport - plan::kFirstExtraFile;
  return plan;
}

Result<GoferFiles> open_gofer(const GoferPlan& plan) {
  auto [kernels, gofers] = TRY(sys::packet_pair(), "making the socket to the gofer");
  GoferFiles files;
  files.kernel_socket = std::move(kernels);
  files.owned.push_back(TRY(sys::memory_file("cella-gofer-request", sandbox::gofer::to_json(plan.request), true),
                            "writing the gofer's request"));
  files.owned.push_back(std::move(gofers));
  return files;
}

Result<Launched> launch_gofer(const std::string& id, const GoferPlan& plan, const GoferFiles& files, int program,
                              plan::Facts facts, const GoferCgroup& cgroup, const IdMapTools& tools) {
  plan::StartOptions options;
  options.id = id;
  options.wait_for_start = false;
  options.extra_files = plan.extra_files;
  options.open_program = true;
  options.destination_names = plan.jail.destination_names;
  plan::Built built =
      TRY(plan::build_create(plan.jail.config, plan.jail.process, facts, options), "planning the gofer");
  // Whatever the container's streams are, nothing of it goes there.
  const FileDescriptor null = TRY(sys::open("/dev/null", O_RDWR), "opening /dev/null");
  std::vector<int> extra_files;
  for (const FileDescriptor& fd : files.owned) extra_files.push_back(fd.get());
  Launch request = {
      built, {null.get(), null.get(), null.get()}, extra_files, {{built.program, program}}, cgroup.into_cgroup, false};
  Handler handler;
  handler.created = [](pid_t) -> Result<void> { return {}; };
  handler.user_maps = [&](pid_t pid) {
    return write_id_maps(pid, plan.jail.config.uid_mappings, plan.jail.config.gid_mappings, tools);
  };
  handler.cgroups = [&]() -> Result<std::vector<int>> { return cgroup.tasks_files; };
  handler.namespaces = [](pid_t) -> Result<std::vector<int>> { return std::vector<int>(); };
  handler.ready = handler.namespaces;
  return TRY(launch(std::move(request), handler), "starting the gofer");
}

void reap(std::optional<Launched>& gofer) {
  if (!gofer) return;
  (void)sys::pidfd_signal(gofer->pidfd.get(), SIGKILL);
  (void)sys::wait_for(gofer->pid);
  gofer.reset();
}

}  // namespace cella::container
