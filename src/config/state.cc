#include "config/state.h"

#include "config/config_json.h"
#include "oci/parse.h"

namespace cella::config {

using json::Field;
using json::field;
using json::Type;

std::span<const Field<CellaState>> fields_of(Type<CellaState>) {
  static constexpr Field<CellaState> kFields[] = {
      field<&CellaState::version>("version").always(),    field<&CellaState::isolation>("isolation"),
      field<&CellaState::engine_root>("engine_root"),     field<&CellaState::systemd>("systemd"),
      field<&CellaState::intel_rdt_own>("intel_rdt_own"),
  };
  return kFields;
}

std::span<const Field<State>> fields_of(Type<State>) {
  static constexpr Field<State> kFields[] = {
      field<&State::id>("id").required(),
      field<&State::init_process_pid>("init_process_pid").always(),
      field<&State::init_process_start>("init_process_start").always(),
      field<&State::created>("created").always(),
      field<&State::config>("config").required(),
      field<&State::rootless>("rootless"),
      field<&State::cgroup_paths>("cgroup_paths").always(),
      field<&State::namespace_paths>("namespace_paths").always(),
      field<&State::external_descriptors>("external_descriptors"),
      field<&State::intel_rdt_path>("intel_rdt_path"),
      field<&State::intel_rdt_mon_path>("intel_rdt_mon_path"),
      field<&State::cella>("cella"),
  };
  return kFields;
}

std::string to_json(const State& state) {
  json::Writer writer;
  json::write(state, writer);
  return writer.take();
}

Result<State> parse_state(std::string_view json_text) {
  auto document = json::parse(json_text);
  if (!document) return std::unexpected(oci::invalid("state.json", std::move(document).error()));
  State state;
  json::Report report;
  json::read(document->root(), state, report);
  if (!report.findings.empty()) return std::unexpected(oci::invalid("state.json", std::move(report.findings)));
  return state;
}

std::string rfc3339(const timespec& time) {
  tm utc{};
  gmtime_r(&time.tv_sec, &utc);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                                 utc.tm_hour, utc.tm_min, utc.tm_sec);
  // Go's RFC3339Nano, which runc writes, has no zeros at the end of the fraction.
  if (time.tv_nsec != 0) {
    text += fmt::format(".{:09}", time.tv_nsec);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + 'Z';
}

}  // namespace cella::config
