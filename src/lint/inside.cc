#include "lint/inside.h"

#include <fcntl.h>

#include <algorithm>

#include "base/result.h"
#include "config/specconv.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace

SysResult<struct stat> stat_inside(const Subject& subject, const std::string& path) {
  if (!subject.root) return std::unexpected(subject.root.error());
  const sys::FileDescriptor fd = TRY(sys::resolve_in_root(subject.root->get(), path.c_str(), O_PATH));
  return sys::stat_at(fd.get(), "", AT_EMPTY_PATH);
}

bool may_change(const Subject& subject) {
  const config::Hooks& hooks = subject.config.hooks;
  if (!hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty()) return true;
  return std::ranges::any_of(subject.config.mounts, [](const config::Mount& mount) {
    const std::string destination = config::clean_path(mount.destination);
    return std::ranges::none_of(std::initializer_list<const char*>{"/dev", "/proc", "/run", "/sys"},
                                [&](const char* usual) { return is_below(destination, usual); });
  });
}

bool is_covered(const Subject& subject, const std::string& path, size_t count) {
  const std::string clean = config::clean_path(path);
  auto has = [&](std::string_view place) {
    const auto first = subject.mounted.find(place);
    return first != subject.mounted.end() && first->second < count;
  };
  if (has("/")) return true;
  for (size_t end = 1; end < clean.size();) {
    end = std::min(clean.find('/', end + 1), clean.size());
    if (has(std::string_view(clean).substr(0, end))) return true;
  }
  return false;
}

}  // namespace cella::lint
