#include "container/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/result.h"
#include "config/resources.h"
#include "config/specconv.h"
#include "container/ignored.h"
#include "oci/parse.h"
#include "sys/file.h"

namespace cella::container {

Result<std::string> read_config(const std::string& path) {
  const std::string file = path + "/config.json";
  sys::FileDescriptor fd = TRY(sys::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY), "reading {}", file);
  const struct stat status = TRY(sys::stat_at(fd.get(), "", AT_EMPTY_PATH), "reading {}", file);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {  // read(2) has the right words about a directory
    return base::fail(ErrorCode::kConfigInvalid, "reading {}: not a regular file", file);
  }
  return TRY(sys::read_all(fd.get()), "reading {}", file);
}

config::SpecconvOptions specconv_options(const FactoryOptions& options, bool rootless, std::string_view id,
                                         std::string bundle, const BundleOptions& bundle_options) {
  config::SpecconvOptions specconv;
  specconv.id = id;
  specconv.bundle = std::move(bundle);
  specconv.rootless_euid = ::geteuid() != 0;
  specconv.rootless_cgroups = rootless;
  specconv.systemd_cgroup = options.systemd_cgroup;
  specconv.no_pivot_root = bundle_options.no_pivot_root;
  specconv.no_new_keyring = bundle_options.no_new_keyring;
  return specconv;
}

Result<Bundle> read_bundle(const FactoryOptions& options, bool rootless, std::string_view id, const std::string& path,
                           const BundleOptions& bundle_options) {
  std::string absolute = TRY(sys::real_path(path), "opening the bundle {}", path);
  std::string text = TRY(read_config(absolute));
  std::vector<Finding> ignored;
  auto refuse = [&](Error error) {
    return std::unexpected(
        with_ignored(options, std::move(error), std::move(ignored)).with(fmt::format("{}/config.json", absolute)));
  };
  Result<oci::Spec> spec = oci::parse_spec(text, &ignored);
  if (!spec) return refuse(std::move(spec).error());
  Result<config::Converted> converted =
      config::from_spec(*spec, specconv_options(options, rootless, id, absolute, bundle_options), &ignored);
  if (!converted) return refuse(std::move(converted).error());
  TRY(settle(options, std::move(ignored)), "{}/config.json", absolute);
  return Bundle{std::move(converted->config), std::move(converted->process)};
}

Result<config::ProcessConfig> read_process(const FactoryOptions& options, const std::string& path) {
  std::string text = TRY(sys::read_file(path.c_str()), "reading {}", path);
  std::vector<Finding> ignored;
  Result<oci::Process> process = oci::parse_process(text, &ignored);
  if (!process) {
    return std::unexpected(with_ignored(options, std::move(process).error(), std::move(ignored)).with(path));
  }
  config::ProcessConfig converted = config::process_from_spec(*process, &ignored);
  TRY(settle(options, std::move(ignored)), "{}", path);
  return converted;
}

Result<config::Resources> read_resources(const FactoryOptions& options, std::string_view json) {
  std::vector<Finding> ignored;
  Result<oci::Resources> resources = oci::parse_resources(json, &ignored);
  if (!resources) {
    return std::unexpected(with_ignored(options, std::move(resources).error(), std::move(ignored)));
  }
  TRY(settle(options, std::move(ignored)), "the resources");
  return config::convert_resources(*resources);
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
