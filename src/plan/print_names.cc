#include "plan/print_names.h"

#include <fmt/format.h>
#include <linux/mempolicy.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "config/capabilities.h"
#include "plan/layout.h"
#include "plan/sched_attr.h"

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
    {MS_RDONLY, "ro"},     {MS_SYNCHRONOUS, "sync"},   {MS_DIRSYNC, "dirsync"},
    {MS_MANDLOCK, "mand"}, {MS_LAZYTIME, "lazytime"},  {MS_SHARED, "shared"},
    {MS_SLAVE, "slave"},   {MS_PRIVATE, "private"},    {MS_UNBINDABLE, "unbindable"},
    {MS_REC, "rec"},       {MS_I_VERSION, "iversion"}, {MS_SILENT, "silent"},
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
    {kAttachIsProc, "a procfs"},
    {kAttachInProc, "in a procfs"},
    {kAttachNoFollow, "not following it"},
    {kAttachCopyLink, "copying a symbolic link"},
    {kAttachCopyUp, "copying up what is there"},
    {kAttachKeepOwner, "keeping its owner"},
    {kAttachAsRoot, "as the root"},
};
constexpr Name kSeccompNames[] = {
    {SECCOMP_FILTER_FLAG_TSYNC, "tsync"},
    {SECCOMP_FILTER_FLAG_LOG, "log"},
    {SECCOMP_FILTER_FLAG_SPEC_ALLOW, "spec-allow"},
    {SECCOMP_FILTER_FLAG_NEW_LISTENER, "new-listener"},
    {SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "tsync-esrch"},
    {1u << 5, "wait-killable-recv"},
};

constexpr char kCapabilityKind = 'k';  // its names are config's

struct FlagKind {
  char kind;
  std::span<const Name> names;
};
constexpr FlagKind kFlagKinds[] = {
    {'c', kCloneNames}, {'m', kMountNames}, {'a', kAttributeNames}, {'t', kAttachNames}, {'h', kSeccompNames},
};

constexpr const char* kRlimitNames[] = {
    "RLIMIT_CPU",      "RLIMIT_FSIZE",  "RLIMIT_DATA",    "RLIMIT_STACK",  "RLIMIT_CORE",  "RLIMIT_RSS",
    "RLIMIT_NPROC",    "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS",     "RLIMIT_LOCKS", "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE",   "RLIMIT_RTPRIO",  "RLIMIT_RTTIME",
};
static_assert(RLIMIT_NOFILE == 7 && RLIMIT_NPROC == 6 && RLIMIT_AS == 9);

// By SCHED_*, sched(7).
constexpr const char* kSchedulerNames[] = {"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",      "SCHED_BATCH",
                                           "SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE"};
constexpr Name kSchedulerFlags[] = {
    {1, "reset-on-fork"}, {2, "reclaim"},         {4, "dl-overrun"},      {8, "keep-policy"},
    {16, "keep-params"},  {32, "util-clamp-min"}, {64, "util-clamp-max"},
};

// set_mempolicy(2); older headers do not have all of them.
constexpr const char* kMemoryPolicyNames[] = {
    "MPOL_DEFAULT",        "MPOL_PREFERRED",           "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL",
    "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE",
};
static_assert(MPOL_BIND == 2 && MPOL_PREFERRED_MANY == 5);
constexpr Name kMemoryPolicyFlags[] = {
    {MPOL_F_STATIC_NODES, "MPOL_F_STATIC_NODES"},
    {MPOL_F_RELATIVE_NODES, "MPOL_F_RELATIVE_NODES"},
    {MPOL_F_NUMA_BALANCING, "MPOL_F_NUMA_BALANCING"},
};

// In the order of SyncPoint.
constexpr const char* kSyncPointNames[] = {"forked", "user-maps", "cgroups", "namespaces", "ready"};
static_assert(std::size(kSyncPointNames) == static_cast<size_t>(SyncPoint::kReady) + 1);

}  // namespace

bool is_flag_kind(char kind) {
  if (kind == kCapabilityKind) return true;
  for (const FlagKind& entry : kFlagKinds)
    if (entry.kind == kind) return true;
  return false;
}

std::vector<std::string> flag_names(char kind, uint64_t value) {
  std::vector<std::string> names;
  for (int number = 0; kind == kCapabilityKind && number <= config::kLastCapability; ++number) {
    uint64_t bit = uint64_t{1} << number;
    if ((value & bit) == 0) continue;
    names.emplace_back(config::capability_name(number));
    value &= ~bit;
  }
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

std::string scheduler_text(std::string_view sched_attr) {
  SchedAttr attributes = {};
  std::memcpy(&attributes, sched_attr.data(), std::min(sched_attr.size(), sizeof attributes));
  std::string text = attributes.policy < std::size(kSchedulerNames) ? kSchedulerNames[attributes.policy]
                                                                    : fmt::format("policy {}", attributes.policy);
  if (attributes.nice != 0) text += fmt::format(", nice {}", attributes.nice);
  if (attributes.priority != 0) text += fmt::format(", priority {}", attributes.priority);
  if (attributes.runtime != 0) {
    text += fmt::format(", {} ns within {} ns of every {} ns", attributes.runtime, attributes.deadline,
                        attributes.period != 0 ? attributes.period : attributes.deadline);
  }
  uint64_t flags = attributes.flags;
  for (const Name& flag : kSchedulerFlags) {
    if ((flags & flag.value) == 0) continue;
    text += fmt::format(", {}", flag.name);
    flags &= ~flag.value;
  }
  return flags == 0 ? text : fmt::format("{}, {:#x}", text, flags);
}

std::string memory_policy_name(uint64_t mode) {
  std::string flags;
  for (const Name& flag : kMemoryPolicyFlags) {
    if ((mode & flag.value) == 0) continue;
    flags += fmt::format(",{}", flag.name);
    mode &= ~flag.value;
  }
  return (mode < std::size(kMemoryPolicyNames) ? kMemoryPolicyNames[mode] : fmt::format("policy {}", mode)) + flags;
}

std::string sync_point_name(uint64_t point) {
  return point < std::size(kSyncPointNames) ? kSyncPointNames[point] : fmt::format("point {}", point);
}

}  // namespace cella::plan
