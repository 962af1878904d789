// Writing the id maps of a new user namespace, user_namespaces(7).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

namespace cella::container {

// Paths of newuidmap(1) and newgidmap(1); empty: looked up in $PATH when needed.
struct IdMapTools {
  std::string newuidmap;
  std::string newgidmap;
};

// As uid_map and gid_map of procfs want them: a line each.
std::string id_map_text(const std::vector<config::IDMap>& maps);

// Directly where the kernel allows it (with the capabilities, or a single map of the caller's own id, for which
// setgroups(2) is given up), else through the tools.
Result<void> write_id_maps(pid_t pid, const std::vector<config::IDMap>& uids, const std::vector<config::IDMap>& gids,
                           const IdMapTools& tools);

}  // namespace cella::container
