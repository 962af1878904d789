// The rules of the runtime specification that go beyond types, and what runc and the kernel refuse anyway.
//
// Pure: nothing of the host is looked at (that a path exists, that a namespace is not the host's own). Every violation
// is reported, none stops the pass; what follows only from a malformed field (Report::only_new) is not.
#pragma once

#include "json/report.h"
#include "oci/spec.h"

namespace cella::oci {

void validate(const Spec& spec, json::Report& report);
void validate(const Process& process, json::Report& report);
// `complete`: the resources of a config.json; else a change to those of a container, where a swap limit may stand
// alone.
void validate(const Resources& resources, json::Report& report, bool complete);

}  // namespace cella::oci
