// What /process asks of the kernel and of the caller's own privileges.
#include <linux/capability.h>
#include <sys/resource.h>

#include <cstdlib>
#include <map>

#include "lint/host.h"
#include "lint/lint.h"
#include "oci/spec_schema.h"

namespace cella::lint {
namespace {

// Raising a hard limit needs CAP_SYS_RESOURCE in the initial user namespace, and nobody may go beyond fs.nr_open.
void check_rlimits(const std::vector<oci::Rlimit>& rlimits, bool may_raise, json::Report& report) {
  json::At at(report, "rlimits");
  for (size_t i = 0; i < rlimits.size(); ++i) {
    json::At item(report, i);
    rlimit own;
    if (::getrlimit(static_cast<__rlimit_resource>(rlimits[i].type), &own) == 0 && !may_raise &&
        rlimits[i].hard > own.rlim_max) {
      report.fail_in("hard", "is above the caller's own {} limit of {}, which only CAP_SYS_RESOURCE may raise",
                     json::name_of(rlimits[i].type), own.rlim_max);
    }
    if (rlimits[i].type != oci::RlimitType::kNofile) continue;
    const std::string most = first_line("/proc/sys/fs/nr_open");
    if (!most.empty() && rlimits[i].hard > std::strtoull(most.c_str(), nullptr, 10)) {
      report.fail_in("hard", "is above fs.nr_open, which is {}", most);
    }
  }
}

// sched(7), ioprio_set(2): what needs a privilege.
void check_scheduling(const oci::Process& process, json::Report& report) {
  const bool may = has_capability(CAP_SYS_NICE);
  if (process.scheduler) {
    json::At at(report, "scheduler");
    using enum oci::SchedulerPolicy;
    const oci::Scheduler& scheduler = *process.scheduler;
    if (scheduler.policy == kIso) report.fail_in("policy", "is SCHED_ISO, which Linux does not have");
    const bool real_time = scheduler.policy == kFifo || scheduler.policy == kRr || scheduler.policy == kDeadline;
    if (real_time && !may) {
      report.fail_in("policy", "is {}, for which the caller lacks CAP_SYS_NICE", json::name_of(scheduler.policy));
    } else if (scheduler.nice < 0 && !may) {
      report.fail_in("nice", "is negative, for which the caller lacks CAP_SYS_NICE");
    }
  }
  if (process.io_priority && process.io_priority->io_class == oci::IOPriorityClass::kRt && !may &&
      !has_capability(CAP_SYS_ADMIN)) {
    json::At at(report, "ioPriority");
    report.fail_in("class", "is IOPRIO_CLASS_RT, for which the caller lacks CAP_SYS_NICE");
  }
}

void check_affinity(const oci::CPUAffinity& affinity, json::Report& report) {
  json::At at(report, "execCPUAffinity");
  const std::string online = first_line("/sys/devices/system/cpu/online");
  for (auto [key, list] : {std::pair{"initial", &affinity.initial}, {"final", &affinity.final}}) {
    const std::string missing = online.empty() ? std::string() : outside(*list, online);
    if (!missing.empty()) report.warn_in(key, "has CPUs that are not online: {}", missing);
  }
}

void check_env(const std::vector<std::string>& env, json::Report& report) {
  json::At at(report, "env");
  std::map<std::string_view, size_t> first;
  for (size_t i = 0; i < env.size(); ++i) {
    json::At item(report, i);
    const std::string_view name = std::string_view(env[i]).substr(0, env[i].find('='));
    auto [entry, is_first] = first.emplace(name, i);
    if (!is_first)
      report.warn("is the second {}, after entry {}: programs differ in which they take", name, entry->second);
  }
}

}  // namespace

void check_process(const Subject& subject, json::Report& report) {
  if (!subject.spec.process) {
    return report.warn_in("process", "is absent: the container can be created, and not started");
  }
  const oci::Process& process = *subject.spec.process;
  json::At at(report, "process");
  const bool may_raise = subject.privileged && has_capability(CAP_SYS_RESOURCE);
  check_rlimits(process.rlimits, may_raise, report);
  if (process.oom_score_adj && !may_raise) {
    const int own = std::atoi(first_line("/proc/self/oom_score_adj").c_str());
    if (*process.oom_score_adj < own && !subject.config.rootless_euid) {
      report.fail_in("oomScoreAdj", "is below the caller's own of {}, which only CAP_SYS_RESOURCE may lower", own);
    } else if (*process.oom_score_adj < own) {
      report.warn_in("oomScoreAdj", "will be ignored: it is below the caller's own of {}", own);
    }
  }
  check_scheduling(process, report);
  if (process.exec_cpu_affinity) check_affinity(*process.exec_cpu_affinity, report);
  check_env(process.env, report);
}

}  // namespace cella::lint
