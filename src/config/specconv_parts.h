// The parts of from_spec that stand in files of their own.
#pragma once

#include "config/config.h"
#include "config/specconv.h"
#include "json/report.h"
#include "oci/spec.h"

namespace cella::config {

std::vector<IDMap> convert_id_maps(const std::vector<oci::IDMapping>& mappings);
Seccomp convert_seccomp(const oci::Seccomp& seccomp);
void convert_mounts(const oci::Spec& spec, const SpecconvOptions& options, Config& config, json::Report& report);
// After everything else: annotations change what the rest has made.
void convert_annotations(const oci::Spec& spec, Config& config, json::Report& report);
Cgroup convert_cgroup(const oci::Spec& spec, const SpecconvOptions& options, json::Report& report);

}  // namespace cella::config
