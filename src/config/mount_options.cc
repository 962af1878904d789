#include "config/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <string_view>

namespace cella::config {
namespace {

constexpr uint64_t kAtimeMask = MOUNT_ATTR__ATIME;

constexpr MountOption kOptions[] = {
    {"async", MountOptionKind::kFlag, true, MS_SYNCHRONOUS},
    {"atime", MountOptionKind::kFlag, true, MS_NOATIME},
    {"bind", MountOptionKind::kFlag, false, MS_BIND},
    {"copy-symlink", MountOptionKind::kExtension, false, kExtensionCopySymlink},
    {"defaults", MountOptionKind::kNothing, false, 0},
    {"dest-nofollow", MountOptionKind::kExtension, false, kExtensionDestinationNofollow},
    {"dev", MountOptionKind::kFlag, true, MS_NODEV},
    {"diratime", MountOptionKind::kFlag, true, MS_NODIRATIME},
    {"dirsync", MountOptionKind::kFlag, false, MS_DIRSYNC},
    {"exec", MountOptionKind::kFlag, true, MS_NOEXEC},
    {"idmap", MountOptionKind::kIdmap, false, 0},
    {"iversion", MountOptionKind::kFlag, false, MS_I_VERSION},
    {"lazytime", MountOptionKind::kFlag, false, MS_LAZYTIME},
    {"loud", MountOptionKind::kFlag, true, MS_SILENT},
    {"mand", MountOptionKind::kFlag, false, MS_MANDLOCK},
    {"noatime", MountOptionKind::kFlag, false, MS_NOATIME},
    {"nodev", MountOptionKind::kFlag, false, MS_NODEV},
    {"nodiratime", MountOptionKind::kFlag, false, MS_NODIRATIME},
    {"noexec", MountOptionKind::kFlag, false, MS_NOEXEC},
    {"noiversion", MountOptionKind::kFlag, true, MS_I_VERSION},
    {"nolazytime", MountOptionKind::kFlag, true, MS_LAZYTIME},
    {"nomand", MountOptionKind::kFlag, true, MS_MANDLOCK},
    {"norelatime", MountOptionKind::kFlag, true, MS_RELATIME},
    {"nostrictatime", MountOptionKind::kFlag, true, MS_STRICTATIME},
    {"nosuid", MountOptionKind::kFlag, false, MS_NOSUID},
    {"nosymfollow", MountOptionKind::kFlag, false, MS_NOSYMFOLLOW},
    {"private", MountOptionKind::kPropagation, false, MS_PRIVATE},
    {"ratime", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_NOATIME},
    {"rbind", MountOptionKind::kFlag, false, MS_BIND | MS_REC},
    {"rdev", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_NODEV},
    {"rdiratime", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_NODIRATIME},
    {"relatime", MountOptionKind::kFlag, false, MS_RELATIME},
    {"remount", MountOptionKind::kFlag, false, MS_REMOUNT},
    {"rexec", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_NOEXEC},
    {"ridmap", MountOptionKind::kIdmap, false, 1},
    {"rnoatime", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_NOATIME},
    {"rnodev", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_NODEV},
    {"rnodiratime", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_NODIRATIME},
    {"rnoexec", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_NOEXEC},
    {"rnorelatime", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_RELATIME},
    {"rnostrictatime", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_STRICTATIME},
    {"rnosuid", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_NOSUID},
    {"rnosymfollow", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_NOSYMFOLLOW},
    {"ro", MountOptionKind::kFlag, false, MS_RDONLY},
    {"rprivate", MountOptionKind::kPropagation, false, MS_PRIVATE | MS_REC},
    {"rrelatime", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_RELATIME},
    {"rro", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_RDONLY},
    {"rrw", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_RDONLY},
    {"rshared", MountOptionKind::kPropagation, false, MS_SHARED | MS_REC},
    {"rslave", MountOptionKind::kPropagation, false, MS_SLAVE | MS_REC},
    {"rstrictatime", MountOptionKind::kRecursiveAttribute, false, MOUNT_ATTR_STRICTATIME},
    {"rsuid", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_NOSUID},
    {"rsymfollow", MountOptionKind::kRecursiveAttribute, true, MOUNT_ATTR_NOSYMFOLLOW},
    {"runbindable", MountOptionKind::kPropagation, false, MS_UNBINDABLE | MS_REC},
    {"rw", MountOptionKind::kFlag, true, MS_RDONLY},
    {"shared", MountOptionKind::kPropagation, false, MS_SHARED},
    {"silent", MountOptionKind::kFlag, false, MS_SILENT},
    {"slave", MountOptionKind::kPropagation, false, MS_SLAVE},
    {"src-nofollow", MountOptionKind::kExtension, false, kExtensionSourceNofollow},
    {"strictatime", MountOptionKind::kFlag, false, MS_STRICTATIME},
    {"suid", MountOptionKind::kFlag, true, MS_NOSUID},
    {"symfollow", MountOptionKind::kFlag, true, MS_NOSYMFOLLOW},
    {"sync", MountOptionKind::kFlag, false, MS_SYNCHRONOUS},
    {"tmpcopyup", MountOptionKind::kExtension, false, kExtensionCopyUp},
    {"unbindable", MountOptionKind::kPropagation, false, MS_UNBINDABLE},
};

constexpr bool is_sorted() {
  for (size_t i = 1; i < std::size(kOptions); ++i)
    if (std::string_view(kOptions[i - 1].name) >= kOptions[i].name) return false;
  return true;
}
static_assert(is_sorted());

// Sets or clears `value` in `set`, and remembers the contrary in `cleared`.
void apply(const MountOption& option, uint64_t& set, uint64_t& cleared) {
  (option.clears ? set : cleared) &= ~option.value;
  (option.clears ? cleared : set) |= option.value;
}

}  // namespace

std::span<const MountOption> mount_options() {
  return kOptions;
}

const MountOption* find_mount_option(std::string_view name) {
  std::string_view key = name.substr(0, name.find('='));
  const MountOption* end = std::end(kOptions);
  const MountOption* option = std::lower_bound(std::begin(kOptions), end, key,
                                               [](const MountOption& o, std::string_view n) { return o.name < n; });
  if (option == end || option->name != key) return nullptr;
  return key == name || option->kind == MountOptionKind::kIdmap ? option : nullptr;
}

void apply_mount_options(const std::vector<std::string>& options, Mount& mount) {
  for (const std::string& name : options) {
    const MountOption* option = find_mount_option(name);
    if (option == nullptr) {
      if (!mount.data.empty()) mount.data += ',';
      mount.data += name;
      continue;
    }
    switch (option->kind) {
      case MountOptionKind::kNothing:
        break;
      case MountOptionKind::kFlag:
        apply(*option, mount.flags, mount.cleared_flags);
        break;
      case MountOptionKind::kPropagation:
        mount.propagation_flags.push_back(option->value);
        break;
      case MountOptionKind::kRecursiveAttribute:
        if (option->clears && option->value == MOUNT_ATTR_RELATIME) break;  // there is no bit to clear
        // The access times are one field of several bits: the kernel wants it cleared whole before any is set.
        if ((option->value & ~kAtimeMask) == 0) mount.rec_attr_set &= ~kAtimeMask;
        apply(*option, mount.rec_attr_set, mount.rec_attr_clear);
        if ((option->value & ~kAtimeMask) == 0) mount.rec_attr_clear |= kAtimeMask;
        break;
      case MountOptionKind::kExtension:
        mount.extensions |= static_cast<int>(option->value);
        break;
      case MountOptionKind::kIdmap:
        mount.idmap = true;
        mount.idmap_recursive = option->value != 0;
    }
  }
}

}  // namespace cella::config
