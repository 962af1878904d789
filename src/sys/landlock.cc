#include "sys/landlock.h"

#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "base/result.h"
#include "sys/fd.h"

namespace cella::sys {
namespace {

// What later versions have brought, landlock(7): 3, 5, 4, 6.
constexpr uint64_t kTruncate = 1 << 14, kIoctlDevice = 1 << 15;
constexpr uint64_t kBindTcp = 1 << 0, kConnectTcp = 1 << 1;
constexpr uint64_t kScopeAbstractUnixSocket = 1 << 0, kScopeSignal = 1 << 1;

struct Ruleset {
  uint64_t files = 0, network = 0, scoped = 0;
};

// Not the making of devices: who has no CAP_MKNOD is to be told EPERM.
constexpr uint64_t kOfFiles = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | kTruncate | kIoctlDevice;
constexpr uint64_t kOfDirectories =
    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;

// What a host of that version can be told to forbid.
Ruleset known_to(int version, bool network) {
  Ruleset rules;
  rules.files = LANDLOCK_ACCESS_FS_EXECUTE | kOfFiles | kOfDirectories;
  if (version < 2) rules.files &= ~uint64_t{LANDLOCK_ACCESS_FS_REFER};
  if (version < 3) rules.files &= ~kTruncate;
  if (version < 5) rules.files &= ~kIoctlDevice;
  if (version >= 4 && !network) rules.network = kBindTcp | kConnectTcp;
  if (version >= 6) rules.scoped = kScopeAbstractUnixSocket | kScopeSignal;
  return rules;
}

SysResult<void> allow(int ruleset, uint64_t known, int root) {
  struct stat now;
  if (::fstat(root, &now) < 0) return std::unexpected(Errno{errno});
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = known & (S_ISDIR(now.st_mode) ? kOfFiles | kOfDirectories : kOfFiles);
  rule.parent_fd = root;
  // EBADFD: of a filesystem that has no names, which Landlock lets everybody have.
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 && errno != EBADFD)
    return std::unexpected(Errno{errno});
  return {};
}

}  // namespace

int landlock_version() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, static_cast<uint32_t>(LANDLOCK_CREATE_RULESET_VERSION));
  return version < 0 ? 0 : static_cast<int>(version);
}

SysResult<void> landlock_restrict(std::span<const int> roots, bool network) {
  const int version = landlock_version();
  if (version == 0) return {};
  const Ruleset rules = known_to(version, network);
  const FileDescriptor ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0)));
  if (!ruleset) return std::unexpected(Errno{errno});
  for (int root : roots) TRY(allow(ruleset.get(), rules.files, root));
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) < 0) return std::unexpected(Errno{errno});
  return {};
}

}  // namespace cella::sys
