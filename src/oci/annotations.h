// The annotations of config.json that mean something to this runtime: crun's run.oci.*, and those of runc's. One row
// each: the check, the manual's text and `features` come from the same table. What they do is config/'s
// (specconv_annotations.cc).
//
// Any other annotation is the caller's own business and is handed on in the state.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "json/report.h"

namespace cella::oci {

namespace annotation {
inline constexpr std::string_view kDelegateCgroup = "run.oci.delegate-cgroup";
inline constexpr std::string_view kHooksStderr = "run.oci.hooks.stderr";
inline constexpr std::string_view kHooksStdout = "run.oci.hooks.stdout";
inline constexpr std::string_view kKeepGroups = "run.oci.keep_original_groups";
inline constexpr std::string_view kMountContextType = "run.oci.mount_context_type";
inline constexpr std::string_view kPidfdReceiver = "run.oci.pidfd_receiver";
inline constexpr std::string_view kSeccompReceiver = "run.oci.seccomp.receiver";
inline constexpr std::string_view kSeccompProgram = "run.oci.seccomp_bpf_data";
inline constexpr std::string_view kSeccompFailUnknown = "run.oci.seccomp_fail_unknown_syscall";
inline constexpr std::string_view kSystemdProperty = "org.systemd.property.";
inline constexpr std::string_view kForceCgroupV1 = "run.oci.systemd.force_cgroup_v1";
}  // namespace annotation

using Annotations = std::map<std::string, std::string>;

struct KnownAnnotation {
  std::string_view key;  // one that ends with '.' stands for all that begin with it
  const char* value;     // what the manual calls the value
  const char* manual;    // what is done, mdoc(7)
  // Reports what is wrong with a value, at the member `key` of the report's place.
  void (*check)(json::Report& report, std::string_view key, std::string_view value);
};
// By key.
std::span<const KnownAnnotation> known_annotations();

// Findings for the known ones, a warning for a run.oci.* that is not known. `report` is at the document's root.
void check_known_annotations(const Annotations& annotations, json::Report& report);

// The value, or nullptr.
const std::string* find_annotation(const Annotations& annotations, std::string_view key);
// "1" or "true".
bool annotation_is_set(const Annotations& annotations, std::string_view key);

}  // namespace cella::oci
