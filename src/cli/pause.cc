#include "cli/command.h"

namespace cella::cli {
namespace {

Result<int> pause(Invocation& invocation, const NoOptions&) {
  Container container = TRY(invocation.factory().load(invocation.id()));
  TRY(container.pause());
  return 0;
}

}  // namespace

constinit const Command kPause = {
    .name = "pause",
    .summary = "freeze all processes of a container",
    .usage = "ID",
    .details = "The processes stay where they are, without running, until `cella resume ID`.\n",
    .options = {},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<NoOptions, pause>,
};

}  // namespace cella::cli
