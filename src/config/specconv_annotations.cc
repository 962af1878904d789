// What the annotations of oci/annotations.h do. Their values have been checked, the refused ones are gone.
#include <algorithm>

#include "config/specconv_parts.h"
#include "oci/annotations.h"

namespace cella::config {
namespace {

using oci::find_annotation;

std::string text(const oci::Spec& spec, std::string_view key) {
  const std::string* value = find_annotation(spec.annotations, key);
  return value != nullptr ? *value : std::string();
}

void convert_seccomp_annotations(const oci::Spec& spec, Config& config) {
  const std::string program = text(spec, oci::annotation::kSeccompProgram);
  if (!program.empty()) {
    Seccomp& seccomp = config.seccomp ? *config.seccomp : config.seccomp.emplace();
    seccomp.program = program;
    // A runtime that knows nothing of the program shall not let processes of this container run without one.
    seccomp.default_action = SeccompAction::kErrno;
    seccomp.default_errno_ret.reset();
    seccomp.syscalls.clear();
  }
  if (!config.seccomp) return;
  if (config.seccomp->listener_path.empty()) {
    config.seccomp->listener_path = text(spec, oci::annotation::kSeccompReceiver);
  }
  config.seccomp->fail_unknown_syscalls =
      oci::annotation_is_set(spec.annotations, oci::annotation::kSeccompFailUnknown);
}

void convert_groups(const oci::Spec& spec, Config& config, json::Report& report) {
  config.keep_original_groups = oci::annotation_is_set(spec.annotations, oci::annotation::kKeepGroups);
  if (config.keep_original_groups && spec.process && !spec.process->user.additional_gids.empty()) {
    json::At process(report, "process");
    json::At user(report, "user");
    report.warn_in("additionalGids", "is ignored because of {}", oci::annotation::kKeepGroups);
  }
}

void convert_systemd_cgroup_v1(const oci::Spec& spec, Config& config, json::Report& report) {
  const std::string* value = find_annotation(spec.annotations, oci::annotation::kForceCgroupV1);
  if (value == nullptr) return;
  config.systemd_cgroup_v1 = clean_path(*value);
  json::At at(report, "annotations");
  auto is_there = [&](const Mount& mount) { return clean_path(mount.destination) == config.systemd_cgroup_v1; };
  if (std::ranges::none_of(config.mounts, is_there)) {
    report.fail_in(oci::annotation::kForceCgroupV1, "must be the destination of a mount, to take its place");
  } else if (!config.namespaces.is_new(NamespaceType::kCgroup)) {
    report.fail_in(oci::annotation::kForceCgroupV1, "needs a new cgroup namespace in /linux/namespaces");
  }
}

}  // namespace

void convert_annotations(const oci::Spec& spec, Config& config, json::Report& report) {
  convert_seccomp_annotations(spec, config);
  convert_groups(spec, config, report);
  convert_systemd_cgroup_v1(spec, config, report);
  config.mount_context_type = text(spec, oci::annotation::kMountContextType);
  config.hooks_stdout = text(spec, oci::annotation::kHooksStdout);
  config.hooks_stderr = text(spec, oci::annotation::kHooksStderr);
  config.pidfd_receiver = text(spec, oci::annotation::kPidfdReceiver);
  config.cgroups.delegate = text(spec, oci::annotation::kDelegateCgroup);
}

}  // namespace cella::config
