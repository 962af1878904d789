#include "container/ignored.h"

#include <iterator>

#include "base/result.h"

namespace cella::container {

Result<void> settle(const FactoryOptions& options, std::vector<Finding> ignored) {
  if (ignored.empty()) return {};
  if (options.strict) {
    Error error(ErrorCode::kUnsupported,
                fmt::format("{} thing{} that would be ignored {} asked for", ignored.size(),
                            ignored.size() == 1 ? "" : "s", ignored.size() == 1 ? "is" : "are"));
    error.findings = std::move(ignored);
    error.hint = "without --strict they are warnings";
    return std::unexpected(std::move(error));
  }
  if (options.on_warning) {
    for (const Finding& finding : ignored) options.on_warning(finding);
  }
  return {};
}

Error with_ignored(const FactoryOptions& options, Error error, std::vector<Finding> ignored) {
  if (options.strict && !ignored.empty()) {
    error.message += fmt::format(", and {} that would be ignored", ignored.size());
    error.findings.insert(error.findings.end(), std::move_iterator(ignored.begin()), std::move_iterator(ignored.end()));
  }
  return error;
}

}  // namespace cella::container
