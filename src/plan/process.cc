#include <cstring>

#include <algorithm>
#include <charconv>

#include <sys/resource.h>

#include "base/result.h"
#include "plan/parts.h"
#include "plan/print_names.h"
#include "plan/sched_attr.h"

namespace cella::plan {
namespace {

std::string_view bytes_of(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}

// "0-3,7" as a bit mask of little-endian 64-bit words, sched_setaffinity(2), set_mempolicy(2). `what` names the list.
Result<std::string> bit_mask(std::string_view list, const char* what) {
  constexpr unsigned kMost = 65535;
  std::vector<uint64_t> words;
  auto trim = [](std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
    return text;
  };
  auto number = [&](std::string_view text) -> std::optional<unsigned> {
    text = trim(text);
    unsigned value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > kMost) return std::nullopt;
    return value;
  };
  for (std::string_view rest = list; !rest.empty();) {
    size_t comma = rest.find(',');
    std::string_view range = trim(rest.substr(0, comma));
    rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    if (range.empty()) continue;
    size_t dash = range.find('-');
    std::optional<unsigned> first = number(range.substr(0, dash));
    std::optional<unsigned> last = dash == range.npos ? first : number(range.substr(dash + 1));
    if (!first || !last || *last < *first) {
      return base::fail(ErrorCode::kConfigInvalid, "{} list \"{}\" is not of the form 0-3,7", what, list);
    }
    if (words.size() <= *last / 64) words.resize(*last / 64 + 1);
    for (unsigned n = *first; n <= *last; ++n) words[n / 64] |= uint64_t{1} << (n % 64);
  }
  return std::string(bytes_of(words.data(), words.size() * sizeof(uint64_t)));
}

// $PATH of the process's environment; the last one counts, as for the C library.
std::string search_path(const config::ProcessConfig& process) {
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& variable : process.env)
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  return path;
}

// In a user namespace init has lost the right to raise a hard limit that the launcher may still have.
bool launcher_limits(const Builder& b) {
  return b.facts.privileged && b.has(config::NamespaceType::kUser);
}

// execve(2) takes no string of more than 32 pages (MAX_ARG_STRLEN), and does not say which one it was.
Result<void> check_strings(const config::ProcessConfig& process) {
  constexpr size_t kMaxString = 131072;
  auto too_long = [](std::string_view what, size_t size) {
    return base::fail(ErrorCode::kConfigInvalid, "{} has {} bytes, the kernel takes at most {}", what, size,
                      kMaxString - 1);
  };
  for (size_t i = 0; i < process.args.size(); ++i) {
    if (process.args[i].size() >= kMaxString) return too_long(fmt::format("argument {}", i), process.args[i].size());
  }
  for (const std::string& entry : process.env) {
    constexpr size_t kShown = 100;
    std::string name = entry.substr(0, std::min(entry.find('='), kShown));
    if (entry.size() >= kMaxString) return too_long(fmt::format("environment variable {}", name), entry.size());
  }
  return {};
}

void add_rlimits(Builder& b) {
  for (const config::Rlimit& limit : *b.process.rlimits) {
    b.writer.step(launcher_limits(b) ? Op::kLimitInit : Op::kRlimit,
                  {static_cast<uint64_t>(limit.type), limit.soft, limit.hard},
                  fmt::format("setting {}", rlimit_name(static_cast<uint64_t>(limit.type))));
  }
}

void add_scheduling(Builder& b) {
  if (const auto& scheduler = b.process.scheduler) {
    SchedAttr attributes = {.policy = scheduler->policy,
                            .flags = scheduler->flags,
                            .nice = scheduler->nice,
                            .priority = scheduler->priority,
                            .runtime = scheduler->runtime,
                            .deadline = scheduler->deadline,
                            .period = scheduler->period};
    std::string_view bytes = bytes_of(&attributes, sizeof attributes);
    b.writer.step(Op::kScheduler, {b.writer.blob(bytes)},
                  fmt::format("setting the scheduler {}", scheduler_text(bytes)));
  }
  if (const auto& priority = b.process.io_priority) {
    constexpr int kClassShift = 13;  // ioprio_set(2)
    b.writer.step(Op::kIoPriority, {static_cast<uint64_t>(priority->io_class << kClassShift | priority->priority)},
                  "setting the I/O priority");
  }
}

// In the cpuset that the process is to have, because the kernel keeps of the nodes what that one allows; and before
// the program's user is, as runc has it.
Result<void> add_memory_policy(Builder& b) {
  if (!b.config.memory_policy) return {};
  const config::MemoryPolicy& policy = *b.config.memory_policy;
  const uint64_t mode = static_cast<uint64_t>(policy.mode) | policy.flags;
  std::string about = fmt::format("setting the memory policy {}", memory_policy_name(mode));
  if (!policy.nodes.empty()) about += fmt::format(" with the nodes {}", policy.nodes);
  b.writer.step(Op::kMemoryPolicy, { mode, b.writer.blob(TRY(bit_mask(policy.nodes, "memory node"))) }, about);
  return {};
}

Result<void> add_labels(Builder& b) {
  const std::string& apparmor = *b.process.apparmor_profile;
  const std::string& selinux = *b.process.process_label;
  if (!apparmor.empty()) {
    if (!b.facts.apparmor) {
      return base::fail(ErrorCode::kUnsupported,
                        "AppArmor profile \"{}\" is asked for, but AppArmor is not enabled in this kernel", apparmor);
    }
    b.writer.step(Op::kLabel,
                  {b.writer.string("attr/apparmor/exec"), b.writer.string(fmt::format("exec {}", apparmor))},
                  fmt::format("applying AppArmor profile {}", apparmor));
  }
  if (!selinux.empty()) {
    if (!b.facts.selinux) {
      return base::fail(ErrorCode::kUnsupported,
                        "SELinux label \"{}\" is asked for, but SELinux is not enabled in this kernel", selinux);
    }
    b.writer.step(Op::kLabel, {b.writer.string("attr/exec"), b.writer.string(selinux)},
                  fmt::format("applying SELinux label {}", selinux));
  }
  return {};
}

}  // namespace

Result<void> add_affinity(Builder& b, const std::string& cpus) {
  if (cpus.empty()) return {};
  b.writer.step(
      Op::kAffinity, { b.writer.blob(TRY(bit_mask(cpus, "CPU"))) },
      fmt::format("setting the CPU affinity to {}", cpus));
  return {};
}

config::ProcessConfig with_defaults(const config::ProcessConfig& process, const config::Config& config) {
  config::ProcessConfig full = process;
  if (!full.capabilities) full.capabilities = config.capabilities.value_or(config::Capabilities{});
  if (!full.rlimits) full.rlimits = config.rlimits;
  if (!full.no_new_privileges) full.no_new_privileges = config.no_new_privileges;
  if (!full.apparmor_profile) full.apparmor_profile = config.apparmor_profile;
  if (!full.process_label) full.process_label = config.process_label;
  if (!full.oom_score_adj) full.oom_score_adj = config.oom_score_adj;
  if (!full.scheduler) full.scheduler = config.scheduler;
  if (!full.io_priority) full.io_priority = config.io_priority;
  if (!full.exec_cpu_affinity) full.exec_cpu_affinity = config.exec_cpu_affinity;
  if (!full.umask) full.umask = config.umask;
  if (full.cwd.empty()) full.cwd = "/";
  if (full.cwd.starts_with('/')) full.cwd = clean_path(full.cwd);
  return full;
}

void add_stdio(Builder& b) {
  const config::ProcessConfig& process = b.process;
  b.writer.step(Op::kNewSession);
  if (process.terminal) {
    if (b.options.console_socket) b.built.console_socket = b.writer.slot();
    bool bind = b.options.init && b.has(config::NamespaceType::kMount);
    b.writer.step(Op::kConsole,
                  {b.built.console_socket, process.console_width.value_or(0), process.console_height.value_or(0),
                   process.uid, bind},
                  "setting up the terminal");
  } else {
    b.writer.step(Op::kOwnStdio, {process.uid}, "giving standard input, output and error to the process");
  }
}

Result<void> add_process(Builder& b) {
  const config::ProcessConfig& process = b.process;
  // A container may be created without a process, and `start` then fails (runtime.md, "Operations").
  if (process.args.empty() && !b.options.wait_for_start) {
    return base::fail(ErrorCode::kConfigInvalid, "the process has no args: nothing to execute");
  }
  TRY(check_strings(process));
  add_rlimits(b);
  add_scheduling(b);
  if (!b.options.init && process.exec_cpu_affinity) TRY(add_affinity(b, process.exec_cpu_affinity->final));
  if (b.config.personality) {
    b.writer.step(Op::kPersonality, {b.config.personality->domain}, "setting the personality");
  }
  TRY(add_memory_policy(b));
  if (!b.config.no_new_keyring) {
    b.writer.step(Op::kKeyring, {b.writer.string(fmt::format("_ses.{}", b.options.id))}, "joining a session keyring");
  }
  b.writer.step(Op::kUmask, {process.umask.value_or(0022)});
  if (b.facts.privileged || b.has(config::NamespaceType::kUser)) {
    b.writer.step(Op::kBoundingSet, {process.capabilities->bounding}, "limiting the capability bounding set");
  }
  if (process.args.empty() || b.options.open_program) return {};
  b.writer.step(Op::kFindProgram,
                {b.writer.string(process.args[0]), b.writer.string(search_path(process)), b.writer.string(process.cwd)},
                fmt::format("exec: \"{}\"", process.args[0]));
  bool has_home = std::ranges::any_of(process.env, [](const std::string& entry) { return entry.starts_with("HOME="); });
  if (!has_home) b.writer.step(Op::kHome, {process.uid}, "looking for the home directory");
  return {};
}

Result<void> add_execution(Builder& b) {
  const config::ProcessConfig& process = b.process;
  Writer& w = b.writer;
  TRY(add_labels(b));
  // In one row with the extra files, which are kept.
  if (b.options.open_program) b.built.program = w.slot();
  if (b.options.extra_files > 0) b.built.extra_first = w.slot(b.options.extra_files);
  const uint32_t kept_first = b.options.open_program ? b.built.program : b.built.extra_first;
  const uint32_t kept_count = b.options.extra_files + (b.options.open_program ? 1 : 0);
  // Before any path of the process is looked up: "/proc/self/fd/N" must lead nowhere (CVE-2024-21626).
  const bool hooks = b.options.init && !b.config.hooks.start_container.empty();
  const uint32_t hook_state = hooks ? b.built.hook_state_first + 1 : kNoSlot;
  w.step(Op::kCloseDescriptors, {b.built.listener_socket, b.built.listener_message, hook_state, kept_first, kept_count,
                                 hooks ? b.built.hook_output_first : kNoSlot});
  if (!b.config.keep_original_groups) {
    w.step(Op::kGroups,
           {w.blob(bytes_of(process.additional_gids.data(), process.additional_gids.size() * sizeof(uint32_t)))},
           "setting the supplementary groups");
  }
  w.step(Op::kIds, {process.uid, process.gid}, fmt::format("becoming user {}:{}", process.uid, process.gid));
  // A change of ids would clear it, prctl(2).
  if (b.options.init && b.config.parent_death_signal != 0) {
    w.step(Op::kParentDeathSignal, {static_cast<uint64_t>(b.config.parent_death_signal)},
           "asking for the parent death signal");
  }
  w.step(Op::kWorkingDirectory, {w.string(process.cwd)},
         fmt::format("changing the working directory to {}", process.cwd));

  auto add_capabilities = [&] {
    const config::Capabilities& set = *process.capabilities;
    w.step(Op::kCapabilities, {set.effective, set.permitted, set.inheritable}, "setting the capabilities");
    if (set.ambient != 0) w.step(Op::kAmbientSet, {set.ambient}, "raising the ambient capabilities");
  };
  auto add_seccomp = [&] {
    if (!b.facts.seccomp) return;
    const SeccompBlob& seccomp = *b.facts.seccomp;
    w.step(Op::kSeccomp, {w.blob(seccomp.program), seccomp.flags, b.built.listener_socket, b.built.listener_message},
           "loading the seccomp filter");
  };
  if (*process.no_new_privileges) w.step(Op::kNoNewPrivileges);
  // With the ids of the process and no more than its bounding set, and before the files that are the process's alone.
  if (hooks) add_hooks(b, b.config.hooks.start_container, "startContainer", hook_state);
  if (b.options.extra_files > 0) {
    w.step(Op::kPlaceDescriptors, {b.built.extra_first, b.options.extra_files}, "passing descriptors");
  }
  // A filter can be loaded without no_new_privs only while CAP_SYS_ADMIN is there; otherwise it comes last, so that it
  // needs to allow as little as possible of what is still to be done here.
  if (*process.no_new_privileges) {
    add_capabilities();
    add_seccomp();
  } else {
    add_seccomp();
    add_capabilities();
  }
  if (b.options.open_program) {
    w.step(Op::kExecuteOpen,
           {b.built.program, kFirstExtraFile + b.options.extra_files, w.list(process.args), w.list(process.env)},
           fmt::format("exec {}", process.args[0]));
    return {};
  }
  w.step(Op::kExecute, {w.list(process.args), w.list(process.env)}, fmt::format("exec {}", process.args[0]));
  return {};
}

void add_hooks(Builder& b, const std::vector<config::Hook>& hooks, const char* kind, uint32_t state_slot) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    const config::Hook& hook = hooks[i];
    std::vector<std::string> args = hook.args;
    if (args.empty()) args.push_back(hook.path);
    b.writer.step(Op::kHook,
                  {state_slot, b.writer.string(hook.path), b.writer.list(args), b.writer.list(hook.env),
                   static_cast<uint64_t>(hook.timeout.value_or(0)), b.built.hook_output_first},
                  fmt::format("running {} hook #{} {}", kind, i, hook.path));
  }
}

}  // namespace cella::plan
