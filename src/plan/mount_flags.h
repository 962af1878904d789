// The flags and options of a config's mounts, which are mount(2)'s, as mount_setattr(2) and fsconfig(2) want them.
// Private to plan/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace cella::plan {

// MOUNT_ATTR_* to be set, and to be cleared before that. Of contradicting access times the one that mount(2) prefers
// is taken: strictatime, noatime, relatime.
struct Attributes {
  uint64_t set = 0;
  uint64_t clear = 0;
};

// For a mount that is there already: what the options say, and nothing else.
Attributes changed_attributes(const config::Mount& mount);
// Those that are for the submounts as well ("rro" …).
Attributes recursive_attributes(const config::Mount& mount);
// MOUNT_ATTR_* of a new mount, which has no submounts yet.
uint64_t new_attributes(const config::Mount& mount);

// MS_* that belong to a filesystem, not to a mount of it.
uint64_t filesystem_flags(uint64_t ms_flags);

// Read-only is put on these last, because other mounts and devices are still to be made inside.
bool read_only_late(const config::Mount& mount, const std::string& target);
// The mount without what is left for later, and without a read-only filesystem when "rrw" takes "ro" back.
config::Mount before_read_only(const config::Mount& mount, const std::string& target);

// The filesystem's own options: "a=1,b=\"x,y\",c" split at the commas that are outside quotes and not escaped.
std::vector<std::string> split_options(const std::string& data);
bool has_option(const std::vector<std::string>& options, std::string_view key);

}  // namespace cella::plan
