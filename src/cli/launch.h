// Launch: what create, run and exec share: the options for the new process, its descriptors, and running it in the
// foreground.
#pragma once

#include <cella/cella.h>

#include <array>
#include <string>

#include "cli/options.h"

namespace cella::cli {

enum class DryRun { kNo, kText, kJson };
const char* store_value(DryRun& target, const char* value);

// The base of the options of create, run and exec.
struct ProcessOptions {
  std::string console_socket;
  std::string pidfd_socket;
  std::string pid_file;
  uint32_t preserve_fds = 0;
  DryRun dry_run = DryRun::kNo;
};
template <typename O>
inline constexpr auto kProcessOptions = std::to_array<Option>({
    {"console-socket", nullptr, "PATH", "Unix socket that receives the master of the terminal",
     into<O, &O::console_socket>},
    {"pidfd-socket", nullptr, "PATH", "Unix socket that receives a pidfd of the process", into<O, &O::pidfd_socket>},
    {"pid-file", nullptr, "FILE", "write the pid of the process to FILE", into<O, &O::pid_file>},
    {"preserve-fds", nullptr, "N", "pass on N more descriptors, besides stdio (and those of $LISTEN_FDS)",
     into<O, &O::preserve_fds>},
    {"dry-run", nullptr, "[=json]", "print what would be done, step by step, and do nothing", into<O, &O::dry_run>},
});

enum class Isolation { kNamespaces, kSandbox };
const char* store_value(std::optional<Isolation>& target, const char* value);

struct CreateOptions : ProcessOptions {
  std::string bundle = ".";
  bool no_pivot = false;
  bool no_new_keyring = false;
  std::optional<Isolation> isolation;  // absent: as the annotation says
};
template <typename O>
inline constexpr auto kCreateOptions = std::to_array<Option>({
    {"bundle", "b", "DIR", "directory of config.json (default: the current one)", into<O, &O::bundle>},
    {"no-pivot", nullptr, nullptr, "move the root mount instead of pivot_root(2), for a rootfs on a ramdisk",
     into<O, &O::no_pivot>},
    {"no-new-keyring", nullptr, nullptr, "keep the caller's session keyring", into<O, &O::no_new_keyring>},
    {"isolation", nullptr, "KIND", "namespaces (the default) or sandbox", into<O, &O::isolation>},
});

// A bundle whose program is about to become a container's init.
struct Launch {
  config::Config config;
  Process process;
};
Result<Launch> load_launch(const Factory& factory, const char* id, const CreateOptions& options, bool detached);
Result<int> print_create_plan(const Factory& factory, const char* id, const Launch& launch, DryRun dry_run);
Result<int> print_plan(const PlanText& plan, DryRun dry_run);

// Applies the options to a process, and refuses what contradicts itself: a detached terminal needs a console socket,
// and nothing else may have one.
Result<void> apply(const ProcessOptions& options, bool detached, Process& process);
// The descriptors of socket activation, sd_listen_fds(3), and the variables that announce them inside.
Result<void> pass_listen_fds(Process& process);
// `count` more of the caller's descriptors, after those that are passed on already. They must be open.
Result<void> pass_fds(Process& process, uint32_t count);

// Runs the process; unless detached, waits for it as its shell would and gives its exit status.
Result<int> run_process(Container& container, Process& process, bool detached);

// Relative paths are the caller's; the library's may outlive its working directory.
Result<std::string> absolute_path(const std::string& path);

}  // namespace cella::cli
