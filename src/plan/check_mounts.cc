// Mounts that no plan can be made for. specconv refuses them with a place in the config; here are those of programs
// that make a Config themselves.
#include <sys/mount.h>

#include "base/result.h"
#include "plan/parts.h"

namespace cella::plan {
namespace {

using config::Mount;
using config::NamespaceType;

constexpr uint64_t kNosymfollow = 256;  // MS_NOSYMFOLLOW, not in every libc
constexpr uint64_t kKnownFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_REMOUNT |
                                 MS_MANDLOCK | MS_DIRSYNC | kNosymfollow | MS_NOATIME | MS_NODIRATIME | MS_BIND |
                                 MS_REC | MS_SILENT | MS_RELATIME | MS_I_VERSION | MS_STRICTATIME | MS_LAZYTIME;
constexpr int kKnownExtensions = config::kExtensionCopyUp | config::kExtensionCopySymlink |
                                 config::kExtensionSourceNofollow | config::kExtensionDestinationNofollow;
constexpr int kLinkExtensions = config::kExtensionCopySymlink | config::kExtensionSourceNofollow;

// nullptr: nothing is wrong.
const char* wrong_with(const Mount& mount) {
  bool remount = (mount.flags & MS_REMOUNT) != 0;
  bool bind = (mount.flags & MS_BIND) != 0;
  if ((mount.flags & ~kKnownFlags) != 0 || (mount.extensions & ~kKnownExtensions) != 0) return "it has unknown flags";
  if ((mount.flags & MS_REC) != 0 && !bind) return "only a bind mount takes submounts along";
  if (remount && mount.extensions != 0) return "a remount has no extensions";
  if ((mount.extensions & config::kExtensionCopyUp) != 0 && (bind || mount.device != "tmpfs")) {
    return "tmpcopyup needs a tmpfs";
  }
  if ((mount.extensions & kLinkExtensions) != 0 && !bind) return "copy-symlink and src-nofollow need a bind mount";
  if (!mount.idmap && (!mount.uid_mappings.empty() || !mount.gid_mappings.empty()))
    return "its id maps are not asked for";
  if (!mount.idmap) return nullptr;
  if (!bind || remount) return "only a bind mount can be id-mapped";
  if (mount.idmap_userns_path.empty() && (mount.uid_mappings.empty() || mount.gid_mappings.empty())) {
    return "to be id-mapped it needs maps of uids and of gids";
  }
  return nullptr;
}

}  // namespace

Result<void> check_mounts(const config::Config& config, const Facts& facts) {
  for (const Mount& mount : config.mounts) {
    if (const char* what = wrong_with(mount)) {
      return base::fail(ErrorCode::kConfigInvalid, "mounting {}: {}", mount.destination, what);
    }
    if (!mount.idmap) continue;
    if (!facts.privileged) {
      return base::fail(ErrorCode::kUnsupported, "mounting {}: id-mapped mounts need root in the host's user namespace",
                        mount.destination);
    }
    if (!config.namespaces.is_new(NamespaceType::kMount)) {
      return base::fail(ErrorCode::kUnsupported, "mounting {}: id-mapped mounts need a new mount namespace",
                        mount.destination);
    }
  }
  return {};
}

}  // namespace cella::plan
