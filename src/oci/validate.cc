#include "oci/validate.h"

#include <algorithm>
#include <set>

#include "oci/annotations.h"
#include "oci/checks.h"
#include "oci/id_mapping.h"

namespace cella::oci {

using json::At;
using json::Report;

void validate_linux(const Spec& spec, Report& report);

namespace {

constexpr size_t kNameLength = 64;  // __NEW_UTS_LEN
constexpr size_t kPage = 4096;      // all that mount(2) takes of a filesystem's options

// Semantic Versioning 2.0 with major version 0 or 1: "1.3.0", "1.0.2-dev", "1.1.0+dev".
const char* version_error(std::string_view version) {
  constexpr const char* kForm = "must be a version such as \"1.3.0\"";
  size_t position = 0;
  for (int part = 0; part < 3; ++part) {
    if (part > 0 && (position >= version.size() || version[position++] != '.')) return kForm;
    size_t start = position;
    while (position < version.size() && version[position] >= '0' && version[position] <= '9') ++position;
    size_t length = position - start;
    if (length == 0 || length > 9 || (length > 1 && version[start] == '0')) return kForm;
    if (part == 0 && (length > 1 || version[0] > '1')) return "must be a version 1 of the specification, or before";
  }
  if (position == version.size()) return nullptr;
  if (version[position] != '-' && version[position] != '+') return kForm;
  std::string_view rest = version.substr(position + 1);
  bool legal = !rest.empty() && std::all_of(rest.begin(), rest.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '-' ||
           c == '+';
  });
  return legal ? nullptr : kForm;
}

void check_host_name(Report& report, std::string_view key, const std::string& name, bool has_uts) {
  if (name.empty() || !check_text(report, key, name)) return;
  if (name.size() > kNameLength) {
    report.fail_in(key, "must be at most {} bytes long, not {}", kNameLength, name.size());
  } else if (!has_uts) {
    report.fail_in(key, "needs a uts namespace in /linux/namespaces");
  }
}

void check_mounts(const std::vector<Mount>& mounts, Report& report) {
  At at(report, "mounts");
  for (size_t i = 0; i < mounts.size(); ++i) {
    const Mount& mount = mounts[i];
    At item(report, i);
    check_path(report, "destination", mount.destination, PathRule::kAny);
    if (!mount.source.empty()) check_path(report, "source", mount.source, PathRule::kAny);
    check_label(report, "type", mount.type);
    {
      At options(report, "options");
      for (size_t k = 0; k < mount.options.size(); ++k) {
        At option(report, k);
        if (check_no_nul(report, mount.options[k]) && mount.options[k].size() >= kPage) {
          report.fail("must be at most {} bytes long", kPage - 1);
        }
      }
    }
    check_id_mappings(mount.uid_mappings, "uidMappings", report);
    check_id_mappings(mount.gid_mappings, "gidMappings", report);
    if (mount.uid_mappings.empty() != mount.gid_mappings.empty()) {
      report.fail_in(mount.uid_mappings.empty() ? "uidMappings" : "gidMappings",
                     "must be given, as the other mapping is");
    }
  }
}

void check_hooks(const Hooks& hooks, Report& report) {
  At at(report, "hooks");
  for (auto [key, list] : {std::pair{"prestart", &hooks.prestart},
                           {"createRuntime", &hooks.create_runtime},
                           {"createContainer", &hooks.create_container},
                           {"startContainer", &hooks.start_container},
                           {"poststart", &hooks.poststart},
                           {"poststop", &hooks.poststop}}) {
    At kind(report, std::string_view(key));
    for (size_t i = 0; i < list->size(); ++i) {
      At hook(report, i);
      check_path(report, "path", (*list)[i].path, PathRule::kAbsolute);
      check_arguments(report, "args", (*list)[i].args);
      check_arguments(report, "env", (*list)[i].env);
    }
  }
}

void check_annotations(const std::map<std::string, std::string>& annotations, Report& report) {
  At at(report, "annotations");
  if (annotations.contains("")) report.fail_in("", "must have a key that is not empty");
}

}  // namespace

void validate(const Spec& spec, Report& report) {
  if (const char* error = version_error(spec.version)) {
    report.fail_in("ociVersion", "{}, not {}", error, json::quoted(spec.version));
  }
  if (!spec.root) {
    report.fail_in("root", "is required on Linux");
  } else {
    At at(report, "root");
    check_path(report, "path", spec.root->path, PathRule::kAny);
  }
  if (spec.process) {
    At at(report, "process");
    validate(*spec.process, report);
  }
  const bool has_uts = (spec.linux_config && spec.linux_config->find(NamespaceType::kUts) != nullptr) ||
                       report.touched("/linux/namespaces");
  check_host_name(report, "hostname", spec.hostname, has_uts);
  check_host_name(report, "domainname", spec.domainname, has_uts);
  check_mounts(spec.mounts, report);
  if (spec.hooks) check_hooks(*spec.hooks, report);
  check_annotations(spec.annotations, report);
  check_known_annotations(spec.annotations, report);
  if (spec.linux_config) validate_linux(spec, report);
}

}  // namespace cella::oci
