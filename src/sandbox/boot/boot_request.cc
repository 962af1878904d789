#include "sandbox/boot/boot_request.h"

#include "base/result.h"
#include "config/config_json.h"
#include "json/schema.h"

namespace cella::sandbox::boot {

using json::Field;
using json::field;
using json::Type;

static std::span<const Field<BootMount>> fields_of(Type<BootMount>) {
  static constexpr Field<BootMount> kFields[] = {
      field<&BootMount::destination>("destination").required(),
      field<&BootMount::type>("type"),
      field<&BootMount::source>("source"),
      field<&BootMount::data>("data"),
      field<&BootMount::flags>("flags"),
      field<&BootMount::copy_up>("copy_up"),
      field<&BootMount::tree>("tree").always(),
  };
  return kFields;
}
static std::span<const Field<BootDevice>> fields_of(Type<BootDevice>) {
  static constexpr Field<BootDevice> kFields[] = {
      field<&BootDevice::path>("path").required(), field<&BootDevice::mode>("mode"), field<&BootDevice::major>("major"),
      field<&BootDevice::minor>("minor"),          field<&BootDevice::uid>("uid"),   field<&BootDevice::gid>("gid"),
  };
  return kFields;
}
std::span<const Field<BootProcess>> fields_of(Type<BootProcess>) {
  static constexpr Field<BootProcess> kFields[] = {
      field<&BootProcess::args>("args").required(),
      field<&BootProcess::env>("env"),
      field<&BootProcess::cwd>("cwd").required(),
      field<&BootProcess::uid>("uid"),
      field<&BootProcess::gid>("gid"),
      field<&BootProcess::umask>("umask").always(),
      field<&BootProcess::additional_gids>("additional_gids"),
      field<&BootProcess::capabilities>("capabilities"),
      field<&BootProcess::rlimits>("rlimits"),
      field<&BootProcess::oom_score_adj>("oom_score_adj"),
      field<&BootProcess::nice>("nice"),
      field<&BootProcess::io_priority>("io_priority"),
      field<&BootProcess::personality>("personality"),
      field<&BootProcess::no_new_privileges>("no_new_privileges"),
      field<&BootProcess::terminal>("terminal"),
      field<&BootProcess::extra_files>("extra_files"),
  };
  return kFields;
}
std::span<const Field<Limits>> fields_of(Type<Limits>) {
  static constexpr Field<Limits> kFields[] = {
      field<&Limits::memory>("memory"),
      field<&Limits::tasks>("tasks"),
      field<&Limits::cpu_quota>("cpu_quota"),
      field<&Limits::cpu_period>("cpu_period"),
  };
  return kFields;
}
static std::span<const Field<BootRequest>> fields_of(Type<BootRequest>) {
  static constexpr Field<BootRequest> kFields[] = {
      field<&BootRequest::id>("id").required(),
      field<&BootRequest::hostname>("hostname"),
      field<&BootRequest::domainname>("domainname"),
      field<&BootRequest::gofer>("gofer").always(),
      field<&BootRequest::report>("report").always(),
      field<&BootRequest::control>("control").always(),
      field<&BootRequest::log>("log").always(),
      field<&BootRequest::wait_for_start>("wait_for_start"),
      field<&BootRequest::root_flags>("root_flags"),
      field<&BootRequest::mounts>("mounts"),
      field<&BootRequest::devices>("devices"),
      field<&BootRequest::masked_paths>("masked_paths"),
      field<&BootRequest::read_only_paths>("read_only_paths"),
      field<&BootRequest::sysctls>("sysctls"),
      field<&BootRequest::uid_maps>("uid_maps"),
      field<&BootRequest::gid_maps>("gid_maps"),
      field<&BootRequest::seccomp>("seccomp"),
      field<&BootRequest::seccomp_flags>("seccomp_flags"),
      field<&BootRequest::process>("process").required(),
      field<&BootRequest::limits>("limits"),
      field<&BootRequest::options>("options"),
  };
  return kFields;
}

std::string to_json(const BootRequest& request) {
  json::Writer writer;
  json::write(request, writer);
  return writer.take();
}

Result<BootRequest> parse_boot_request(std::string_view json_text) {
  auto invalid = [](std::vector<Finding> findings) {
    Error error(ErrorCode::kConfigInvalid, "the request to the application kernel is invalid");
    error.findings = std::move(findings);
    return std::unexpected(std::move(error));
  };
  auto document = json::parse(json_text);
  if (!document) return invalid(std::move(document).error());
  BootRequest request;
  json::Report report;
  json::read(document->root(), request, report);
  if (!report.findings.empty()) return invalid(std::move(report.findings));
  return request;
}

}  // namespace cella::sandbox::boot
