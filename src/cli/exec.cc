#include "cli/command.h"
#include "cli/launch.h"
#include "cli/user.h"

namespace cella::cli {
namespace {

struct ExecOptions : ProcessOptions {
  std::string cwd;
  std::vector<std::string> env;
  bool tty = false;
  User user;
  std::vector<uint32_t> additional_gids;
  std::string process;
  bool detach = false;
  std::string process_label;
  std::string apparmor;
  bool no_new_privs = false;
  std::vector<std::string> caps;
  std::string cgroup;
  bool ignore_paused = false;
};

Result<void> add_capabilities(const std::vector<std::string>& names, config::Capabilities& sets) {
  for (const std::string& name : names) {
    const std::optional<uint64_t> bit = capability_bit(name);
    if (!bit) return usage_error("unknown capability \"" + name + '"');
    sets.bounding |= *bit;
    sets.effective |= *bit;
    sets.permitted |= *bit;
    // The kernel refuses an ambient capability that is not inheritable, and exec makes none inheritable.
    sets.ambient |= *bit & sets.inheritable;
  }
  return {};
}

// The template, changed by the options that were given.
Result<config::ProcessConfig> describe(const Factory& factory, const Container& container, const ExecOptions& options,
                                       std::span<char*> program) {
  const bool from_file = !options.process.empty();
  config::ProcessConfig process = TRY(from_file ? factory.load_process(options.process) : container.default_process());
  if (!program.empty()) process.args.assign(program.begin(), program.end());
  if (!from_file || options.tty) process.terminal = options.tty;
  if (!options.cwd.empty()) process.cwd = options.cwd;
  process.env.insert(process.env.end(), options.env.begin(), options.env.end());
  process.uid = options.user.uid.value_or(process.uid);
  process.gid = options.user.gid.value_or(process.gid);
  process.additional_gids.insert(process.additional_gids.end(), options.additional_gids.begin(),
                                 options.additional_gids.end());
  if (!options.process_label.empty()) process.process_label = options.process_label;
  if (!options.apparmor.empty()) process.apparmor_profile = options.apparmor;
  if (options.no_new_privs) process.no_new_privileges = true;
  if (!options.caps.empty()) {
    if (!process.capabilities) process.capabilities = container.config().capabilities.value_or(config::Capabilities{});
    TRY(add_capabilities(options.caps, *process.capabilities));
  }
  return process;
}

Result<int> exec(Invocation& invocation, const ExecOptions& options) {
  const std::span<char*> program = invocation.arguments.subspan(1);
  if (program.empty() && options.process.empty()) return usage_error("no program to execute: give one, or --process");

  const Factory factory = invocation.factory();
  Container container = TRY(factory.load(invocation.id()));
  Process process(TRY(describe(factory, container, options, program)));
  process.sub_cgroup = options.cgroup;
  process.ignore_paused = options.ignore_paused;
  TRY(apply(options, options.detach, process));
  if (options.dry_run != DryRun::kNo) return print_plan(TRY(container.plan_exec(process)), options.dry_run);

  return run_process(container, process, options.detach);
}

using O = ExecOptions;
constexpr auto kOwnOptions = std::to_array<Option>({
    {"process", "p", "FILE", "the process as JSON, as in config.json; other options change it", into<O, &O::process>},
    {"cwd", nullptr, "DIR", "working directory inside the container", into<O, &O::cwd>},
    {"env", "e", "NAME=VALUE", "add a variable to the environment; may be repeated", into<O, &O::env>},
    {"tty", "t", nullptr, "give the process a terminal", into<O, &O::tty>},
    {"user", "u", "UID[:GID]", "user and group, in numbers", into<O, &O::user>},
    {"additional-gids", "g", "GID", "one more group; may be repeated", into<O, &O::additional_gids>},
    {"detach", "d", nullptr, "leave the process running and return", into<O, &O::detach>},
    {"process-label", nullptr, "LABEL", "SELinux label of the process", into<O, &O::process_label>},
    {"apparmor", nullptr, "PROFILE", "AppArmor profile of the process", into<O, &O::apparmor>},
    {"no-new-privs", nullptr, nullptr, "no privileges through set-user-ID programs", into<O, &O::no_new_privs>},
    {"cap", "c", "CAP", "add a capability; may be repeated", into<O, &O::caps>},
    {"cgroup", nullptr, "[CTRL:]PATH", "run in an existing cgroup below the container's", into<O, &O::cgroup>},
    {"ignore-paused", nullptr, nullptr, "start in a paused container too", into<O, &O::ignore_paused>},
});
constexpr auto kOptions = joined(kOwnOptions, kProcessOptions<ExecOptions>);

}  // namespace

constinit const Command kExec = {
    .name = "exec",
    .summary = "run another program in a running container",
    .usage = "ID PROGRAM [ARGUMENT...]",
    .details =
        "What is not given by an option is as for the container's own program. Exits with the\n"
        "status of the program, or with 255 when it could not be run.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = kAny,
    .run = with_options<ExecOptions, exec>,
    .failure_status = 255,
};

}  // namespace cella::cli
