// boot: this process becomes the application kernel of a sandboxed container. Executed by init, with descriptors that
// libcella has prepared; see container/sandbox.h.
#include <unistd.h>

#include <cella/sandbox.h>

#include "cli/command.h"

namespace cella::cli {
namespace {

Result<int> boot(Invocation& invocation, const NoOptions&) {
  const std::optional<uint32_t> request = parse_number(invocation.arguments[0]);
  if (!request) return usage_error("boot takes the number of a descriptor");
  Result<sandbox::Loader> loader = sandbox::Loader::make(static_cast<int>(*request));
  // Of all but a request that says nothing, whoever waits for the container has been told.
  if (!loader && loader.error().code == ErrorCode::kConfigInvalid) return std::unexpected(loader.error());
  if (!loader) return 1;
  loader->wait_for_start_signal();
  if (!loader->run()) return 1;
  const int status = exit_code_of(loader->wait_exit());
  // Everything else of this process is the kernel's, and ends with it.
  ::_exit(status);
}

}  // namespace

constinit const Command kBoot = {
    .name = "boot",
    .summary = "be the application kernel of a sandboxed container",
    .usage = "DESCRIPTOR",
    .details = "",
    .options = {},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<NoOptions, boot>,
};

}  // namespace cella::cli
