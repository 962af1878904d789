// Bundles: a directory with a config.json.
#pragma once

#include <string>

#include <cella/factory.h>

namespace cella::container {

// Parses and validates; creates nothing.
Result<Bundle> read_bundle(const FactoryOptions& options, bool rootless, std::string_view id, const std::string& path,
                           const BundleOptions& bundle_options);
// The "process" of a bundle's config.json.
Result<config::ProcessConfig> bundle_process(const std::string& path);

}  // namespace cella::container
