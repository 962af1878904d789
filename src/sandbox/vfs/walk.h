// Path walk: from a text to a Path, path_resolution(7). The only place where names are followed.
#pragma once

#include <string_view>

#include "sandbox/vfs/dentry.h"

namespace cella::sandbox::vfs {

// Where a task stands: chroot(2), chdir(2).
struct Position {
  std::shared_ptr<MountNamespace> mounts;
  Path root, cwd;
};

struct WalkOptions {
  bool follow = true;        // a symbolic link at the end
  bool allow_empty = false;  // "" means the start (AT_EMPTY_PATH)
  bool no_symlinks = false;  // ELOOP for any
};

// `start`: where a relative path begins.
SysResult<Path> resolve(Caller& caller, const Position& position, const Path& start, std::string_view path,
                        const WalkOptions& options = {});

// The directory that the last component is in, for what is to be made, removed or renamed.
struct Parent {
  Path directory;
  std::string name;
  bool wants_directory = false;  // there was a slash behind it
};
// EEXIST or EBUSY or EINVAL for "/", "." and ".." are the caller's: `name` is then "." or "..", or "" for "/".
SysResult<Parent> resolve_parent(Caller& caller, const Position& position, const Path& start, std::string_view path);

// The entry of a Parent, covered by what is mounted there. ENOENT.
SysResult<Path> entry_of(const Position& position, const Parent& parent);
// Follows a symbolic link that is the entry of a Parent to the Parent that it names (open(2) with O_CREAT).
SysResult<Parent> follow_parent(Caller& caller, const Position& position, const Parent& parent, const Path& link,
                                int& links);

}  // namespace cella::sandbox::vfs
