#include "oci/annotations.h"

#include <algorithm>
#include <cstdint>

#include "base/base64.h"
#include "oci/checks.h"

namespace cella::oci {
namespace {

using json::Report;

constexpr size_t kInstructionSize = 8;     // struct sock_filter, <linux/filter.h>
constexpr size_t kMaxInstructions = 4096;  // BPF_MAXINSNS

void boolean(Report& report, std::string_view key, std::string_view value) {
  if (value != "0" && value != "1" && value != "true" && value != "false") {
    report.fail_in(key, "must be 0, 1, true or false, not {}", json::quoted(value));
  }
}

void absolute_path(Report& report, std::string_view key, std::string_view value) {
  check_path(report, key, value, PathRule::kAbsolute);
}

void cgroup_below(Report& report, std::string_view key, std::string_view value) {
  if (value.empty() || !check_path(report, key, value, PathRule::kAny)) return;
  if (("/" + std::string(value) + "/").find("/../") != std::string::npos)
    report.fail_in(key, "must not contain \"..\"");
}

void context_type(Report& report, std::string_view key, std::string_view value) {
  for (std::string_view known : {"context", "fscontext", "defcontext", "rootcontext"})
    if (value == known) return;
  report.fail_in(key, "must be context, fscontext, defcontext or rootcontext, not {}", json::quoted(value));
}

void program(Report& report, std::string_view key, std::string_view value) {
  const std::optional<std::string> bytes = base::decode_base64(value);
  if (!bytes) return report.fail_in(key, "must be base64");
  if (bytes->empty() || bytes->size() % kInstructionSize != 0) {
    report.fail_in(key, "must be whole BPF instructions of {} bytes each, not {} bytes", kInstructionSize,
                   bytes->size());
  } else if (bytes->size() / kInstructionSize > kMaxInstructions) {
    report.fail_in(key, "must be at most {} instructions", kMaxInstructions);
  }
}

void handler(Report& report, std::string_view key, std::string_view value) {
  report.fail_in(key, "must not be set: this runtime has no handler {} to run the program in another way",
                 json::quoted(value));
}
void plugins(Report& report, std::string_view key, std::string_view) {
  report.fail_in(key, "must not be set: this runtime loads no plugins; {} names a socket for the listener",
                 annotation::kSeccompReceiver);
}
void bundle(Report& report, std::string_view key, std::string_view) {
  report.fail_in(key, "must not be set: the state keeps the path of the bundle under this name");
}

// Of no consequence here, whatever it is.
void anything(Report&, std::string_view, std::string_view) {}

using namespace annotation;

constexpr KnownAnnotation kKnown[] = {
    {"bundle", "path", "Refused: the state keeps the path of the bundle under this name.\n", bundle},
    {"org.criu.config", "path", "No effect: there is no checkpoint or restore yet.\n", anything},
    {kSystemdProperty, "value",
     "Properties of the unit that systemd makes.\n"
     "No effect unless systemd makes the cgroups.\n",
     anything},
    {kDelegateCgroup, "path",
     "Move the first process to this cgroup below the container's, which the container's root owns.\n"
     "The limits stay on the container's.\n"
     "Only with cgroup v2.\n",
     cgroup_below},
    {"run.oci.handler", "name", "Refused: there are no handlers here that run a program in another way.\n", handler},
    {kHooksStderr, "path",
     "Append what hooks print to standard error to this file of the host's, made when it is missing.\n", absolute_path},
    {kHooksStdout, "path", "The same for standard output.\n", absolute_path},
    {kKeepGroups, "boolean",
     "Leave the process the supplementary groups of the caller;\n"
     ".Cm additionalGids\n"
     "is ignored with a warning then.\n",
     boolean},
    {kMountContextType, "type",
     "The mount option that\n"
     ".Cm linux.mountLabel\n"
     "becomes:\n"
     ".Cm context\n"
     "(the default),\n"
     ".Cm fscontext , defcontext\n"
     "or\n"
     ".Cm rootcontext .\n",
     context_type},
    {kPidfdReceiver, "path", "Send a pidfd of the first process to the unix socket at this path.\n", absolute_path},
    {"run.oci.seccomp.plugins", "list", "Refused: no plugins are loaded here.\n", plugins},
    {kSeccompReceiver, "path",
     "As\n"
     ".Cm linux.seccomp.listenerPath ,\n"
     "which wins when both are there.\n"
     "No effect without a seccomp filter.\n",
     absolute_path},
    {kSeccompProgram, "base64",
     "The seccomp filter as BPF instructions, instead of\n"
     ".Cm linux.seccomp ,\n"
     "of which the flags and the listener alone still count.\n",
     program},
    {kSeccompFailUnknown, "boolean",
     "Fail, instead of warning, when the seccomp filter names an unknown system call.\n", boolean},
    {kForceCgroupV1, "path",
     "Mount the named hierarchy\n"
     ".Cm name=systemd\n"
     "of cgroup v1 at\n"
     ".Pa systemd\n"
     "in a tmpfs there, instead of what\n"
     ".Cm mounts\n"
     "says.\n"
     "It must be mounted on the host, and the container have a new cgroup namespace.\n",
     absolute_path},
    {"run.oci.systemd.subgroup", "name", "No effect unless systemd makes the cgroups.\n", anything},
};
static_assert(std::ranges::is_sorted(kKnown, {}, &KnownAnnotation::key));

bool stands_for(const KnownAnnotation& known, std::string_view key) {
  return known.key.ends_with('.') ? key.starts_with(known.key) : key == known.key;
}

}  // namespace

std::span<const KnownAnnotation> known_annotations() {
  return kKnown;
}

void check_known_annotations(const Annotations& annotations, Report& report) {
  json::At at(report, "annotations");
  for (const auto& [key, value] : annotations) {
    auto known = std::ranges::find_if(kKnown, [&](const KnownAnnotation& row) { return stands_for(row, key); });
    if (known == std::end(kKnown)) {
      if (key.starts_with("run.oci.")) report.warn_in(key, "is not known and has no effect");
    } else {
      known->check(report, key, value);
    }
  }
}

const std::string* find_annotation(const Annotations& annotations, std::string_view key) {
  auto found = annotations.find(std::string(key));
  return found == annotations.end() ? nullptr : &found->second;
}

bool annotation_is_set(const Annotations& annotations, std::string_view key) {
  const std::string* value = find_annotation(annotations, key);
  return value != nullptr && (*value == "1" || *value == "true");
}

}  // namespace cella::oci
