#include <cella/lint.h>

#include <utility>

#include "base/result.h"
#include "container/bundle.h"
#include "container/host_facts.h"
#include "container/lint_bundle.h"
#include "json/writer.h"
#include "lint/lint.h"
#include "oci/parse.h"
#include "plan/build.h"
#include "sys/file.h"

namespace cella::container {
namespace {

class Lint {
 public:
  Lint(const FactoryOptions& options, bool rootless) : options_(options), rootless_(rootless) {}

  // What a start does, up to the plan and no further; where that fails its error is the last word.
  Result<void> run(const std::string& path, const BundleOptions& bundle_options) {
    const std::string absolute = TRY(sys::real_path(path), "opening the bundle {}", path);
    const std::string text = TRY(read_config(absolute));
    Result<oci::Spec> spec = oci::parse_spec(text, &ignored_);
    if (!spec) return end_with(std::move(spec).error());
    Result<config::Converted> converted =
        config::from_spec(*spec, specconv_options(options_, rootless_, kId, absolute, bundle_options), &ignored_);
    if (!converted) return end_with(std::move(converted).error());
    const cgroup::Layout layout = TRY(cgroup::detect(), "looking for cgroups");
    json::Report report;
    lint::check(*spec, converted->config, layout, is_privileged(), report);
    add(Severity::kError, std::move(report.findings));
    Result<void> planned = plan(*converted, layout);
    // The same trouble in the start's own words is not told twice.
    if (!planned && diagnoses.empty()) (void)end_with(std::move(planned).error());
    add_ignored();
    add(Severity::kWarning, std::move(report.warnings));
    return {};
  }

  std::vector<Diagnosis> diagnoses;

 private:
  static constexpr const char* kId = "lint";  // of no container

  Result<void> plan(const config::Converted& converted, const cgroup::Layout& layout) {
    const cgroup::Paths paths =
        TRY(cgroup::container_paths(layout, converted.config.cgroups, kId), "linux.cgroupsPath");
    plan::Facts facts = TRY(host_facts(converted.config, layout, paths, &ignored_));
    const config::ProcessConfig asked = converted.process.value_or(config::ProcessConfig());
    config::ProcessConfig process = TRY(grantable(asked, converted.config, ignored_));
    plan::StartOptions start;
    start.id = kId;
    start.wait_for_start = true;
    start.console_socket = process.terminal;
    TRY(plan::build_create(converted.config, process, facts, start));
    return {};
  }

  Result<void> end_with(Error error) {
    if (error.findings.empty()) {
      diagnoses.push_back({Severity::kError, {"", error.text()}});
    }
    add(Severity::kError, std::move(error.findings));
    add_ignored();
    return {};
  }
  void add_ignored() { add(options_.strict ? Severity::kError : Severity::kWarning, std::exchange(ignored_, {})); }
  void add(Severity severity, std::vector<Finding> findings) {
    for (Finding& finding : findings) diagnoses.push_back({severity, std::move(finding)});
  }

  const FactoryOptions& options_;
  const bool rootless_;
  std::vector<Finding> ignored_;
};

}  // namespace

Result<std::vector<Diagnosis>> lint_bundle(const FactoryOptions& options, bool rootless, const std::string& path,
                                           const BundleOptions& bundle_options) {
  Lint lint(options, rootless);
  TRY(lint.run(path, bundle_options));
  return std::move(lint.diagnoses);
}

}  // namespace cella::container

namespace cella {

const char* severity_name(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

std::string to_json(const std::vector<Diagnosis>& diagnoses) {
  std::string text = "[";
  for (const Diagnosis& one : diagnoses) {
    json::Writer writer;
    writer.begin_object();
    writer.key("pointer");
    writer.string(one.finding.pointer);
    writer.key("message");
    writer.string(one.finding.message);
    writer.key("severity");
    writer.string(severity_name(one.severity));
    writer.end_object();
    text += (text.size() > 1 ? ",\n " : "\n ") + writer.take();
  }
  return text + (diagnoses.empty() ? "]" : "\n]");
}

}  // namespace cella
