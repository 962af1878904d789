#include <csignal>

#include "cli/command.h"
#include "cli/signals.h"

namespace cella::cli {
namespace {

struct KillOptions {
  bool all = false;
};

Result<int> kill(Invocation& invocation, const KillOptions& options) {
  int number = SIGTERM;
  if (invocation.arguments.size() > 1) {
    const char* name = invocation.arguments[1];
    const std::optional<int> parsed = parse_signal(name);
    if (!parsed) return usage_error(std::string("unknown signal \"") + name + '"');
    number = *parsed;
  }
  Container container = TRY(invocation.factory().load(invocation.id()));
  TRY(options.all ? container.signal_all(number) : container.signal(number));
  return 0;
}

constexpr auto kOptions = std::to_array<Option>({
    {"all", "a", nullptr, "signal every process of the container, if there is any",
     into<KillOptions, &KillOptions::all>},
});

}  // namespace

constinit const Command kKill = {
    .name = "kill",
    .summary = "send a signal to a container",
    .usage = "ID [SIGNAL]",
    .details = "To its first process. SIGNAL is a name, with or without SIG, or a number (default: TERM).\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = with_options<KillOptions, kill>,
};

}  // namespace cella::cli
