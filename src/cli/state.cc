#include "cli/command.h"
#include "cli/output.h"

namespace cella::cli {
namespace {

Result<int> state(Invocation& invocation, const NoOptions&) {
  Container container = TRY(invocation.factory().load(invocation.id()));
  const OciState oci_state = TRY(container.oci_state());
  TRY(print(to_json(oci_state) + '\n'));
  return 0;
}

}  // namespace

constinit const Command kState = {
    .name = "state",
    .summary = "show the state of a container as JSON",
    .usage = "ID",
    .details = "The object is the one of the OCI runtime specification, with rootfs, created and owner.\n",
    .options = {},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<NoOptions, state>,
};

}  // namespace cella::cli
