#include "cli/command.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace cella::cli {
namespace {

void expect_unambiguous(std::span<const Option> table) {
  std::set<std::string> names = {"help", "h"};
  for (const Option& option : table) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    if (option.letter != nullptr) {
      EXPECT_TRUE(names.insert(option.letter).second) << option.letter;
    }
    EXPECT_NE(option.store, nullptr) << option.name;
  }
}

void expect_lines_fit(const std::string& text) {
  for (size_t start = 0; start < text.size(); start = text.find('\n', start) + 1) {
    EXPECT_LE(text.find('\n', start) - start, 100u) << text.substr(start, text.find('\n', start) - start);
  }
}

std::vector<std::string> names_of(std::span<const Option> table) {
  std::vector<std::string> names;
  for (const Option& option : table) names.emplace_back(option.name);
  std::ranges::sort(names);
  return names;
}

TEST(CommandTest, TablesAreUnambiguousAndTheHelpFits) {
  expect_unambiguous(global_options());
  expect_lines_fit(global_help());
  for (const Command* command : commands()) {
    SCOPED_TRACE(command->name);
    expect_unambiguous(command->options);
    expect_lines_fit(command_help(*command));
    EXPECT_LE(command->min_arguments, command->max_arguments);
    EXPECT_EQ(find_command(command->name), command);
  }
  EXPECT_TRUE(std::ranges::is_sorted(commands(), {}, [](const Command* c) { return std::string_view(c->name); }));
  EXPECT_EQ(find_command("stat"), nullptr);
}

// What containerd, conmon, podman and BuildKit pass. A flag that disappears from here breaks one of them.
TEST(CommandTest, FlagsOfTheCallers) {
  const std::vector<std::string> process = {"console-socket", "dry-run", "pid-file", "pidfd-socket", "preserve-fds"};
  auto with = [&](std::vector<std::string> names) {
    names.insert(names.end(), process.begin(), process.end());
    std::ranges::sort(names);
    return names;
  };
  const std::vector<std::string> sandbox = {"disable-seccomp", "file-access",     "log-packets",
                                            "network",         "overlay",         "platform",
                                            "strace",          "strace-log-size", "strace-syscalls"};
  auto with_sandbox = [&](std::vector<std::string> names) {
    names.insert(names.end(), sandbox.begin(), sandbox.end());
    return with(std::move(names));
  };
  EXPECT_EQ(names_of(kCreate.options), with_sandbox({"bundle", "isolation", "no-new-keyring", "no-pivot"}));
  EXPECT_EQ(names_of(kRun.options),
            with_sandbox({"bundle", "detach", "isolation", "keep", "no-new-keyring", "no-pivot", "no-subreaper"}));
  EXPECT_EQ(names_of(kExec.options),
            with({"additional-gids", "apparmor", "cap", "cgroup", "cwd", "detach", "env", "ignore-paused",
                  "no-new-privs", "process", "process-label", "tty", "user"}));
  EXPECT_EQ(names_of(kKill.options), std::vector<std::string>{"all"});
  EXPECT_EQ(names_of(kDelete.options), std::vector<std::string>{"force"});
  EXPECT_EQ(names_of(global_options()),
            (std::vector<std::string>{"cgroup-manager", "criu", "debug", "debug-log", "log", "log-format", "root",
                                      "rootless", "strict", "systemd-cgroup", "version"}));
}

}  // namespace
}  // namespace cella::cli
