#include "sandbox/vfs/walk.h"

#include <limits.h>
#include <sys/mount.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/vfs/permission.h"

namespace cella::sandbox::vfs {
namespace {

constexpr int kMaxLinks = 40;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// One walk; follows links by walking on with their text.
class Walk {
 public:
  Walk(Caller& caller, const Position& position, const WalkOptions& options, int links)
      : caller_(caller), position_(position), options_(options), links_(links) {}

  int links() const { return links_; }

  // All of `path` but, with `parent`, its last component, which is left in `name`.
  SysResult<Path> run(Path at, std::string_view path, bool parent, std::string& name, bool& wants_directory) {
    if (path.empty()) return options_.allow_empty && !parent ? SysResult<Path>(at) : fail(ENOENT);
    if (path.size() >= PATH_MAX) return fail(ENAMETOOLONG);
    if (path[0] == '/') at = position_.mounts->covering(position_.root);
    const size_t last = path.find_last_not_of('/');
    wants_directory = last + 1 < path.size();
    if (last == std::string_view::npos) {  // "/"
      name.clear();
      return at;
    }
    path = path.substr(0, last + 1);
    for (size_t start = path.find_first_not_of('/'); start != std::string_view::npos;) {
      const size_t end = std::min(path.find('/', start), path.size());
      const std::string component(path.substr(start, end - start));
      start = path.find_first_not_of('/', end);
      const bool is_last = start == std::string_view::npos;
      if (component.size() > NAME_MAX) return fail(ENAMETOOLONG);
      TRY(check_searchable(at));
      if (is_last && parent) {
        name = component;
        return at;
      }
      at = TRY(step(at, component, !is_last || options_.follow || wants_directory));
    }
    if (wants_directory && !at.inode().has_type(S_IFDIR)) return fail(ENOTDIR);
    return at;
  }

 private:
  SysResult<void> check_searchable(const Path& at) {
    Attributes attributes = TRY(at.inode().attributes());
    if (!S_ISDIR(attributes.st_mode)) return fail(ENOTDIR);
    if (at.inode().always_readable(caller_)) return {};
    return check_access(caller_.credentials(), attributes, kMayExecute);
  }

  SysResult<Path> step(const Path& at, const std::string& component, bool follow) {
    if (component == ".") return at;
    if (component == "..") return up(at);
    // Not within the braces: what returns from there leaves what is built already.
    DentryPtr child = TRY(child_of(at.dentry, component));
    Path next = {at.mount, std::move(child)};
    next = position_.mounts->covering(next);
    if (!next.inode().has_type(S_IFLNK)) return next;
    if (!follow) return next;
    if (options_.no_symlinks || (next.flags() & MS_NOSYMFOLLOW) || ++links_ > kMaxLinks) return fail(ELOOP);
    if (std::optional<Path> place = TRY(next.inode().follow(caller_))) return *place;
    const std::string text = TRY(next.inode().read_link(caller_));
    std::string name;
    bool wants_directory = false;
    const bool follow_before = options_.follow;
    options_.follow = true;
    SysResult<Path> found = run(at, text, false, name, wants_directory);
    options_.follow = follow_before;
    return found;
  }

  Path up(Path at) const {
    const Path root = position_.mounts->covering(position_.root);
    while (!(at == root) && at.dentry == at.mount->root && at.mount->parent != nullptr)
      at = {at.mount->parent, at.mount->point};
    if (at == root || at.dentry->parent == nullptr) return at;
    at.dentry = at.dentry->parent;
    return position_.mounts->covering(at);
  }

  Caller& caller_;
  const Position& position_;
  WalkOptions options_;
  int links_;
};

}  // namespace

SysResult<Path> resolve(Caller& caller, const Position& position, const Path& start, std::string_view path,
                        const WalkOptions& options) {
  std::string name;
  bool wants_directory = false;
  return Walk(caller, position, options, 0).run(start, path, false, name, wants_directory);
}

SysResult<Parent> resolve_parent(Caller& caller, const Position& position, const Path& start, std::string_view path) {
  Parent parent;
  parent.directory = TRY(Walk(caller, position, {}, 0).run(start, path, true, parent.name, parent.wants_directory));
  return parent;
}

SysResult<Path> entry_of(const Position& position, const Parent& parent) {
  if (parent.name.empty() || parent.name == ".") return parent.directory;
  if (parent.name == "..") return std::unexpected(Errno{EISDIR});
  DentryPtr child = TRY(child_of(parent.directory.dentry, parent.name));
  return position.mounts->covering({parent.directory.mount, std::move(child)});
}

SysResult<Parent> follow_parent(Caller& caller, const Position& position, const Parent& parent, const Path& link,
                                int& links) {
  if (++links > kMaxLinks || (link.flags() & MS_NOSYMFOLLOW)) return fail(ELOOP);
  const std::string text = TRY(link.inode().read_link(caller));
  Walk walk(caller, position, {}, links);
  Parent next;
  next.directory = TRY(walk.run(parent.directory, text, true, next.name, next.wants_directory));
  links = walk.links();
  return next;
}

}  // namespace cella::sandbox::vfs
