#include "cli/command.h"

#include "cli/output.h"

namespace cella::cli {
namespace {

constexpr const Command* kCommands[] = {&kCreate, &kDelete, &kEvents, &kExec,  &kFeatures, &kHelpCommand,
                                        &kKill,   &kLint,   &kList,   &kPause, &kPs,       &kResume,
                                        &kRun,    &kSpec,   &kStart,  &kState, &kUpdate};

#ifdef CELLA_SANDBOX
constexpr const char* kSandboxProgram = "/proc/self/exe";  // see boot.cc
#else
constexpr const char* kSandboxProgram = "";
#endif

const char* store_cgroup_manager(void* globals, const char* value) {
  const std::string_view text = value;
  if (text != "cgroupfs" && text != "systemd") return "must be cgroupfs or systemd";
  static_cast<Globals*>(globals)->systemd_cgroup = text == "systemd";
  return nullptr;
}

template <auto Member>
const char* into_log(void* globals, const char* value) {
  return into<LogOptions, Member>(&static_cast<Globals*>(globals)->log, value);
}

// runc once took the path of criu here, and callers still pass it.
const char* ignore(void*, const char*) {
  return nullptr;
}

constexpr auto kGlobalOptions = std::to_array<Option>({
    {"root", nullptr, "DIR", "state directory (default: /run/cella, or $XDG_RUNTIME_DIR/cella)",
     into<Globals, &Globals::root>},
    {"log", nullptr, "FILE", "append errors to FILE too", into_log<&LogOptions::path>},
    {"log-format", nullptr, "FORMAT", "of records in the log: text (the default) or json",
     into_log<&LogOptions::format>},
    {"debug", nullptr, nullptr, "log what is being done, and warnings", into_log<&LogOptions::debug>},
    {"systemd-cgroup", nullptr, nullptr, "let systemd make the cgroups; cgroupsPath is slice:prefix:name",
     into<Globals, &Globals::systemd_cgroup>},
    {"cgroup-manager", nullptr, "NAME", "cgroupfs (the default) or systemd, the same as --systemd-cgroup",
     store_cgroup_manager},
    {"rootless", nullptr, "BOOL", "tolerate what only root may do with cgroups: true, false or auto",
     into<Globals, &Globals::rootless>},
    {"strict", nullptr, nullptr, "refuse what would be ignored with a warning", into<Globals, &Globals::strict>},
    {"criu", nullptr, "PATH", nullptr, ignore},
    {"version", "v", nullptr, "show the version", into<Globals, &Globals::version>},
});

std::string arguments_wanted(const Command& command) {
  auto some = [](size_t count) { return std::to_string(count) + (count == 1 ? " argument" : " arguments"); };
  if (command.max_arguments == command.min_arguments) return some(command.min_arguments);
  if (command.max_arguments == kAny) return "at least " + some(command.min_arguments);
  return std::to_string(command.min_arguments) + " to " + some(command.max_arguments);
}

}  // namespace

std::span<const Option> global_options() {
  return kGlobalOptions;
}

std::span<const Command* const> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
#ifdef CELLA_SANDBOX
  for (const Command* hidden : {&kBoot, &kAttend})
    if (name == hidden->name) return hidden;
#endif
  for (const Command* command : kCommands)
    if (name == command->name) return command;
  return nullptr;
}

Factory Invocation::factory() const {
  return Factory({.root = globals.root,
                  .systemd_cgroup = globals.systemd_cgroup,
                  .rootless = globals.rootless,
                  .newuidmap_path = {},
                  .newgidmap_path = {},
                  .sandbox_program = kSandboxProgram,
                  .strict = globals.strict,
                  .on_warning = [&log = globals.log](const Finding& finding) { log_warning(log, finding); }});
}

Result<bool> understand(Invocation& invocation, void* options) {
  const Command& command = invocation.command;
  const Parsed parsed = TRY(parse_options(command.options, options, static_cast<int>(invocation.arguments.size()),
                                          invocation.arguments.data()));
  if (parsed.help) {
    TRY(print(command_help(command)));
    return false;
  }
  invocation.arguments = invocation.arguments.subspan(static_cast<size_t>(parsed.positional));
  const size_t count = invocation.arguments.size();
  if (count < command.min_arguments || count > command.max_arguments) {
    return usage_error(std::string(command.name) + " takes " + arguments_wanted(command) + ", not " +
                       std::to_string(count));
  }
  invocation.understood = true;
  return true;
}

}  // namespace cella::cli
