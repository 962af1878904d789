#include "cli/command.h"

namespace cella::cli {
namespace {

struct DeleteOptions {
  bool force = false;
};

Result<int> destroy(Invocation& invocation, const DeleteOptions& options) {
  TRY(invocation.factory().destroy(invocation.id(), options.force));
  return 0;
}

constexpr auto kOptions = std::to_array<Option>({
    {"force", "f", nullptr, "kill the container first if it runs; succeed if there is none",
     into<DeleteOptions, &DeleteOptions::force>},
});

}  // namespace

constinit const Command kDelete = {
    .name = "delete",
    .summary = "delete a stopped container",
    .usage = "ID",
    .details =
        "Removes whatever the container holds: its cgroups, its state and what a create that was\n"
        "killed half-way has left.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<DeleteOptions, destroy>,
};

}  // namespace cella::cli
