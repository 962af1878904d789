// Looking into the root filesystem as it is before the container's mounts. Every path is resolved inside it.
#pragma once

#include <sys/stat.h>

#include <string>

#include "lint/lint.h"

namespace cella::lint {

// stat(2) of a path inside the root filesystem, symbolic links followed.
SysResult<struct stat> stat_inside(const Subject& subject, const std::string& path);
// Might hooks or mounts of the container's (other than those below /dev, /proc, /run and /sys) change what is there?
bool may_change(const Subject& subject);
// Does a mount before entry `count` cover this path?
bool is_covered(const Subject& subject, const std::string& path, size_t count);

}  // namespace cella::lint
