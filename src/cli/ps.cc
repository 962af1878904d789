#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/output_format.h"
#include "cli/process_table.h"

namespace cella::cli {
namespace {

struct PsOptions {
  OutputFormat format = OutputFormat::kTable;
};

Result<std::string> read_all(int fd) {
  std::string text;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(errno, "reading the output of ps");
    if (count == 0) return text;
    text.append(buffer, static_cast<size_t>(count));
  }
}

// The standard output of the host's ps.
Result<std::string> run_ps(std::span<char*> arguments) {
  std::string name = "ps", all = "-ef";
  std::vector<char*> argv = {name.data()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  if (arguments.empty()) argv.push_back(all.data());
  argv.push_back(nullptr);

  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) < 0) return system_error(errno, "making a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  pid_t child = 0;
  const int failure = ::posix_spawnp(&child, name.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  Result<std::string> output = failure == 0 ? read_all(pipe[0]) : system_error(failure, "executing ps");
  ::close(pipe[0]);
  if (failure != 0) return output;

  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return system_error(errno, "waiting for ps");
  if (status != 0) return usage_error("ps failed with exit status " + std::to_string(exit_code_of(status)));
  return output;
}

// "[[DD-]HH:]MM:SS" of ps(1), from nanoseconds.
std::string time_text(uint64_t nanoseconds) {
  const uint64_t seconds = nanoseconds / 1'000'000'000;
  char text[32];
  std::snprintf(text, sizeof text, "%02lu:%02lu:%02lu", static_cast<unsigned long>(seconds / 3600),
                static_cast<unsigned long>(seconds / 60 % 60), static_cast<unsigned long>(seconds % 60));
  return text;
}
// Hour and minute, UTC.
std::string start_text(int64_t seconds) {
  constexpr int64_t kDay = 86400;
  char text[16];
  std::snprintf(text, sizeof text, "%02d:%02d", static_cast<int>(seconds % kDay / 3600),
                static_cast<int>(seconds % 3600 / 60));
  return text;
}

// The processes of a sandbox, which the host's ps does not see.
Result<int> guest_ps(const Container& container, const PsOptions& options, std::span<char*> arguments) {
  if (!arguments.empty()) return usage_error("ps of a sandboxed container takes no options of ps(1)");
  const std::vector<sandbox::GuestProcess> processes = TRY(container.guest_processes());
  if (options.format == OutputFormat::kJson) {
    std::vector<pid_t> pids;
    for (const sandbox::GuestProcess& one : processes) pids.push_back(one.pid);
    TRY(print(json_array(pids) + '\n'));
    return 0;
  }
  std::string text = "UID          PID    PPID STIME     TIME CMD\n";
  for (const sandbox::GuestProcess& one : processes) {
    char line[64];
    std::snprintf(line, sizeof line, "%-8u %7d %7d ", one.uid, one.pid, one.parent_pid);
    text += line + start_text(one.start_time) + ' ' + time_text(one.cpu_time) + ' ' + one.command + '\n';
  }
  TRY(print(text));
  return 0;
}

Result<int> ps(Invocation& invocation, const PsOptions& options) {
  Container container = TRY(invocation.factory().load(invocation.id()));
  if (container.is_sandbox()) return guest_ps(container, options, invocation.arguments.subspan(1));
  const std::vector<pid_t> pids = TRY(container.processes());
  if (options.format == OutputFormat::kJson) {
    TRY(print(json_array(pids) + '\n'));
    return 0;
  }
  const std::string all = TRY(run_ps(invocation.arguments.subspan(1)));
  const std::string own = TRY(rows_of(all, pids));
  TRY(print(own));
  return 0;
}

constexpr auto kOptions = std::to_array<Option>({
    {"format", "f", "FORMAT", "table (the default) or json, an array of pids", into<PsOptions, &PsOptions::format>},
});

}  // namespace

constinit const Command kPs = {
    .name = "ps",
    .summary = "list the processes of a container",
    .usage = "ID [PS-OPTION...]",
    .details =
        "Runs the host's ps(1) with the given options (default: -ef) and shows those of its lines\n"
        "that are about the container. Pids are the host's.\n\n"
        "Of a sandboxed container the processes of its own kernel are shown, with the pids that they\n"
        "have there; ps(1) does not run.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = kAny,
    .run = with_options<PsOptions, ps>,
};

}  // namespace cella::cli
