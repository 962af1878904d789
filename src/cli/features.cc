#include "cli/command.h"
#include "cli/output.h"

namespace cella::cli {
namespace {

Result<int> features(Invocation&, const NoOptions&) {
  TRY(print(features_json() + '\n'));
  return 0;
}

}  // namespace

constinit const Command kFeatures = {
    .name = "features",
    .summary = "show what this build can do, as JSON",
    .usage = "",
    .details =
        "The document is the one of the OCI runtime specification, version 1.3. It speaks of cella, not\n"
        "of the host; callers ask for it before they write a config.json.\n",
    .options = {},
    .min_arguments = 0,
    .max_arguments = 0,
    .run = with_options<NoOptions, features>,
};

}  // namespace cella::cli
