// The maps of the mount option "idmap=uids=0-1000-10#20-2000-1;gids=0-1000-10", crun(1), "idmap mount options".
//
// A range is FILESYSTEM-HOST-SIZE. With '@' before it, HOST is an id of the container's user namespace. Unlike crun we
// want both kinds (the kernel refuses an empty map) and a relative range inside one range of the container's.
#pragma once

#include <string_view>

#include "config/config.h"
#include "json/report.h"

namespace cella::config {

// Fills uid_mappings and gid_mappings from what is after the first '='. Reports at the current place.
void parse_idmap_option(std::string_view maps, const Config& config, Mount& mount, json::Report& report);

}  // namespace cella::config
