// Mounts with the option "remount", mount(8).
#include <sys/mount.h>

#include "base/result.h"
#include "plan/mount_flags.h"
#include "plan/parts.h"

namespace cella::plan {

using config::Mount;

void add_remount(Builder& b, const Mount& mount, const std::string& target) {
  std::string about = fmt::format("remounting {}", target);
  Mount early = mount;
  if ((mount.flags & MS_BIND) == 0) {
    if (read_only_late(mount, target)) early.flags &= ~static_cast<uint64_t>(MS_RDONLY);
    std::vector<std::string> options = split_options(mount.data);
    constexpr uint64_t kFixed = MS_I_VERSION | MS_SILENT;  // those of a filesystem that is there stay as they are
    uint64_t flags = filesystem_flags(early.flags) & ~kFixed;
    uint64_t cleared = filesystem_flags(early.cleared_flags) & ~kFixed;
    if (!options.empty() || (flags | cleared) != 0) {
      b.writer.step(Op::kReconfigure, {b.writer.string(target), b.writer.list(options), flags, cleared}, about);
    }
  }
  auto change = [&](Attributes attributes, uint64_t propagation, bool recursive) {
    if ((attributes.set | attributes.clear | propagation) == 0) return;
    b.writer.step(Op::kRemount, {b.writer.string(target), attributes.set, attributes.clear, propagation, recursive},
                  about);
  };
  change(changed_attributes(early), 0, false);
  for (uint64_t flags : mount.propagation_flags) {
    change({}, flags & ~static_cast<uint64_t>(MS_REC), (flags & MS_REC) != 0);
  }
  change(recursive_attributes(early), 0, true);
}

}  // namespace cella::plan
