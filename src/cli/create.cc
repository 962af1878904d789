#include "cli/command.h"
#include "cli/launch.h"

namespace cella::cli {
namespace {

Result<int> create(Invocation& invocation, const CreateOptions& options) {
  Factory factory = invocation.factory();
  Launch launch = TRY(load_launch(factory, invocation.id(), options, /*detached=*/true));
  if (options.dry_run != DryRun::kNo) return print_create_plan(factory, invocation.id(), launch, options.dry_run);
  Container container = TRY(factory.create(invocation.id(), std::move(launch.config)));
  TRY(container.start(launch.process));
  return 0;
}

constexpr auto kOptions = joined(kCreateOptions<CreateOptions>, kProcessOptions<CreateOptions>);

}  // namespace

constinit const Command kCreate = {
    .name = "create",
    .summary = "create a container that waits to be started",
    .usage = "ID",
    .details =
        "Sets up the container that DIR/config.json describes, up to the point where its program\n"
        "could run, and waits there for `cella start ID`.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<CreateOptions, create>,
};

}  // namespace cella::cli
