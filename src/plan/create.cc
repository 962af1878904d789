#include <linux/sched.h>
#include <sys/mount.h>

#include "base/result.h"
#include "plan/parts.h"

namespace cella::plan {
namespace {

using config::Namespace;
using config::NamespaceType;

constexpr size_t kMaxSize = size_t{64} << 20;  // far more than execve(2) takes, far less than an offset can say

constexpr uint64_t bit(NamespaceType type) {
  switch (type) {
    case NamespaceType::kNet:
      return CLONE_NEWNET;
    case NamespaceType::kPid:
      return CLONE_NEWPID;
    case NamespaceType::kMount:
      return CLONE_NEWNS;
    case NamespaceType::kUts:
      return CLONE_NEWUTS;
    case NamespaceType::kIpc:
      return CLONE_NEWIPC;
    case NamespaceType::kUser:
      return CLONE_NEWUSER;
    case NamespaceType::kCgroup:
      return CLONE_NEWCGROUP;
    case NamespaceType::kTime:
      return CLONE_NEWTIME;
  }
  return 0;
}

// How init gets to be the first process of its pid and user namespaces.
struct Ancestry {
  uint64_t clone = 0;  // flags of the launcher's clone
  uint64_t fork = 0;   // flags of init's own, after it has joined what it joins
  bool forks = false;
};

Ancestry ancestry_of(const Builder& b) {
  bool joins_user = b.has(NamespaceType::kUser) && !b.is_new(NamespaceType::kUser);
  bool joins_pid = b.has(NamespaceType::kPid) && !b.is_new(NamespaceType::kPid);
  uint64_t new_pid = b.is_new(NamespaceType::kPid) ? CLONE_NEWPID : 0;
  // A user namespace is entered by init itself: an execve(2) before its id maps are written would lose all
  // capabilities.
  if (b.is_new(NamespaceType::kUser)) return {0, CLONE_NEWUSER | new_pid, true};
  if (joins_user && new_pid != 0) return {0, new_pid, true};
  if (joins_pid) return {0, 0, true};
  return {new_pid, 0, false};
}

// Slots of the namespaces to join, opened by the launcher, in the order of joining.
std::vector<std::pair<uint32_t, NamespaceType>> open_namespaces(Builder& b) {
  std::vector<std::pair<uint32_t, NamespaceType>> joins;
  auto open = [&](bool user) {
    for (const Namespace& ns : b.config.namespaces.list) {
      if (ns.path.empty() || (ns.type == NamespaceType::kUser) != user) continue;
      uint32_t slot = b.writer.slot();
      b.writer.step(Op::kOpenNamespace, {slot, b.writer.string(ns.path), bit(ns.type)},
                    fmt::format("joining the {} namespace {}", config::namespace_oci_name(ns.type), ns.path));
      joins.emplace_back(slot, ns.type);
      if (user) b.user_slot = slot;
    }
  };
  // Root of the initial user namespace may join everything, and loses that right with the user namespace; for an
  // ordinary user it is the user namespace that gives the right.
  if (!b.facts.privileged) open(true);
  open(false);
  if (b.facts.privileged) open(true);
  return joins;
}

void add_join(Builder& b, uint32_t slot, NamespaceType type) {
  const char* name = config::namespace_oci_name(type);
  b.writer.step(Op::kSetns, {slot, bit(type)},
                fmt::format("joining the {} namespace {}", name, b.config.namespaces.path_of(type)));
}

// The kernel wants "monotonic 1 0\nboottime 2 0\n", time_namespaces(7).
std::string time_offsets(const config::Config& config) {
  std::string text;
  for (const auto& [clock, offset] : config.time_offsets) {
    text += fmt::format("{} {} {}\n", clock, offset.secs, offset.nanosecs);
  }
  return text;
}

// The launcher opens the root filesystem, once, unless it is in a mount namespace that is still to be joined.
uint32_t open_root(Builder& b) {
  if (b.joins(NamespaceType::kMount)) return kNoSlot;
  uint32_t slot = b.writer.slot();
  b.writer.step(Op::kOpenDirectory, {slot, b.writer.string(b.config.rootfs)},
                fmt::format("opening the root filesystem {}", b.config.rootfs));
  return slot;
}

void enter_root_directory(Builder& b, uint32_t slot) {
  std::string about = fmt::format("entering the directory of the root filesystem {}", b.config.rootfs);
  if (slot != kNoSlot) {
    b.writer.step(Op::kChangeDirectory, {slot}, about);
  } else {
    b.writer.step(Op::kWorkingDirectory, {b.writer.string(b.config.rootfs)}, about);
  }
}

void add_cgroups(Builder& b) {
  // On cgroup v2 init is born where it belongs, but perhaps before the limits are: what depends on them waits.
  const bool needs_limits = b.options.init && b.config.memory_policy;
  b.built.waits_for_cgroups = b.facts.join_v1_tasks || needs_limits;
  if (!b.facts.join_v1_tasks) {
    if (needs_limits) b.writer.step(Op::kReceive, {static_cast<uint64_t>(SyncPoint::kCgroups), kNoSlot, 0});
    return;
  }
  b.built.cgroup_count = 32;
  b.built.cgroup_first = b.writer.slot(b.built.cgroup_count);
  b.writer.step(Op::kReceive, {static_cast<uint64_t>(SyncPoint::kCgroups), b.built.cgroup_first, b.built.cgroup_count});
  b.writer.step(Op::kJoinCgroups, {b.built.cgroup_first, b.built.cgroup_count}, "joining the cgroups");
}

// From the launcher's clone to a process that is in all its namespaces and its cgroup.
void add_namespaces(Builder& b) {
  Writer& w = b.writer;
  uint32_t root_slot = open_root(b);
  auto joins = open_namespaces(b);
  add_mount_sources(b);
  Ancestry ancestry = ancestry_of(b);
  b.built.clone_flags = ancestry.clone;
  b.built.forks = ancestry.forks;
  w.step(Op::kClone, {ancestry.clone}, "cloning init");

  // Nothing in a namespace that is joined may look into this process while it is half inside (CVE-2016-9962). But the
  // /proc files of an undumpable process are root's: an ordinary user could not write its id maps.
  bool maps_own_ids = b.is_new(NamespaceType::kUser) && !b.facts.privileged;
  if (!maps_own_ids) w.step(Op::kNoDumpable);
  // For the same reason the offsets are written before root becomes the container's root, and by an ordinary user
  // while it is dumpable.
  auto add_time = [&] {
    if (!b.is_new(NamespaceType::kTime)) return;
    w.step(Op::kEnterTimeNamespace, {w.string(time_offsets(b.config))}, "entering a new time namespace");
  };
  if (b.facts.privileged) add_time();
  for (auto [slot, type] : joins) add_join(b, slot, type);
  if (ancestry.forks) w.step(Op::kFork, {ancestry.fork}, "cloning into new namespaces");
  if (b.is_new(NamespaceType::kUser)) {
    b.built.user_maps = true;
    add_sync(b, SyncPoint::kUserMaps);
  }
  if (!b.facts.privileged) add_time();
  if (b.has(NamespaceType::kUser))
    w.step(Op::kRootIds, {0, 0, b.config.keep_original_groups}, "becoming root of the user namespace");
  if (maps_own_ids) w.step(Op::kNoDumpable);
  enter_root_directory(b, root_slot);
  uint64_t unshare = b.config.namespaces.clone_flags() & (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET);
  if (unshare != 0) w.step(Op::kUnshare, {unshare}, "creating namespaces");
  if (b.is_new(NamespaceType::kNet)) w.step(Op::kLoopbackUp, {}, "bringing the loopback interface up");
  if (!b.config.hostname.empty()) {
    w.step(Op::kHostname, {w.string(b.config.hostname)}, fmt::format("setting the hostname to {}", b.config.hostname));
  }
  if (!b.config.domainname.empty()) {
    w.step(Op::kDomainname, {w.string(b.config.domainname)},
           fmt::format("setting the domain name to {}", b.config.domainname));
  }
}

// Never shared: what is mounted from here on would appear on the host. The trees that are to stay shared with the
// host's have been cloned before, and the root becomes shared at the end.
uint64_t propagation_of(const config::Config& config) {
  return MS_REC | (config.root_propagation & MS_PRIVATE ? MS_PRIVATE : MS_SLAVE);
}

void add_root(Builder& b) {
  if (b.has(NamespaceType::kMount)) {
    // The mounts of a namespace that is joined stay as they are: others live there.
    if (b.is_new(NamespaceType::kMount)) {
      b.writer.step(Op::kPropagation, {propagation_of(b.config)}, "changing the mount propagation of /");
    }
    b.writer.step(Op::kRootMount, {}, fmt::format("bind mounting the root filesystem {}", b.config.rootfs));
  } else {
    b.writer.step(Op::kRootDirectory, {}, fmt::format("opening the root filesystem {}", b.config.rootfs));
  }
}

// The last word before the program is its own. What a seccomp listener is told comes back; nothing else has to be
// waited for by an init that goes on at once, has met the launcher at kCgroups (by then its pid was announced) and sets
// its own limits.
void add_ready(Builder& b) {
  if (!b.facts.seccomp || !b.facts.seccomp->listener) {
    bool met = b.options.init && b.built.waits_for_cgroups && !b.has(NamespaceType::kUser);
    b.built.ready_waits = b.options.wait_for_start || !met;
    if (b.built.ready_waits) return add_sync(b, SyncPoint::kReady);
    b.writer.step(Op::kTell, {static_cast<uint64_t>(SyncPoint::kReady)});
    return;
  }
  b.built.listener_socket = b.writer.slot();
  b.built.listener_message = b.writer.slot();
  b.writer.step(Op::kSync, {static_cast<uint64_t>(SyncPoint::kReady), b.built.listener_message, 1});
}

bool needs_created_state(const config::Config& config) {
  return !config.hooks.start_container.empty();
}

Result<Built> finish(Builder& b) {
  if (const std::string* text = b.writer.cut_string()) {
    return base::fail(ErrorCode::kConfigInvalid, "a string has a NUL character after \"{}\"", *text);
  }
  if (b.writer.slots_used() > kMaxSlots) {
    return base::fail(
        ErrorCode::kConfigInvalid,
        "the mounts and namespaces need {} open descriptors, with {} files to be passed; {} at most can be",
        b.writer.slots_used(), b.options.extra_files, kMaxSlots);
  }
  if (b.writer.size() > kMaxSize) {
    return base::fail(ErrorCode::kConfigInvalid, "the plan has {} bytes, more than {}", b.writer.size(), kMaxSize);
  }
  b.built.plan = std::move(b.writer).finish();
  return std::move(b.built);
}

}  // namespace

void add_sync(Builder& b, SyncPoint point) {
  b.writer.step(Op::kSync, {static_cast<uint64_t>(point), kNoSlot, 0});
}

Result<Built> build_create(const config::Config& config, const config::ProcessConfig& process, const Facts& facts,
                           const StartOptions& options) {
  Builder b{config, with_defaults(process, config), facts, options, {}, {}, {}, kNoSlot};
  TRY(check_options(options));
  TRY(check_config(config, facts));
  Writer& w = b.writer;
  const config::Hooks& hooks = config.hooks;

  add_namespaces(b);
  add_cgroups(b);
  if (b.is_new(NamespaceType::kCgroup)) w.step(Op::kUnshare, {CLONE_NEWCGROUP}, "creating the cgroup namespace");

  bool container_hooks = !hooks.create_container.empty() || needs_created_state(config);
  if (container_hooks) b.built.hook_state_first = w.slot(2);
  if (container_hooks && !(config.hooks_stdout.empty() && config.hooks_stderr.empty())) {
    b.built.hook_output_first = w.slot(2);
  }
  for (const auto& [name, device] : config.net_devices) {
    w.step(Op::kNetDevice, {w.string(name), w.string(device.name)});
  }
  if (!hooks.prestart.empty() || !hooks.create_runtime.empty() || container_hooks || !config.net_devices.empty()) {
    w.step(Op::kSync,
           {static_cast<uint64_t>(SyncPoint::kNamespaces), b.built.hook_state_first, container_hooks ? 2u : 0u});
  }
  // Behind the hooks that make network devices; and before the image is there, so that its /proc is nobody's.
  TRY(add_sysctls(b));
  add_root(b);
  if (b.has(NamespaceType::kMount)) {
    add_mounts(b);
    if (!options.open_program) add_devices(b);
  }
  add_hooks(b, hooks.create_container, "createContainer", b.built.hook_state_first);
  if (b.process.cwd != "/") {
    w.step(Op::kMakeDirectory, {w.string(b.process.cwd), 0755},
           fmt::format("making the working directory {}", b.process.cwd));
  }
  add_enter_root(b);
  // Before anything is read-only, because a terminal may want a file for /dev/console.
  add_stdio(b);
  add_root_protection(b);
  TRY(add_process(b));
  add_ready(b);
  if (options.wait_for_start) {
    b.built.fifo = w.slot();
    w.step(Op::kWaitForStart, {b.built.fifo}, "waiting for start");
  }
  if (b.process.args.empty()) {
    w.step(Op::kRefuse, {w.string("the container has no process: there is nothing to execute")});
  } else {
    TRY(add_execution(b));
  }
  return finish(b);
}

Result<Built> build_exec(const config::Config& config, const config::ProcessConfig& process, const Facts& facts,
                         const StartOptions& options) {
  Builder b{config, with_defaults(process, config), facts, options, {}, {}, {}, kNoSlot};
  TRY(check_options(options));
  Writer& w = b.writer;

  // The root directory of a mount namespace of the container's own is the container's; others it has only entered.
  bool chroots = !b.is_new(NamespaceType::kMount);
  uint32_t root_slot = chroots ? open_root(b) : kNoSlot;
  b.built.pidfd = w.slot();
  w.step(Op::kClone, {0}, "cloning init");
  // CVE-2016-9962: nothing in the container may look into this process while it is half inside. An ordinary user's
  // dumpable process keeps its /proc files readable for the id maps; here there are none to be written.
  w.step(Op::kNoDumpable);
  if (b.process.exec_cpu_affinity) TRY(add_affinity(b, b.process.exec_cpu_affinity->initial));
  add_cgroups(b);
  uint64_t flags = 0;
  for (const Namespace& ns : config.namespaces.list) flags |= bit(ns.type);
  if (flags != 0) w.step(Op::kSetns, {b.built.pidfd, flags}, "joining the container's namespaces");
  if (b.has(NamespaceType::kPid)) {
    b.built.forks = true;
    w.step(Op::kFork, {0}, "cloning into the container's pid namespace");
  }
  if (b.has(NamespaceType::kUser))
    w.step(Op::kRootIds, {0, 0, config.keep_original_groups}, "becoming root of the user namespace");
  if (chroots) {
    enter_root_directory(b, root_slot);
    w.step(Op::kRootDirectory, {}, "entering the root filesystem");
    w.step(Op::kChroot, {}, "entering the root filesystem");
  }
  add_stdio(b);
  TRY(add_process(b));
  add_ready(b);
  TRY(add_execution(b));
  return finish(b);
}

}  // namespace cella::plan
