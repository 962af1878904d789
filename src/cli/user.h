// Users as `exec --user` takes them: UID[:GID], both numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cella::cli {

struct User {
  std::optional<uint32_t> uid;  // absent: not asked for
  std::optional<uint32_t> gid;
};

// The whole text must match; names are not looked up, whose they would be is not clear.
const char* store_value(User& target, const char* value);

}  // namespace cella::cli
