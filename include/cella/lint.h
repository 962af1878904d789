// Lint: what is wrong with a bundle, and what this host lacks for it.
#pragma once

#include <string>
#include <vector>

#include <cella/error.h>

namespace cella {

enum class Severity {
  kWarning,  // ignored, deprecated, or probably not meant
  kError,    // a container of it would not start here
};
// "warning", "error".
const char* severity_name(Severity severity);

struct Diagnosis {
  Severity severity = Severity::kError;
  Finding finding;
};
// An array of {"pointer":…,"message":…,"severity":…}, an element a line.
std::string to_json(const std::vector<Diagnosis>& diagnoses);

}  // namespace cella
