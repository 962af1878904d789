#include "cli/user.h"

#include "cli/options.h"

namespace cella::cli {
namespace {

// (uid_t)-1 means "leave unchanged" to setresuid(2).
bool is_id(std::optional<uint32_t> id) {
  return id && *id != UINT32_MAX;
}

}  // namespace

const char* store_value(User& target, const char* value) {
  const std::string text = value;
  const size_t colon = text.find(':');
  User user{.uid = parse_number(text.substr(0, colon).c_str()), .gid = std::nullopt};
  if (!is_id(user.uid)) return "must be UID[:GID], in numbers";
  if (colon != std::string::npos) {
    user.gid = parse_number(text.substr(colon + 1).c_str());
    if (!is_id(user.gid)) return "must be UID[:GID], in numbers";
  }
  target = user;
  return nullptr;
}

}  // namespace cella::cli
