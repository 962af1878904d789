#include "oci/state.h"

#include "json/schema.h"

namespace cella::oci {

std::span<const json::Field<State>> fields_of(json::Type<State>) {
  static constexpr json::Field<State> kFields[] = {
      json::field<&State::version>("ociVersion").required(), json::field<&State::id>("id").required(),
      json::field<&State::status>("status").required(),      json::field<&State::pid>("pid").range(0, INT32_MAX),
      json::field<&State::bundle>("bundle").required(),      json::field<&State::annotations>("annotations"),
  };
  return kFields;
}

std::string to_json(const State& state) {
  json::Writer writer;
  json::write(state, writer);
  return writer.take();
}

Result<State> parse_state(std::string_view json_text) {
  auto invalid = [](std::vector<Finding> findings) {
    Error error(ErrorCode::kConfigInvalid, "the state is invalid");
    error.findings = std::move(findings);
    return std::unexpected(std::move(error));
  };
  auto document = json::parse(json_text);
  if (!document) return invalid(std::move(document).error());
  State state;
  json::Report report;
  json::read(document->root(), state, report);
  if (!report.findings.empty()) return invalid(std::move(report.findings));
  return state;
}

}  // namespace cella::oci
