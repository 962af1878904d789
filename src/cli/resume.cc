#include "cli/command.h"

namespace cella::cli {
namespace {

Result<int> resume(Invocation& invocation, const NoOptions&) {
  Container container = TRY(invocation.factory().load(invocation.id()));
  TRY(container.resume());
  return 0;
}

}  // namespace

constinit const Command kResume = {
    .name = "resume",
    .summary = "let the processes of a paused container run again",
    .usage = "ID",
    .details = "",
    .options = {},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<NoOptions, resume>,
};

}  // namespace cella::cli
