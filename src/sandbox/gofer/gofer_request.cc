#include "sandbox/gofer/gofer_request.h"

#include "base/result.h"
#include "json/schema.h"

namespace cella::sandbox::gofer {

using json::Field;
using json::field;
using json::Type;

static std::span<const Field<GoferRoot>> fields_of(Type<GoferRoot>) {
  static constexpr Field<GoferRoot> kFields[] = {
      field<&GoferRoot::path>("path").required(),
      field<&GoferRoot::read_only>("read_only"),
  };
  return kFields;
}
static std::span<const Field<GoferRequest>> fields_of(Type<GoferRequest>) {
  static constexpr Field<GoferRequest> kFields[] = {
      field<&GoferRequest::roots>("roots").required(),
      field<&GoferRequest::socket>("socket").required().always(),
      field<&GoferRequest::report>("report").always(),
      field<&GoferRequest::disable_seccomp>("disable_seccomp"),
  };
  return kFields;
}

std::string to_json(const GoferRequest& request) {
  json::Writer writer;
  json::write(request, writer);
  return writer.take();
}

Result<GoferRequest> parse_gofer_request(std::string_view json_text) {
  auto invalid = [](std::vector<Finding> findings) {
    Error error(ErrorCode::kConfigInvalid, "the request to the gofer is invalid");
    error.findings = std::move(findings);
    return std::unexpected(std::move(error));
  };
  auto document = json::parse(json_text);
  if (!document) return invalid(std::move(document).error());
  GoferRequest request;
  json::Report report;
  json::read(document->root(), request, report);
  if (!report.findings.empty()) return invalid(std::move(report.findings));
  return request;
}

}  // namespace cella::sandbox::gofer
