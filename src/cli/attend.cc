// attend: a process of the host's that stands for one inside a sandbox; `exec` starts it. See container/control.cc.
#include <cella/sandbox.h>

#include "cli/command.h"

namespace cella::cli {
namespace {

Result<int> attend(Invocation& invocation, const NoOptions&) {
  const std::optional<uint32_t> control = parse_number(invocation.arguments[0]);
  const std::optional<uint32_t> pid = parse_number(invocation.arguments[1]);
  if (!control || !pid) return usage_error("attend takes the number of a descriptor and a pid");
  return exit_code_of(TRY(sandbox::attend(static_cast<int>(*control), static_cast<int>(*pid))));
}

}  // namespace

constinit const Command kAttend = {
    .name = "attend",
    .summary = "stand for a process in a sandboxed container",
    .usage = "DESCRIPTOR PID",
    .details = "",
    .options = {},
    .min_arguments = 2,
    .max_arguments = 2,
    .run = with_options<NoOptions, attend>,
};

}  // namespace cella::cli
