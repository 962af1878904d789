// The container's cgroup, seen as the root of a cgroup namespace: what programs read to size themselves.
#include "base/result.h"
#include "sandbox/fs/proc/process_text.h"
#include "sandbox/fs/sys/sysfs.h"

namespace cella::sandbox::fs {
namespace {

using task::Kernel;

std::string process_ids(Kernel& kernel) {
  std::string text;
  for (const auto& [id, group] : kernel.groups)
    if (!group->is_zombie) text += fmt::format("{}\n", id);
  return text;
}
std::string thread_ids(Kernel& kernel) {
  std::string text;
  for (const auto& [id, task] : kernel.tasks) text += fmt::format("{}\n", id);
  return text;
}

std::string cpu_statistics(Kernel& kernel) {
  const task::Usage usage = usage_of_all(kernel);
  constexpr core::Nanoseconds kMicrosecond = 1000;
  return fmt::format("usage_usec {}\nuser_usec {}\nsystem_usec {}\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
                     usage.time() / kMicrosecond, usage.user_time / kMicrosecond, usage.system_time / kMicrosecond);
}

std::string cpu_limit(Kernel& kernel) {
  return kernel.cpu_quota == 0 ? fmt::format("max {}\n", kernel.cpu_period)
                               : fmt::format("{} {}\n", kernel.cpu_quota, kernel.cpu_period);
}

std::string processors(Kernel& kernel) {
  return kernel.cpu_count > 1 ? fmt::format("0-{}\n", kernel.cpu_count - 1) : std::string("0\n");
}

std::string memory_statistics(Kernel& kernel) {
  const uint64_t used = kernel.memory->resident();
  return fmt::format(
      "anon {}\nfile 0\nkernel 0\nshmem 0\nslab 0\ninactive_anon 0\nactive_anon {}\ninactive_file 0\n"
      "active_file 0\nunevictable 0\npgfault 0\npgmajfault 0\n",
      used, used);
}

struct File {
  const char* name;
  std::string (*text)(Kernel& kernel);
};
constexpr File kFiles[] = {
    {"cgroup.procs", process_ids},
    {"cgroup.threads", thread_ids},
    {"cpu.max", cpu_limit},
    {"cpu.stat", cpu_statistics},
    {"cpuset.cpus", processors},
    {"cpuset.cpus.effective", processors},
    {"memory.current", [](Kernel& kernel) { return fmt::format("{}\n", kernel.memory->resident()); }},
    {"memory.max", [](Kernel& kernel) { return fmt::format("{}\n", kernel.memory_limit); }},
    {"memory.stat", memory_statistics},
    {"pids.current", [](Kernel& kernel) { return fmt::format("{}\n", kernel.tasks.size()); }},
    {"pids.max", [](Kernel& kernel) { return fmt::format("{}\n", kernel.task_limit); }},
};

struct Fixed {
  const char *name, *text;
};
constexpr Fixed kFixed[] = {
    {"cgroup.controllers", "cpuset cpu memory pids\n"},
    {"cgroup.events", "populated 1\nfrozen 0\n"},
    {"cgroup.freeze", "0\n"},
    {"cgroup.max.depth", "0\n"},
    {"cgroup.max.descendants", "0\n"},
    {"cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n"},
    {"cgroup.subtree_control", ""},
    {"cgroup.type", "domain\n"},
    {"cpu.weight", "100\n"},
    {"cpuset.mems", "0\n"},
    {"cpuset.mems.effective", "0\n"},
    {"memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"},
    {"memory.high", "max\n"},
    {"memory.low", "0\n"},
    {"memory.min", "0\n"},
    {"memory.swap.current", "0\n"},
    {"memory.swap.max", "0\n"},
    {"pids.events", "max 0\n"},
};

}  // namespace

vfs::DentryPtr make_cgroup_filesystem(Kernel& kernel) {
  const GeneratedSuper super = {new_device_number(), 0x63677270};
  constexpr uint32_t kPublic = 0444;
  auto inode = std::make_shared<FixedDirectory>(super);
  for (const File& file : kFiles) {
    inode->add(file.name,
               make_text_file(super, kPublic, [&kernel, make = file.text](vfs::Caller&) { return make(kernel); }));
  }
  for (const Fixed& file : kFixed) inode->add_file(file.name, file.text);
  auto root = std::make_shared<vfs::Dentry>();
  root->inode = std::move(inode);
  return root;
}

}  // namespace cella::sandbox::fs
