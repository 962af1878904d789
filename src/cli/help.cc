#include "cli/command.h"
#include "cli/output.h"

namespace cella::cli {
namespace {

Result<int> help(Invocation& invocation, const NoOptions&) {
  if (invocation.arguments.empty()) {
    TRY(print(global_help()));
    return 0;
  }
  const char* name = invocation.arguments[0];
  const Command* command = find_command(name);
  if (command == nullptr) return usage_error(std::string("unknown command \"") + name + '"');
  TRY(print(command_help(*command)));
  return 0;
}

}  // namespace

std::string global_help() {
  std::string text =
      "Usage: cella [OPTION...] COMMAND [ARGUMENT...]\n\n"
      "cella runs programs in containers, as the OCI runtime specification describes them.\n\n"
      "Commands:\n";
  for (const Command* command : commands()) {
    const std::string name = command->name;
    text += "  " + name + std::string(10 - name.size(), ' ') + command->summary + '\n';
  }
  return text + "\nOptions:\n" + options_help(global_options()) + "\n`cella help COMMAND` describes one command.\n";
}

std::string command_help(const Command& command) {
  std::string text = std::string("Usage: cella ") + command.name + " [OPTION...]";
  if (command.usage[0] != '\0') text += std::string(" ") + command.usage;
  text += std::string("\n\n") + command.name + ": " + command.summary + ".\n";
  if (command.details[0] != '\0') text += std::string("\n") + command.details;
  return text + "\nOptions:\n" + options_help(command.options);
}

constinit const Command kHelpCommand = {
    .name = "help",
    .summary = "describe cella or one of its commands",
    .usage = "[COMMAND]",
    .details = "",
    .options = {},
    .min_arguments = 0,
    .max_arguments = 1,
    .run = with_options<NoOptions, help>,
};

}  // namespace cella::cli
