#include "cli/command.h"

namespace cella::cli {
namespace {

Result<int> start(Invocation& invocation, const NoOptions&) {
  Container container = TRY(invocation.factory().load(invocation.id()));
  TRY(container.exec());
  return 0;
}

}  // namespace

constinit const Command kStart = {
    .name = "start",
    .summary = "run the program of a created container",
    .usage = "ID",
    .details = "Lets the program of a container made by `cella create` run, and returns when it does.\n",
    .options = {},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<NoOptions, start>,
};

}  // namespace cella::cli
