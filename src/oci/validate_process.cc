#include <set>

#include "oci/checks.h"
#include "oci/spec_schema.h"
#include "oci/validate.h"

namespace cella::oci {
namespace {

using json::At;
using json::Report;

constexpr uint32_t kNoId = UINT32_MAX;  // (uid_t)-1: "leave it" to the kernel

void check_user(const User& user, Report& report) {
  At at(report, "user");
  if (user.uid == kNoId) report.fail_in("uid", "must not be 4294967295, which stands for no user");
  if (user.gid == kNoId) report.fail_in("gid", "must not be 4294967295, which stands for no group");
  if (user.umask && *user.umask > 0777) report.fail_in("umask", "must be at most 511 (0777), not {}", *user.umask);
  if (!user.username.empty()) report.warn_in("username", "is ignored: it is for Windows");
  At gids(report, "additionalGids");
  constexpr size_t kMostGroups = 65536;  // NGROUPS_MAX
  if (user.additional_gids.size() > kMostGroups) return report.fail("must have at most {} entries", kMostGroups);
  for (size_t i = 0; i < user.additional_gids.size(); ++i) {
    At gid(report, i);
    if (user.additional_gids[i] == kNoId) report.fail("must not be 4294967295, which stands for no group");
  }
}

void check_env(const std::vector<std::string>& env, Report& report) {
  check_arguments(report, "env", env);
  At at(report, "env");
  for (size_t i = 0; i < env.size(); ++i) {
    At entry(report, i);
    size_t equals = env[i].find('=');
    if (equals == std::string::npos) {
      report.fail("must have the form NAME=value, not {}", json::quoted(env[i]));
    } else if (equals == 0) {
      report.fail("must have a name before the '='");
    }
  }
}

void check_rlimits(const std::vector<Rlimit>& rlimits, Report& report) {
  At at(report, "rlimits");
  std::set<RlimitType> seen;
  for (size_t i = 0; i < rlimits.size(); ++i) {
    At rlimit(report, i);
    if (!seen.insert(rlimits[i].type).second) {
      report.fail_in("type", "must be given once, {} is a duplicate", json::name_of(rlimits[i].type));
    }
    if (rlimits[i].soft > rlimits[i].hard) {
      report.fail_in("soft", "must not exceed the hard limit of {}, but is {}", rlimits[i].hard, rlimits[i].soft);
    }
  }
}

// sched_setattr(2), sched(7).
void check_scheduler(const Scheduler& scheduler, Report& report) {
  At at(report, "scheduler");
  const char* policy = json::name_of(scheduler.policy);
  const bool real_time = scheduler.policy == SchedulerPolicy::kFifo || scheduler.policy == SchedulerPolicy::kRr;
  if (scheduler.nice < -20 || scheduler.nice > 19) {
    report.fail_in("nice", "must be between -20 and 19, not {}", scheduler.nice);
  }
  if (real_time && (scheduler.priority < 1 || scheduler.priority > 99)) {
    report.fail_in("priority", "must be between 1 and 99 with {}, not {}", policy, scheduler.priority);
  } else if (!real_time && scheduler.priority != 0) {
    report.fail_in("priority", "is only allowed with SCHED_FIFO and SCHED_RR, not with {}", policy);
  }
  if (scheduler.policy != SchedulerPolicy::kDeadline) {
    for (auto [key, value] : {std::pair{"runtime", scheduler.runtime}, std::pair{"deadline", scheduler.deadline},
                              std::pair{"period", scheduler.period}}) {
      if (value != 0) report.fail_in(key, "is only allowed with SCHED_DEADLINE, not with {}", policy);
    }
    return;
  }
  if (scheduler.runtime == 0) report.fail_in("runtime", "must be given with SCHED_DEADLINE");
  if (scheduler.runtime > scheduler.deadline) report.fail_in("deadline", "must not be less than the runtime");
  if (scheduler.period != 0 && scheduler.deadline > scheduler.period) {
    report.fail_in("period", "must not be less than the deadline");
  }
}

}  // namespace

void validate(const Process& process, Report& report) {
  if (process.args.empty()) report.fail_in("args", "must have at least one entry");
  check_arguments(report, "args", process.args);
  if (!process.command_line.empty()) report.warn_in("commandLine", "is ignored: it is for Windows");
  check_path(report, "cwd", process.cwd, PathRule::kAbsolute);
  check_env(process.env, report);
  check_user(process.user, report);
  if (process.console_size) {
    At size(report, "consoleSize");
    if (process.console_size->height > UINT16_MAX) report.fail_in("height", "must be at most 65535");
    if (process.console_size->width > UINT16_MAX) report.fail_in("width", "must be at most 65535");
    if (!process.terminal) report.warn("is ignored without a terminal");
  }
  check_rlimits(process.rlimits, report);
  check_label(report, "apparmorProfile", process.apparmor_profile);
  check_label(report, "selinuxLabel", process.selinux_label);
  if (process.scheduler) check_scheduler(*process.scheduler, report);
  if (process.io_priority && (process.io_priority->priority < 0 || process.io_priority->priority > 7)) {
    At at(report, "ioPriority");
    report.fail_in("priority", "must be between 0 and 7, not {}", process.io_priority->priority);
  }
  if (process.exec_cpu_affinity) {
    At at(report, "execCPUAffinity");
    check_list(report, "initial", process.exec_cpu_affinity->initial);
    check_list(report, "final", process.exec_cpu_affinity->final);
  }
}

}  // namespace cella::oci
