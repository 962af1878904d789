// The kernel's rules for id maps, user_namespaces(7): ranges are not empty, do not wrap, do not overlap; at most 340.
#pragma once

#include <string_view>
#include <vector>

#include "json/report.h"
#include "oci/spec.h"

namespace cella::oci {

// Reports at the member `key` of the current place.
void check_id_mappings(const std::vector<IDMapping>& mappings, std::string_view key, json::Report& report);

}  // namespace cella::oci
