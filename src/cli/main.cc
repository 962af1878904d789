// cella: the command line of libcella. Parses, calls, prints.
//
// Nothing runs before main but libc's own start, and `--version` allocates next to nothing: callers ask for it often.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cli/command.h"
#include "cli/output.h"

namespace cella::cli {
namespace {

// A closed standard descriptor would be the next one opened, and be handed to the container as its standard input.
SysResult<void> open_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) < 0) return std::unexpected(Errno{errno});
  }
  return {};
}

std::string version_text() {
  std::string text = std::string("cella version ") + version() + '\n';
  if (commit()[0] != '\0') text += std::string("commit: ") + commit() + '\n';
  return text + "spec: " + oci_version() + '\n';
}

std::string joined_arguments(std::span<char*> arguments) {
  std::string text = std::string("cella ") + version() + ':';
  for (const char* argument : arguments) text.append(" ").append(argument);
  return text;
}

int fail(const Globals& globals, const Error& error, int status) {
  log_failure(globals.log, error);
  return status;
}

// Mistakes on the command line end here with a pointer to the help.
int refuse(const Globals& globals, Error error, const std::string& command) {
  if (error.hint.empty() && error.code == ErrorCode::kInvalidArgument) error.hint = "see `cella " + command + "--help`";
  return fail(globals, error, 1);
}

int run_command(const Globals& globals, std::span<char*> arguments) {
  const Command* command = find_command(arguments[0]);
  if (command == nullptr) {
    return refuse(globals, Error(ErrorCode::kInvalidArgument, std::string("unknown command \"") + arguments[0] + '"'),
                  "");
  }
  if (auto opened = open_standard_descriptors(); !opened) {
    return fail(globals, Error(opened.error()).with("opening /dev/null"), command->failure_status);
  }
  log_debug(globals.log, joined_arguments(arguments));
  Invocation invocation{.globals = globals, .command = *command, .arguments = arguments};
  const Result<int> status = command->run(invocation);
  if (status) return *status;
  if (!invocation.understood) return refuse(globals, status.error(), std::string(command->name) + ' ');
  return fail(globals, status.error(), command->failure_status);
}

int run(int argc, char** argv) {
  Globals globals;
  const Result<Parsed> parsed = parse_options(global_options(), &globals, argc, argv);
  if (!parsed) return refuse(globals, parsed.error(), "");
  const std::span<char*> rest(argv + parsed->positional, static_cast<size_t>(argc - parsed->positional));
  if (!globals.version && !parsed->help && !rest.empty()) return run_command(globals, rest);
  const Result<void> printed = print(globals.version ? version_text() : global_help());
  return printed ? 0 : fail(globals, printed.error(), 1);
}

}  // namespace
}  // namespace cella::cli

int main(int argc, char** argv) {
  return cella::cli::run(argc, argv);
}
