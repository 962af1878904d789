// Factory::lint without a Factory.
#pragma once

#include <string>
#include <vector>

#include <cella/factory.h>

namespace cella::container {

Result<std::vector<Diagnosis>> lint_bundle(const FactoryOptions& options, bool rootless, const std::string& path,
                                           const BundleOptions& bundle_options);

}  // namespace cella::container
