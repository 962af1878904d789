// Security modules, seccomp and sysctls: what the kernel has of them.
#include <sys/stat.h>

#include <algorithm>

#include "base/result.h"
#include "lint/host.h"
#include "lint/lint.h"
#include "oci/spec_schema.h"
#include "oci/sysctl.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

// A line of the kernel's list reads "docker-default (enforce)".
bool is_loaded(const std::string& profile) {
  SysResult<std::string> list = sys::read_file("/sys/kernel/security/apparmor/profiles");
  if (!list || profile == "unconfined") return true;  // not ours to see
  return ("\n" + *list).find("\n" + profile + " (") != std::string::npos;
}

void check_apparmor(const std::string& profile, json::Report& report) {
  if (profile.empty()) return;
  if (!first_line("/sys/module/apparmor/parameters/enabled").starts_with('Y')) {
    report.fail_in("apparmorProfile", "cannot be had: this kernel does not run AppArmor");
  } else if (!is_loaded(profile)) {
    report.fail_in("apparmorProfile", "is not loaded: {} (apparmor_parser(8) loads profiles)", profile);
  }
}

void check_selinux(const std::string& label, const char* key, json::Report& report) {
  if (!label.empty() && !exists("/sys/fs/selinux/enforce")) {
    report.fail_in(key, "cannot be had: this kernel does not run SELinux");
  }
}

// The kernel's names for the actions, seccomp(2), "/proc interfaces".
const char* kernel_name(oci::SeccompAction action) {
  using enum oci::SeccompAction;
  switch (action) {
    case kKillThread:
      return "kill_thread";
    case kKillProcess:
      return "kill_process";
    case kTrap:
      return "trap";
    case kErrno:
      return "errno";
    case kTrace:
      return "trace";
    case kAllow:
      return "allow";
    case kLog:
      return "log";
    case kNotify:
      return "user_notif";
  }
  return "";
}

void check_action(oci::SeccompAction action, const std::string& available, const char* key, json::Report& report) {
  const std::string word = fmt::format(" {} ", kernel_name(action));
  if (available.find(word) == std::string::npos) {
    report.fail_in(key, "is not an action of this kernel's: {}", json::name_of(action));
  }
}

std::string sysctl_file(const std::string& name) {
  std::string path = oci::sysctl_with_dots(name);
  std::ranges::for_each(path, [](char& c) { c = c == '.' ? '/' : c == '/' ? '.' : c; });
  return "/proc/sys/" + path;
}

}  // namespace

void check_labels(const Subject& subject, json::Report& report) {
  if (subject.spec.process) {
    json::At at(report, "process");
    check_apparmor(subject.spec.process->apparmor_profile, report);
    check_selinux(subject.spec.process->selinux_label, "selinuxLabel", report);
  }
  if (subject.spec.linux_config) {
    json::At at(report, "linux");
    check_selinux(subject.spec.linux_config->mount_label, "mountLabel", report);
  }
}

void check_seccomp(const Subject& subject, json::Report& report) {
  if (!subject.spec.linux_config || !subject.spec.linux_config->seccomp) return;
  const oci::Seccomp& seccomp = *subject.spec.linux_config->seccomp;
  json::At linux_at(report, "linux");
  const std::string available = fmt::format(" {} ", first_line("/proc/sys/kernel/seccomp/actions_avail"));
  if (available == "  ") {
    return report.fail_in("seccomp", "cannot be had: this kernel has no seccomp filters");
  }
  json::At at(report, "seccomp");
  check_action(seccomp.default_action, available, "defaultAction", report);
  {
    json::At syscalls(report, "syscalls");
    for (size_t i = 0; i < seccomp.syscalls.size(); ++i) {
      json::At rule(report, i);
      check_action(seccomp.syscalls[i].action, available, "action", report);
    }
  }
  if (seccomp.flags && std::ranges::count(*seccomp.flags, oci::SeccompFlag::kWaitKillableRecv) > 0 &&
      !kernel_is_at_least(5, 19)) {
    report.fail_in("flags", "has SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, which needs Linux 5.19");
  }
  if (seccomp.listener_path.empty()) return;
  SysResult<struct stat> socket = sys::stat_at(sys::kCurrentDirectory, seccomp.listener_path.c_str());
  if (!socket) {
    report.fail_in("listenerPath", "cannot be connected to: {}: {}", seccomp.listener_path,
                   errno_text(socket.error().value));
  } else if (!S_ISSOCK(socket->st_mode)) {
    report.fail_in("listenerPath", "is not a socket: {}", seccomp.listener_path);
  }
}

void check_sysctls(const Subject& subject, json::Report& report) {
  if (!subject.spec.linux_config) return;
  json::At linux_at(report, "linux");
  json::At at(report, "sysctl");
  for (const auto& [name, value] : subject.spec.linux_config->sysctl) {
    const std::string path = sysctl_file(name);
    if (exists(path)) continue;
    // Those of one network interface come with it.
    const bool comes_later = path.find("/conf/") != std::string::npos || path.find("/neigh/") != std::string::npos;
    if (comes_later) {
      report.warn_in(name, "is not here: {} (it comes with its network interface)", path);
    } else {
      report.fail_in(name, "is not in this kernel: {}", path);
    }
  }
}

}  // namespace cella::lint
