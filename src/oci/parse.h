// From the text of config.json, or a part of it, to validated structs, and back.
//
// A failure is one Error{kConfigInvalid} that lists everything that is wrong (Error::findings). Warnings are what is
// ignored: they do not fail, and are given also when something else does. No I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "oci/spec.h"

namespace cella::oci {

inline constexpr const char* kSpecVersion = "1.3.0";        // of the specification that this follows
inline constexpr const char* kOldestSpecVersion = "1.0.0";  // that is taken; drafts before it are too

// "config.json is invalid: 2 findings", with them.
Error invalid(const char* what, std::vector<Finding> findings);

Result<Spec> parse_spec(std::string_view json_text, std::vector<Finding>* warnings = nullptr);
// The process of `exec --process`.
Result<Process> parse_process(std::string_view json_text, std::vector<Finding>* warnings = nullptr);
// The changes of `update --resources`.
Result<Resources> parse_resources(std::string_view json_text, std::vector<Finding>* warnings = nullptr);

// Indented with tabs, properties in the order of runtime-spec's Go types, so that it compares with what runc writes.
std::string to_json(const Spec& spec);

}  // namespace cella::oci
