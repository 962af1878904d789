#include "oci/parse.h"

#include <fmt/format.h>

#include "json/value.h"
#include "oci/spec_schema.h"
#include "oci/validate.h"

namespace cella::oci {
namespace {

template <typename T, typename Validate>
Result<T> parse(const char* what, std::string_view text, std::vector<Finding>* warnings, Validate check) {
  json::Report report;
  auto document = json::parse(text, &report.findings);
  if (!document) return std::unexpected(invalid(what, std::move(document).error()));
  T value;
  json::read(document->root(), value, report);
  report.only_new();
  check(value, report);
  if (warnings != nullptr) *warnings = std::move(report.warnings);
  if (!report.findings.empty()) return std::unexpected(invalid(what, std::move(report.findings)));
  return value;
}

}  // namespace

Error invalid(const char* what, std::vector<Finding> findings) {
  Error error(ErrorCode::kConfigInvalid,
              fmt::format("{} is invalid: {} finding{}", what, findings.size(), findings.size() == 1 ? "" : "s"));
  error.findings = std::move(findings);
  return error;
}

Result<Spec> parse_spec(std::string_view json_text, std::vector<Finding>* warnings) {
  return parse<Spec>("config.json", json_text, warnings,
                     [](const Spec& spec, json::Report& report) { validate(spec, report); });
}

Result<Process> parse_process(std::string_view json_text, std::vector<Finding>* warnings) {
  return parse<Process>("the process", json_text, warnings,
                        [](const Process& process, json::Report& report) { validate(process, report); });
}

Result<Resources> parse_resources(std::string_view json_text, std::vector<Finding>* warnings) {
  return parse<Resources>("the resources", json_text, warnings,
                          [](const Resources& resources, json::Report& report) { validate(resources, report, false); });
}

std::string to_json(const Spec& spec) {
  json::Writer writer("\t");
  json::write(spec, writer);
  return writer.take();
}

}  // namespace cella::oci
