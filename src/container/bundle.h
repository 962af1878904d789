// Bundles: a directory with a config.json.
#pragma once

#include <string>

#include <cella/factory.h>

#include "config/specconv.h"

namespace cella::container {

// The text of a bundle's config.json, which must be a regular file: a fifo would hold us up. `path` is absolute.
Result<std::string> read_config(const std::string& path);
// Parses and validates; creates nothing.
Result<Bundle> read_bundle(const FactoryOptions& options, bool rootless, std::string_view id, const std::string& path,
                           const BundleOptions& bundle_options);
config::SpecconvOptions specconv_options(const FactoryOptions& options, bool rootless, std::string_view id,
                                         std::string bundle, const BundleOptions& bundle_options);
// The process of `exec --process`.
Result<config::ProcessConfig> read_process(const FactoryOptions& options, const std::string& path);
// A "resources" object, as text.
Result<config::Resources> read_resources(const FactoryOptions& options, std::string_view json);
// The "process" of a bundle's config.json.
Result<config::ProcessConfig> bundle_process(const std::string& path);

}  // namespace cella::container
