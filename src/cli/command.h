// Command: what `cella NAME` does, and how it is described. Every command is one file with one constant of this type.
#pragma once

#include <cella/cella.h>

#include <span>
#include <string>

#include "cli/log.h"
#include "cli/options.h"
#include "cli/try.h"

namespace cella::cli {

// The options before the command.
struct Globals {
  std::string root;
  bool systemd_cgroup = false;
  bool strict = false;
  std::optional<bool> rootless;
  LogOptions log;
  bool version = false;
};
std::span<const Option> global_options();

struct Command;

// One call of one command.
struct Invocation {
  const Globals& globals;
  const Command& command;
  std::span<char*> arguments;  // before parsing with the command's name, then the positional ones alone
  bool understood = false;     // the command line was: what fails from here on is the command's work

  // The container's id, the first argument of most commands.
  const char* id() const { return arguments[0]; }
  Factory factory() const;
};

struct Command {
  const char* name;
  const char* summary;
  const char* usage;    // what follows the options
  const char* details;  // paragraphs for the help, or ""
  std::span<const Option> options;
  size_t min_arguments, max_arguments;
  // Gives the exit status.
  Result<int> (*run)(Invocation& invocation);
  int failure_status = 1;
};
inline constexpr size_t kAny = SIZE_MAX;

extern const Command kCreate, kDelete, kEvents, kExec, kFeatures, kHelpCommand, kKill, kLint, kList, kPause, kPs,
    kResume, kRun, kSpec, kStart, kState, kUpdate;
// What the application kernel, and what stands for a process in it, are executed as: not for people, so in no list.
extern const Command kBoot, kAttend;
// All of them, by name.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);

std::string global_help();
std::string command_help(const Command& command);

// Parses what follows the command's name. False when that asked for help, which has been printed.
Result<bool> understand(Invocation& invocation, void* options);

struct NoOptions {};

// A Command's `run` from a function of the invocation and the command's options.
template <typename Options, Result<int> (*Function)(Invocation&, const Options&)>
Result<int> with_options(Invocation& invocation) {
  Options options;
  if (!TRY(understand(invocation, &options))) return 0;
  return Function(invocation, options);
}

}  // namespace cella::cli
