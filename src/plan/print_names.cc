#include "plan/print_names.h"

#include <fmt/format.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <span>

#include "plan/layout.h"

namespace cella::plan {
namespace {

struct Name {
  uint64_t value;
  const char* name;
};

constexpr Name kCloneNames[] = {
    {CLONE_NEWUSER, "user"}, {CLONE_NEWPID, "pid"}, {CLONE_NEWNS, "mount"},      {CLONE_NEWNET, "network"},
    {CLONE_NEWIPC, "ipc"},   {CLONE_NEWUTS, "uts"}, {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWTIME, "time"},
};
constexpr Name kMountNames[] = {
    {MS_RDONLY, "ro"},     {MS_SYNCHRONOUS, "sync"},  {MS_DIRSYNC, "dirsync"},
    {MS_MANDLOCK, "mand"}, {MS_LAZYTIME, "lazytime"}, {MS_SHARED, "shared"},
    {MS_SLAVE, "slave"},   {MS_PRIVATE, "private"},   {MS_UNBINDABLE, "unbindable"},
    {MS_REC, "rec"},
};
// The access time is a field of its own inside: a value of it, or the whole field when it is cleared.
constexpr Name kAttributeNames[] = {
    {MOUNT_ATTR_RDONLY, "ro"},
    {MOUNT_ATTR_NOSUID, "nosuid"},
    {MOUNT_ATTR_NODEV, "nodev"},
    {MOUNT_ATTR_NOEXEC, "noexec"},
    {MOUNT_ATTR__ATIME, "atime"},
    {MOUNT_ATTR_NOATIME, "noatime"},
    {MOUNT_ATTR_STRICTATIME, "strictatime"},
    {MOUNT_ATTR_NODIRATIME, "nodiratime"},
    {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"},
    {MOUNT_ATTR_IDMAP, "idmap"},
};
constexpr Name kAttachNames[] = {
    {kAttachFile, "file"},
    {kAttachAuto, "file or directory"},
    {kAttachNoSymlink, "no symbolic links"},
    {kAttachKeepMode, "keeping its mode"},
};
constexpr Name kSeccompNames[] = {
    {SECCOMP_FILTER_FLAG_TSYNC, "tsync"},
    {SECCOMP_FILTER_FLAG_LOG, "log"},
    {SECCOMP_FILTER_FLAG_SPEC_ALLOW, "spec-allow"},
    {SECCOMP_FILTER_FLAG_NEW_LISTENER, "new-listener"},
    {SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "tsync-esrch"},
    {1u << 5, "wait-killable-recv"},
};

constexpr Name kCapabilityNames[] = {
    {uint64_t{1} << 0, "CAP_CHOWN"},
    {uint64_t{1} << 1, "CAP_DAC_OVERRIDE"},
    {uint64_t{1} << 2, "CAP_DAC_READ_SEARCH"},
    {uint64_t{1} << 3, "CAP_FOWNER"},
    {uint64_t{1} << 4, "CAP_FSETID"},
    {uint64_t{1} << 5, "CAP_KILL"},
    {uint64_t{1} << 6, "CAP_SETGID"},
    {uint64_t{1} << 7, "CAP_SETUID"},
    {uint64_t{1} << 8, "CAP_SETPCAP"},
    {uint64_t{1} << 9, "CAP_LINUX_IMMUTABLE"},
    {uint64_t{1} << 10, "CAP_NET_BIND_SERVICE"},
    {uint64_t{1} << 11, "CAP_NET_BROADCAST"},
    {uint64_t{1} << 12, "CAP_NET_ADMIN"},
    {uint64_t{1} << 13, "CAP_NET_RAW"},
    {uint64_t{1} << 14, "CAP_IPC_LOCK"},
    {uint64_t{1} << 15, "CAP_IPC_OWNER"},
    {uint64_t{1} << 16, "CAP_SYS_MODULE"},
    {uint64_t{1} << 17, "CAP_SYS_RAWIO"},
    {uint64_t{1} << 18, "CAP_SYS_CHROOT"},
    {uint64_t{1} << 19, "CAP_SYS_PTRACE"},
    {uint64_t{1} << 20, "CAP_SYS_PACCT"},
    {uint64_t{1} << 21, "CAP_SYS_ADMIN"},
    {uint64_t{1} << 22, "CAP_SYS_BOOT"},
    {uint64_t{1} << 23, "CAP_SYS_NICE"},
    {uint64_t{1} << 24, "CAP_SYS_RESOURCE"},
    {uint64_t{1} << 25, "CAP_SYS_TIME"},
    {uint64_t{1} << 26, "CAP_SYS_TTY_CONFIG"},
    {uint64_t{1} << 27, "CAP_MKNOD"},
    {uint64_t{1} << 28, "CAP_LEASE"},
    {uint64_t{1} << 29, "CAP_AUDIT_WRITE"},
    {uint64_t{1} << 30, "CAP_AUDIT_CONTROL"},
    {uint64_t{1} << 31, "CAP_SETFCAP"},
    {uint64_t{1} << 32, "CAP_MAC_OVERRIDE"},
    {uint64_t{1} << 33, "CAP_MAC_ADMIN"},
    {uint64_t{1} << 34, "CAP_SYSLOG"},
    {uint64_t{1} << 35, "CAP_WAKE_ALARM"},
    {uint64_t{1} << 36, "CAP_BLOCK_SUSPEND"},
    {uint64_t{1} << 37, "CAP_AUDIT_READ"},
    {uint64_t{1} << 38, "CAP_PERFMON"},
    {uint64_t{1} << 39, "CAP_BPF"},
    {uint64_t{1} << 40, "CAP_CHECKPOINT_RESTORE"},
};

struct FlagKind {
  char kind;
  std::span<const Name> names;
};
constexpr FlagKind kFlagKinds[] = {
    {'c', kCloneNames},  {'m', kMountNames},   {'a', kAttributeNames},
    {'t', kAttachNames}, {'h', kSeccompNames}, {'k', kCapabilityNames},
};

constexpr const char* kRlimitNames[] = {
    "RLIMIT_CPU",      "RLIMIT_FSIZE",  "RLIMIT_DATA",    "RLIMIT_STACK",  "RLIMIT_CORE",  "RLIMIT_RSS",
    "RLIMIT_NPROC",    "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS",     "RLIMIT_LOCKS", "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE",   "RLIMIT_RTPRIO",  "RLIMIT_RTTIME",
};
static_assert(RLIMIT_NOFILE == 7 && RLIMIT_NPROC == 6 && RLIMIT_AS == 9);

// In the order of SyncPoint.
constexpr const char* kSyncPointNames[] = {"forked", "user-maps", "cgroups", "namespaces", "ready"};
static_assert(std::size(kSyncPointNames) == static_cast<size_t>(SyncPoint::kReady) + 1);

}  // namespace

bool is_flag_kind(char kind) {
  for (const FlagKind& entry : kFlagKinds)
    if (entry.kind == kind) return true;
  return false;
}

std::vector<std::string> flag_names(char kind, uint64_t value) {
  std::vector<std::string> names;
  for (const FlagKind& entry : kFlagKinds) {
    if (entry.kind != kind) continue;
    for (const Name& name : entry.names) {
      if ((value & name.value) != name.value) continue;
      names.emplace_back(name.name);
      value &= ~name.value;
    }
  }
  if (value != 0) names.push_back(fmt::format("{:#x}", value));
  return names;
}

std::string rlimit_name(uint64_t resource) {
  return resource < std::size(kRlimitNames) ? kRlimitNames[resource] : fmt::format("resource {}", resource);
}

std::string sync_point_name(uint64_t point) {
  return point < std::size(kSyncPointNames) ? kSyncPointNames[point] : fmt::format("point {}", point);
}

}  // namespace cella::plan
