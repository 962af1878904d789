// gofer: this process becomes the one that serves files to an application kernel. Executed by init, with descriptors
// that libcella has prepared; see boot.cc.
#include <unistd.h>

#include <cella/gofer.h>

#include "cli/command.h"

namespace cella::cli {
namespace {

Result<int> gofer(Invocation& invocation, const NoOptions&) {
  const std::optional<uint32_t> request = parse_number(invocation.arguments[0]);
  if (!request) return usage_error("gofer takes the number of a descriptor");
  Result<sandbox::Gofer> gofer = sandbox::Gofer::make(static_cast<int>(*request));
  // Of all but a request that says nothing, whoever waits has been told.
  if (!gofer && gofer.error().code == ErrorCode::kConfigInvalid) return std::unexpected(gofer.error());
  // There is nothing to be said, and nothing to be done, under the filter.
  ::_exit(gofer && gofer->serve() ? 0 : 1);
}

}  // namespace

constinit const Command kGofer = {
    .name = "gofer",
    .summary = "serve files to the application kernel of a sandboxed container",
    .usage = "DESCRIPTOR",
    .details = "",
    .options = {},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<NoOptions, gofer>,
};

}  // namespace cella::cli
