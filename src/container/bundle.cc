#include "container/bundle.h"

#include <unistd.h>

#include "base/result.h"
#include "config/resources.h"
#include "config/specconv.h"
#include "container/host_facts.h"
#include "oci/parse.h"
#include "sys/file.h"

namespace cella::container {
namespace {

Result<std::string> read_config(const std::string& path) {
  std::string file = path + "/config.json";
  return TRY(sys::read_file(file.c_str()), "reading {}", file);
}

std::string text_of(const Finding& finding) {
  return fmt::format("{}: {}", finding.pointer, finding.message);
}

}  // namespace

Result<Bundle> read_bundle(const FactoryOptions& options, bool rootless, std::string_view id, const std::string& path,
                           const BundleOptions& bundle_options) {
  std::string absolute = TRY(sys::real_path(path), "opening the bundle {}", path);
  std::string text = TRY(read_config(absolute));
  std::vector<Finding> findings;
  oci::Spec spec = TRY(oci::parse_spec(text, &findings), "{}/config.json", absolute);
  config::SpecconvOptions specconv;
  specconv.id = id;
  specconv.bundle = absolute;
  specconv.rootless_euid = ::geteuid() != 0;
  specconv.rootless_cgroups = rootless;
  specconv.systemd_cgroup = options.systemd_cgroup;
  specconv.no_pivot_root = bundle_options.no_pivot_root;
  specconv.no_new_keyring = bundle_options.no_new_keyring;
  config::Converted converted = TRY(config::from_spec(spec, specconv), "{}/config.json", absolute);
  if (options.on_warning) {
    for (const Finding& finding : findings) options.on_warning(text_of(finding));
    for (const std::string& warning : converted.warnings) options.on_warning(warning);
  }
  return Bundle{std::move(converted.config), std::move(converted.process)};
}

Result<config::ProcessConfig> bundle_process(const std::string& path) {
  if (path.empty())
    return base::fail(ErrorCode::kInvalidArgument, "the container has no bundle to take a process from");
  std::string text = TRY(read_config(path));
  oci::Spec spec = TRY(oci::parse_spec(text), "{}/config.json", path);
  if (!spec.process) return config::ProcessConfig{};
  return config::process_from_spec(*spec.process);
}

}  // namespace cella::container

namespace cella {

Result<config::ProcessConfig> load_process(std::string_view path) {
  std::string file(path);
  std::string text = TRY(sys::read_file(file.c_str()), "reading {}", file);
  oci::Process process = TRY(oci::parse_process(text), "{}", file);
  return TRY(config::process_from_spec(process), "{}", file);
}

Result<config::Resources> parse_resources(std::string_view json, std::vector<Finding>* warnings) {
  return config::convert_resources(TRY(oci::parse_resources(json, warnings)));
}

}  // namespace cella
