#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/result.h"
#include "plan/mount_flags.h"
#include "plan/parts.h"

namespace cella::plan {
namespace {

using config::Device;
using config::Mount;
using config::NamespaceType;

// What the options change on a clone of an existing mount.
void add_attributes(Builder& b, const Mount& mount, const std::string& about) {
  auto [set, clear] = changed_attributes(mount);
  if ((set | clear) != 0) b.writer.step(Op::kMountAttributes, {set, clear, 0, 0}, about);
}

void add_propagation(Builder& b, const Mount& mount, const std::string& about) {
  for (uint64_t flags : mount.propagation_flags) {
    b.writer.step(Op::kMountAttributes, {0, 0, flags & ~static_cast<uint64_t>(MS_REC), (flags & MS_REC) != 0}, about);
  }
}

void add_recursive_attributes(Builder& b, const Mount& mount, const std::string& about) {
  auto [set, clear] = recursive_attributes(mount);
  if ((set | clear) != 0) b.writer.step(Op::kMountAttributes, {set, clear, 0, 1}, about);
}

// Files of procfs that say how much there is of the host's resources, which lxcfs and the like cover with the
// container's own numbers. Nothing else inside /proc may be covered, and /proc itself only by a procfs.
uint64_t proc_flags(const std::string& target) {
  static constexpr std::string_view kMayBeCovered[] = {
      "/proc/cpuinfo",
      "/proc/diskstats",
      "/proc/meminfo",
      "/proc/stat",
      "/proc/swaps",
      "/proc/uptime",
      "/proc/loadavg",
      "/proc/slabinfo",
      "/proc/net/dev",
      "/proc/sys/kernel/ns_last_pid",
      "/proc/sys/crypto/fips_enabled",
  };
  if (target == "/proc") return kAttachIsProc | kAttachInProc;
  return std::ranges::find(kMayBeCovered, target) != std::end(kMayBeCovered) ? kAttachInProc : 0;
}

// What all kinds of mounts have in common.
uint64_t attach_flags(const Mount& mount, const std::string& target) {
  uint64_t flags = target == "/" ? kAttachAsRoot : proc_flags(target);
  if (mount.extensions & config::kExtensionDestinationNofollow) flags |= kAttachNoFollow;
  if (mount.extensions & config::kExtensionCopySymlink) flags |= kAttachCopyLink;
  if (mount.extensions & config::kExtensionCopyUp) flags |= kAttachCopyUp;
  return flags;
}

void add_bind(Builder& b, const Mount& mount, const std::string& target, uint32_t slot) {
  std::string about = fmt::format("bind mounting {} on {}", mount.source, b.name_of(target));
  if (slot != kNoSlot) {
    b.writer.step(Op::kSlotTree, {slot}, about);
    // The launcher's copy is as much the host's as the host's own; init's copies are kept apart since it changed its
    // "/". Who is root of a user namespace alone must not mount for the host, mount_namespaces(7), "Restrictions".
    const uint64_t root = b.config.root_propagation;
    if ((root & MS_SHARED) == 0 || b.has(NamespaceType::kUser)) {
      const uint64_t apart = (root & MS_PRIVATE) != 0 ? MS_PRIVATE : MS_SLAVE;
      b.writer.step(Op::kMountAttributes, {0, 0, apart, 1}, about);
    }
  } else {
    b.writer.step(Op::kCloneTree, {b.writer.string(mount.source), (mount.flags & MS_REC) != 0, opens_link(mount)},
                  about);
  }
  add_attributes(b, mount, about);
  add_propagation(b, mount, about);
  add_recursive_attributes(b, mount, about);
  b.writer.step(Op::kAttach, {b.writer.string(target), kAttachAuto | attach_flags(mount, target), 0755}, about);
}

void add_new_mount(Builder& b, const Mount& mount, const std::string& target) {
  const Mount early = before_read_only(mount, target);
  std::vector<std::string> options = split_options(mount.data);
  if (!b.config.mount_label.empty() && b.facts.selinux && (mount.device == "tmpfs" || mount.device == "mqueue")) {
    const std::string& type = b.config.mount_context_type;
    options.push_back(fmt::format("{}={}", type.empty() ? "context" : type, b.config.mount_label));
  }
  const std::string& source = mount.source.empty() ? mount.device : mount.source;
  std::string about =
      fmt::format("mounting {}{} on {}", mount.device, source[0] == '/' ? " from " + source : "", target);
  b.writer.step(Op::kNewMount,
                {b.writer.string(mount.device), b.writer.string(source), b.writer.list(options),
                 filesystem_flags(early.flags), new_attributes(early)},
                about);
  add_propagation(b, mount, about);
  uint64_t attach = attach_flags(mount, target);
  // CVE-2019-16884, CVE-2023-27561: an image must not redirect these with a link.
  if (mount.device == "proc" || mount.device == "sysfs") attach |= kAttachNoSymlink;
  if (mount.device == "tmpfs" && !has_option(options, "mode")) {
    attach |= kAttachKeepMode;
    if ((attach & kAttachCopyUp) != 0 && !has_option(options, "uid") && !has_option(options, "gid")) {
      attach |= kAttachKeepOwner;
    }
  }
  b.writer.step(Op::kAttach, {b.writer.string(target), attach, 0755}, about);
}

// cgroup v1: a tmpfs with a directory for each hierarchy, each showing the container's own cgroup.
void add_cgroup_v1(Builder& b, const Mount& mount, const std::string& target) {
  std::string about = fmt::format("mounting the cgroups on {}", target);
  uint64_t attributes = new_attributes(mount);
  b.writer.step(Op::kNewMount,
                {b.writer.string("tmpfs"), b.writer.string("tmpfs"), b.writer.list({"mode=755"}), 0,
                 attributes & ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY)},
                about);
  add_propagation(b, mount, about);
  b.writer.step(Op::kAttach, {b.writer.string(target), 0, 0755}, about);
  for (const CgroupMount& cgroup : b.facts.cgroup_mounts) {
    std::string path = target + "/" + cgroup.name;
    b.writer.step(Op::kCloneTree, {b.writer.string(cgroup.host_path), 0, 0}, about);
    add_attributes(b, mount, about);
    add_propagation(b, mount, about);
    add_recursive_attributes(b, mount, about);
    b.writer.step(Op::kAttach, {b.writer.string(path), 0, 0755}, about);
    for (const std::string& alias : cgroup.aliases) {
      b.writer.step(Op::kSymlink, {b.writer.string(cgroup.name), b.writer.string(target + "/" + alias)}, about);
    }
  }
}

void add_cgroup_v2(Builder& b, const Mount& mount, const std::string& target) {
  std::string about = fmt::format("mounting the cgroup on {}", target);
  uint64_t attributes = new_attributes(mount);
  if (b.is_new(NamespaceType::kCgroup) && (b.facts.privileged || b.is_new(NamespaceType::kUser))) {
    b.writer.step(Op::kNewMount,
                  {b.writer.string("cgroup2"), b.writer.string("cgroup"), b.writer.list(split_options(mount.data)), 0,
                   attributes},
                  about);
  } else {
    // Without a namespace of its own a fresh mount would show the host's tree.
    bool own = !b.facts.cgroup_mounts.empty();
    const std::string host = own ? b.facts.cgroup_mounts[0].host_path : "/sys/fs/cgroup";
    b.writer.step(Op::kCloneTree, {b.writer.string(host), 0, 0}, about);
    add_attributes(b, mount, about);
    add_recursive_attributes(b, mount, about);
    // CVE-2023-25809: what is not the container's own it may not write, whatever is asked for.
    if (!own) b.writer.step(Op::kMountAttributes, {MOUNT_ATTR_RDONLY, 0}, about);
  }
  add_propagation(b, mount, about);
  b.writer.step(Op::kAttach, {b.writer.string(target), 0, 0755}, about);
}

bool is_systemd_cgroup_v1(const config::Config& config, const std::string& target) {
  return !config.systemd_cgroup_v1.empty() && target == clean_path(config.systemd_cgroup_v1);
}

// For a systemd that knows no cgroup v2: its own hierarchy of v1, without controllers, on any host that has it mounted.
void add_systemd_cgroup_v1(Builder& b, const Mount& mount, const std::string& target) {
  const uint64_t attributes = new_attributes(mount);
  std::string about = fmt::format("mounting a tmpfs on {}", target);
  b.writer.step(Op::kNewMount,
                {b.writer.string("tmpfs"), b.writer.string("tmpfs"), b.writer.list({"mode=755", "size=1024k"}), 0,
                 attributes & ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY)},
                about);
  b.writer.step(Op::kAttach, {b.writer.string(target), 0, 0755}, about);
  about = fmt::format("mounting the hierarchy name=systemd on {}/systemd", target);
  b.writer.step(Op::kNewMount,
                {b.writer.string("cgroup"), b.writer.string("cgroup"), b.writer.list({"none", "name=systemd", "xattr"}),
                 0, attributes},
                about);
  b.writer.step(Op::kAttach, {b.writer.string(target + "/systemd"), 0, 0755}, about);
}

bool dev_is_bind_mounted(const config::Config& config) {
  return std::ranges::any_of(config.mounts, [](const Mount& mount) {
    return (mount.flags & MS_BIND) != 0 && clean_path(mount.destination) == "/dev";
  });
}

}  // namespace

bool opens_link(const Mount& mount) {
  return (mount.extensions & (config::kExtensionSourceNofollow | config::kExtensionCopySymlink)) != 0;
}

std::string clean_path(const std::string& path) {
  std::string clean;
  size_t start = 0;
  while (start < path.size()) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string_view component(path.data() + start, end - start);
    if (component == "..") {
      clean.resize(std::min(clean.rfind('/'), clean.size()));
    } else if (!component.empty() && component != ".") {
      (clean += '/') += component;
    }
    start = end + 1;
  }
  return clean.empty() ? "/" : clean;
}

void add_mounts(Builder& b) {
  for (const Mount& mount : b.config.mounts) {
    std::string target = clean_path(mount.destination);
    if (is_systemd_cgroup_v1(b.config, target)) {
      add_systemd_cgroup_v1(b, mount, target);
    } else if (mount.flags & MS_REMOUNT) {
      add_remount(b, mount, target);
    } else if (mount.flags & MS_BIND) {
      auto slot = b.tree_slots.find(&mount);
      add_bind(b, mount, target, slot == b.tree_slots.end() ? kNoSlot : slot->second);
    } else if (mount.device == "cgroup" || mount.device == "cgroup2") {
      if (b.facts.cgroup_v2) {
        add_cgroup_v2(b, mount, target);
      } else {
        add_cgroup_v1(b, mount, target);
      }
    } else {
      add_new_mount(b, mount, target);
    }
  }
}

void add_devices(Builder& b) {
  if (dev_is_bind_mounted(b.config)) return;
  // In a user namespace mknod(2) is not permitted; the host's nodes are bound instead.
  bool bind = b.has(NamespaceType::kUser) || !b.facts.privileged;
  for (const Device& device : b.config.devices) {
    std::string path = clean_path(device.path);
    std::string about = fmt::format("creating device {}", path);
    if (bind) {
      b.writer.step(Op::kBindDevice, {b.writer.string(path), b.writer.string(device.path)}, about);
      continue;
    }
    mode_t type = device.type == 'b' ? S_IFBLK : device.type == 'p' ? S_IFIFO : S_IFCHR;
    uint64_t number = makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
    if (device.type == 'p') number = 0;
    b.writer.step(Op::kMakeNode, {b.writer.string(path), type | device.file_mode, number, device.uid, device.gid},
                  about);
  }
  static constexpr const char* kLinks[][2] = {
      {"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
      {"/proc/self/fd/2", "/dev/stderr"}, {"/proc/kcore", "/dev/core"},      {"pts/ptmx", "/dev/ptmx"},
  };
  for (const auto& link : kLinks) {
    b.writer.step(Op::kSymlink, {b.writer.string(link[0]), b.writer.string(link[1])},
                  fmt::format("linking {} to {}", link[1], link[0]));
  }
}

void add_enter_root(Builder& b) {
  if (!b.is_new(NamespaceType::kMount)) {
    // pivot_root(2) would take the root directory from under all who live in the namespace.
    b.writer.step(Op::kChroot, {}, "entering the root filesystem");
  } else if (b.config.no_pivot_root) {
    b.writer.step(Op::kMoveRoot, {}, "moving the root filesystem to /");
  } else {
    b.writer.step(Op::kPivot, {}, "entering the root filesystem");
  }
}

Result<void> add_sysctls(Builder& b) {
  for (const auto& [key, value] : b.config.sysctl) {
    // As in sysctl(8): the first of '.' and '/' is the separator, the other one then stands for it inside a name.
    std::string path = key;
    size_t separator = path.find_first_of("./");
    if (separator != std::string::npos && path[separator] == '.') {
      for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
    }
    if (("/" + path + "/").find("/../") != std::string::npos) {
      return base::fail(ErrorCode::kConfigInvalid, "sysctl \"{}\" leads out of /proc/sys", key);
    }
    b.writer.step(Op::kSysctl, {b.writer.string(path), b.writer.string(value)}, fmt::format("setting sysctl {}", key));
  }
  return {};
}

void add_root_protection(Builder& b) {
  if (!b.has(NamespaceType::kMount)) return;
  for (const Mount& mount : b.config.mounts) {
    std::string target = clean_path(mount.destination);
    // A tmpfs of ours is below.
    bool cgroup_v1 = (mount.flags & MS_RDONLY) != 0 &&
                     ((mount.device == "cgroup" && !b.facts.cgroup_v2) || is_systemd_cgroup_v1(b.config, target));
    if (cgroup_v1 || ((mount.flags & MS_BIND) == 0 && read_only_late(mount, target))) {
      const bool recursive = (mount.rec_attr_set & MOUNT_ATTR_RDONLY) != 0;
      b.writer.step(Op::kRemountAttributes, {b.writer.string(target), MOUNT_ATTR_RDONLY, recursive},
                    fmt::format("making {} read-only", target));
    }
  }
  if (b.config.readonlyfs) {
    b.writer.step(Op::kRootAttributes, {MOUNT_ATTR_RDONLY, 0, 0}, "making the root filesystem read-only");
  }
  for (const std::string& path : b.config.readonly_paths) {
    b.writer.step(Op::kReadonlyPath, {b.writer.string(path)}, fmt::format("making {} read-only", path));
  }
  for (const std::string& path : b.config.mask_paths) {
    b.writer.step(Op::kMaskPath, {b.writer.string(path)}, fmt::format("masking {}", path));
  }
  // A shared or unbindable root is made so once nothing can escape through it any more, and nothing is to be bound.
  const uint64_t propagation = b.config.root_propagation;
  if ((propagation & (MS_SHARED | MS_UNBINDABLE)) != 0) {
    b.writer.step(Op::kRootAttributes, {0, propagation & ~static_cast<uint64_t>(MS_REC), (propagation & MS_REC) != 0},
                  "changing the propagation of the root filesystem");
  }
}

}  // namespace cella::plan
