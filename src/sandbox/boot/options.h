// The options of the sandbox as annotations: one table, from which they are read, written and refused.
#pragma once

#include <string>
#include <vector>

#include <cella/sandbox.h>

namespace cella::sandbox::boot {

// Does this container want the sandbox? `labels`: Config::labels, "key=value". kUnsupported for a kind of isolation
// that there is not.
Result<bool> is_asked_for(const std::vector<std::string>& labels);
// kUnsupported: an option that is not known, a value that it does not have, or one that does not work yet.
Result<Config> options_from(const std::vector<std::string>& labels);
// As options_from() reads them, without what is as it is by default.
std::vector<std::string> to_labels(const Config& config);

}  // namespace cella::sandbox::boot
