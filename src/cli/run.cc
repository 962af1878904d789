#include <poll.h>

#include <csignal>

#include "cli/command.h"
#include "cli/launch.h"

namespace cella::cli {
namespace {

struct RunOptions : CreateOptions {
  bool detach = false;
  bool keep = false;
  bool no_subreaper = false;
};

constexpr int kKillTimeoutMs = 10'000;

// What ran is gone or must go; so must the container.
Result<void> remove(Container& container, const Process& process) {
  Result<void> destroyed = container.destroy();
  if (destroyed || destroyed.error().code == ErrorCode::kContainerNotExists) return {};
  if (destroyed.error().code != ErrorCode::kContainerNotStopped) return destroyed;
  TRY(container.signal_all(SIGKILL));
  if (process.pidfd() >= 0) {
    pollfd ended = {.fd = process.pidfd(), .events = POLLIN, .revents = 0};
    ::poll(&ended, 1, kKillTimeoutMs);
  }
  return container.destroy();
}

Result<int> run(Invocation& invocation, const RunOptions& options) {
  Factory factory = invocation.factory();
  Launch launch = TRY(load_launch(factory, invocation.id(), options, options.detach));
  if (launch.process.config.args.empty()) {
    Error error(ErrorCode::kConfigInvalid, options.bundle + "/config.json has no program to run");
    error.findings.push_back({"/process", "must be present"});
    return std::unexpected(std::move(error));
  }
  if (options.dry_run != DryRun::kNo) return print_create_plan(factory, invocation.id(), launch, options.dry_run);

  Container container = TRY(factory.create(invocation.id(), std::move(launch.config)));
  Result<int> status = run_process(container, launch.process, options.detach);
  if (status && (options.detach || options.keep)) return status;
  Result<void> removed = remove(container, launch.process);
  // The program's own exit status matters more than what is left of its container.
  if (!removed) log_warning(invocation.globals.log, {"", "removing the container: " + one_line(removed.error())});
  return status;
}

constexpr auto kOwnOptions = std::to_array<Option>({
    {"detach", "d", nullptr, "leave the container running and return", into<RunOptions, &RunOptions::detach>},
    {"keep", nullptr, nullptr, "keep the container when its program has ended", into<RunOptions, &RunOptions::keep>},
    {"no-subreaper", nullptr, nullptr, "accepted for runc's sake: cella never is a subreaper",
     into<RunOptions, &RunOptions::no_subreaper>},
});
constexpr auto kOptions = joined(kCreateOptions<RunOptions>, kOwnOptions, kProcessOptions<RunOptions>);

}  // namespace

constinit const Command kRun = {
    .name = "run",
    .summary = "create a container, run its program and delete it",
    .usage = "ID",
    .details =
        "Runs the program of DIR/config.json in a new container. In the foreground signals are\n"
        "forwarded to it, the container is deleted when it ends, and its exit status is returned.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<RunOptions, run>,
};

}  // namespace cella::cli
