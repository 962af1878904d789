// A Config as JSON with libcontainer's keys, so that runc loads what we write and we load what runc has written.
//
// Facts of libcontainer's form: seccomp actions, operators and device types are numbers; capabilities are lists of
// names; hook timeouts are nanoseconds; CPU sets are arrays of words; the resources stand among the cgroup's own keys;
// 0 means "not set" for most limits. Keys of our own are ignored by runc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <cella/error.h>

#include "config/config.h"
#include "json/schema.h"

namespace cella::config {

std::span<const json::Field<Config>> fields_of(json::Type<Config>);
std::span<const json::Field<Capabilities>> fields_of(json::Type<Capabilities>);
std::span<const json::Field<Rlimit>> fields_of(json::Type<Rlimit>);
std::span<const json::Field<IDMap>> fields_of(json::Type<IDMap>);

std::string to_json(const Config& config);
// Unknown keys are ignored. Fails with kConfigInvalid and findings.
Result<Config> parse_config(std::string_view json_text);

}  // namespace cella::config
