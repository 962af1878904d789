#include "cli/launch.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "cli/output.h"
#include "cli/try.h"

namespace cella::cli {
namespace {

constexpr int kFirstExtra = 3;  // after stdio

// The option counts more than the annotation, and is kept as one.
void set_isolation(Isolation isolation, std::vector<std::string>& labels) {
  const std::string key = std::string(sandbox::kIsolationAnnotation) + '=';
  std::erase_if(labels, [&](const std::string& label) { return label.starts_with(key); });
  labels.push_back(key + (isolation == Isolation::kSandbox ? "sandbox" : "namespaces"));
}

std::optional<uint32_t> number_from_environment(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr ? parse_number(value) : std::nullopt;
}

}  // namespace

const char* store_value(DryRun& target, const char* value) {
  const std::string_view text = value != nullptr ? value : "text";
  if (text != "text" && text != "json") return "must be text or json";
  target = text == "json" ? DryRun::kJson : DryRun::kText;
  return nullptr;
}

const char* store_value(std::optional<Isolation>& target, const char* value) {
  const std::string_view text = value;
  if (text != "namespaces" && text != "sandbox") return "must be namespaces or sandbox";
  target = text == "sandbox" ? Isolation::kSandbox : Isolation::kNamespaces;
  return nullptr;
}

Result<Launch> load_launch(const Factory& factory, const char* id, const CreateOptions& options, bool detached) {
  const std::string path = TRY(absolute_path(options.bundle));
  Bundle bundle =
      TRY(factory.load_bundle(id, path, {.no_pivot_root = options.no_pivot, .no_new_keyring = options.no_new_keyring}));
  if (options.isolation) set_isolation(*options.isolation, bundle.config.labels);
  // Without a process there is nothing that `start` could do, but `create` may be asked for.
  Launch launch{std::move(bundle.config), Process(std::move(bundle.process).value_or(config::ProcessConfig()))};
  TRY(pass_listen_fds(launch.process));
  TRY(apply(options, detached, launch.process));
  return launch;
}

Result<int> print_create_plan(const Factory& factory, const char* id, const Launch& launch, DryRun dry_run) {
  const PlanText plan = TRY(factory.plan_create(id, launch.config, launch.process));
  return print_plan(plan, dry_run);
}

Result<int> print_plan(const PlanText& plan, DryRun dry_run) {
  TRY(print(dry_run == DryRun::kJson ? plan.json : plan.text));
  return 0;
}

Result<void> apply(const ProcessOptions& options, bool detached, Process& process) {
  process.pidfd_socket = options.pidfd_socket;
  process.pid_file = options.pid_file;
  // A plan can be looked at without anybody listening for the terminal.
  if (options.dry_run == DryRun::kNo) {
    const bool hands_over_terminal = detached && process.config.terminal;
    if (hands_over_terminal && options.console_socket.empty()) {
      return usage_error("cannot allocate a tty for a detached process without a console socket (--console-socket)");
    }
    if (!hands_over_terminal && !options.console_socket.empty()) {
      return usage_error("cannot use a console socket with a process that is not detached or has no tty");
    }
  }
  TRY(pass_fds(process, options.preserve_fds));
  process.console_socket = options.console_socket;
  process.keep_console = process.config.terminal && !detached;
  return {};
}

Result<void> pass_listen_fds(Process& process) {
  const uint32_t count = number_from_environment("LISTEN_FDS").value_or(0);
  if (count == 0 || number_from_environment("LISTEN_PID") != static_cast<uint32_t>(::getpid())) return {};
  TRY(pass_fds(process, count));
  process.config.env.push_back("LISTEN_FDS=" + std::to_string(count));
  process.config.env.push_back("LISTEN_PID=1");
  if (const char* names = ::getenv("LISTEN_FDNAMES")) {
    process.config.env.push_back(std::string("LISTEN_FDNAMES=") + names);
  }
  return {};
}

Result<void> pass_fds(Process& process, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const int fd = kFirstExtra + static_cast<int>(process.extra_files.size());
    if (::fcntl(fd, F_GETFD) < 0) {
      return system_error(errno, "passing on descriptor " + std::to_string(fd) + " (" + std::to_string(i + 1) + " of " +
                                     std::to_string(count) + ")");
    }
    process.extra_files.push_back(fd);
  }
  return {};
}

Result<int> run_process(Container& container, Process& process, bool detached) {
  if (detached) {
    TRY(container.run(process));
    return 0;
  }
  Foreground foreground = TRY(Foreground::prepare());
  TRY(container.run(process));
  const int status = TRY(foreground.wait(process));
  return exit_code_of(status);
}

Result<std::string> absolute_path(const std::string& path) {
  if (path.starts_with('/')) return path;
  char directory[PATH_MAX];
  if (::getcwd(directory, sizeof directory) == nullptr) return system_error(errno, "finding the current directory");
  if (path == "." || path.empty()) return std::string(directory);
  return std::string(directory) + '/' + path;
}

}  // namespace cella::cli
