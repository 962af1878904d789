#include "sandbox/fs/sys/sysfs.h"

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

// What is in every kernel's, and empty in ours.
constexpr const char* kEmpty[] = {
    "block",     "bus",          "class/net",       "class/tty",      "dev/block", "dev/char", "firmware",
    "fs/cgroup", "kernel/debug", "kernel/security", "kernel/tracing", "module",    "power",
};

struct File {
  const char *directory, *name, *text;
};
constexpr File kFiles[] = {
    {"devices/system/node", "online", "0\n"},
    {"devices/system/node", "possible", "0\n"},
    {"devices/system/node", "has_cpu", "0\n"},
    {"devices/system/node", "has_memory", "0\n"},
    {"kernel/mm/hugepages/hugepages-2048kB", "nr_hugepages", "0\n"},
    {"kernel/mm/hugepages/hugepages-2048kB", "free_hugepages", "0\n"},
    {"kernel/mm/transparent_hugepage", "enabled", "always madvise [never]\n"},
    {"kernel/mm/transparent_hugepage", "defrag", "always defer defer+madvise madvise [never]\n"},
    {"kernel/mm/transparent_hugepage", "shmem_enabled", "always within_size advise [never] deny force\n"},
    {"kernel/mm/transparent_hugepage", "hpage_pmd_size", "2097152\n"},
};

// Of the first `count` processors, as sysfs writes them: a list, and a mask in words of 32 bits.
std::string list_of(int count) {
  return count > 1 ? fmt::format("0-{}\n", count - 1) : std::string("0\n");
}
std::string mask_of(int first, int count, int all) {
  constexpr int kWord = 32;
  std::string text;
  for (int word = (all - 1) / kWord; word >= 0; --word) {
    uint32_t bits = 0;
    for (int i = 0; i < kWord; ++i) {
      const int cpu = word * kWord + i;
      if (cpu >= first && cpu < first + count) bits |= uint32_t{1} << i;
    }
    const int digits = (std::min(all - word * kWord, kWord) + 3) / 4;
    text += fmt::format("{}{:0{}x}", text.empty() ? "" : ",", bits, digits);
  }
  return text + "\n";
}

void add_processors(FixedDirectory& directory, int count) {
  const std::string range = list_of(count), all = mask_of(0, count, count);
  for (const char* name : {"online", "possible", "present"}) directory.add_file(name, range);
  directory.add_file("offline", "\n");
  directory.add_file("isolated", "\n");
  directory.add_file("kernel_max", fmt::format("{}\n", count - 1));
  for (int cpu = 0; cpu < count; ++cpu) {
    FixedDirectory& topology = directory.directory(fmt::format("cpu{}/topology", cpu));
    topology.add_file("core_id", fmt::format("{}\n", cpu));
    topology.add_file("core_cpus_list", fmt::format("{}\n", cpu));
    topology.add_file("thread_siblings_list", fmt::format("{}\n", cpu));
    topology.add_file("physical_package_id", "0\n");
    topology.add_file("core_siblings_list", range);
    topology.add_file("package_cpus_list", range);
    for (const char* name : {"core_cpus", "thread_siblings"}) topology.add_file(name, mask_of(cpu, 1, count));
    for (const char* name : {"package_cpus", "core_siblings"}) topology.add_file(name, all);
  }
}

void add_memory(FixedDirectory& node, task::Kernel& kernel) {
  constexpr uint32_t kPublic = 0444;
  node.add("meminfo", make_text_file(node.super(), kPublic, [&kernel](vfs::Caller&) {
             const uint64_t total = kernel.memory_limit >> 10;
             const uint64_t used = std::min(total, kernel.memory->resident() >> 10);
             return fmt::format(
                 "Node 0 MemTotal:       {:>8} kB\nNode 0 MemFree:        {:>8} kB\n"
                 "Node 0 MemUsed:        {:>8} kB\n",
                 total, total - used, used);
           }));
}

}  // namespace

vfs::DentryPtr make_sysfs(task::Kernel& kernel, const SysfsHooks& hooks) {
  const GeneratedSuper super = {new_device_number(), 0x62656572};
  auto inode = std::make_shared<FixedDirectory>(super);
  for (const char* path : kEmpty) inode->directory(path);
  for (const File& file : kFiles) inode->directory(file.directory).add_file(file.name, file.text);
  add_processors(inode->directory("devices/system/cpu"), kernel.cpu_count);
  FixedDirectory& node = inode->directory("devices/system/node/node0");
  node.add_file("cpulist", list_of(kernel.cpu_count));
  node.add_file("cpumap", mask_of(0, kernel.cpu_count, kernel.cpu_count));
  add_memory(node, kernel);
  if (hooks.net) hooks.net(inode->directory("class/net"));
  auto root = std::make_shared<vfs::Dentry>();
  root->inode = std::move(inode);
  return root;
}

}  // namespace cella::sandbox::fs
