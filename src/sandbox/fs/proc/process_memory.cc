// What is in a process's memory, and where: proc_pid_maps(5), proc_pid_smaps(5), proc_pid_cmdline(5) ….
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/result.h"
#include "sandbox/fs/proc/process_text.h"

namespace cella::sandbox::fs {
namespace {

std::string map_line(uint64_t start, const mm::Vma& vma) {
  const uint64_t device = vma.file != nullptr ? vma.file->device_id() : 0;
  std::string line =
      fmt::format("{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ", start, vma.end,
                  vma.protection & PROT_READ ? 'r' : '-', vma.protection & PROT_WRITE ? 'w' : '-',
                  vma.protection & PROT_EXEC ? 'x' : '-', vma.shared ? 's' : 'p', vma.file != nullptr ? vma.offset : 0,
                  major(device), minor(device), vma.file != nullptr ? vma.file->inode_id() : 0);
  const std::string name = vma.file != nullptr ? vma.file->mapped_name() : vma.name;
  if (!name.empty()) {
    constexpr size_t kNames = 73;
    line.resize(std::max(line.size(), kNames), ' ');
    line += name;
  }
  return line + '\n';
}

std::string flags_of(const mm::Vma& vma) {
  std::string text;
  auto add = [&](bool is_set, const char* name) {
    if (is_set) text += name;
  };
  add(vma.protection & PROT_READ, "rd ");
  add(vma.protection & PROT_WRITE, "wr ");
  add(vma.protection & PROT_EXEC, "ex ");
  add(vma.shared, "sh ");
  text += "mr mw me ";
  add(vma.grows_down, "gd ");
  add(vma.locked, "lo ");
  add(vma.dont_fork, "dc ");
  add(vma.wipe_on_fork, "wf ");
  return text;
}

// One list of numbers, for a mapping and for all of them.
std::string numbers(const mm::MemoryManager::Resident& resident, uint64_t locked) {
  constexpr uint64_t kKib = 1024;
  const uint64_t anonymous = resident.anonymous / kKib, file = resident.file / kKib;
  const std::pair<const char*, uint64_t> kLines[] = {{"Rss:", anonymous + file},
                                                     {"Pss:", anonymous + file},
                                                     {"Shared_Clean:", 0},
                                                     {"Shared_Dirty:", 0},
                                                     {"Private_Clean:", file},
                                                     {"Private_Dirty:", anonymous},
                                                     {"Referenced:", anonymous + file},
                                                     {"Anonymous:", anonymous},
                                                     {"LazyFree:", 0},
                                                     {"AnonHugePages:", 0},
                                                     {"ShmemPmdMapped:", 0},
                                                     {"FilePmdMapped:", 0},
                                                     {"Shared_Hugetlb:", 0},
                                                     {"Private_Hugetlb:", 0},
                                                     {"Swap:", 0},
                                                     {"SwapPss:", 0},
                                                     {"Locked:", locked / kKib}};
  std::string text;
  for (const auto& [name, value] : kLines) text += fmt::format("{:<16}{:>8} kB\n", name, value);
  return text;
}

// [start, end) of the guest's memory: what of it can be read.
std::string read_range(mm::MemoryManager& memory, uint64_t start, uint64_t end) {
  constexpr uint64_t kMost = 8 << 20;
  if (end <= start) return {};
  std::string text(std::min(end - start, kMost), '\0');
  auto n = memory.copy_in_some(start, text.data(), text.size());
  text.resize(n ? *n : 0);
  return text;
}

}  // namespace

SysResult<std::string> maps_text(vfs::Caller&, const Subject& subject) {
  const task::Task* task = TRY(subject.task());
  std::string text;
  task->memory_manager->for_each([&](uint64_t start, const mm::Vma& vma) { text += map_line(start, vma); });
  return text;
}

SysResult<std::string> smaps_text(vfs::Caller&, const Subject& subject) {
  const task::Task* task = TRY(subject.task());
  const mm::MemoryManager& memory = *task->memory_manager;
  std::string text;
  memory.for_each([&](uint64_t start, const mm::Vma& vma) {
    const uint64_t size = vma.end - start;
    text += map_line(start, vma);
    for (auto [name, value] : {std::pair("Size:", size >> 10), {"KernelPageSize:", 4}, {"MMUPageSize:", 4}})
      text += fmt::format("{:<16}{:>8} kB\n", name, value);
    text += numbers(memory.resident(start, vma.end), vma.locked ? size : 0);
    text += fmt::format("THPeligible:    {:>8}\nVmFlags: {}\n", 0, flags_of(vma));
  });
  return text;
}

SysResult<std::string> smaps_rollup_text(vfs::Caller&, const Subject& subject) {
  const task::Task* task = TRY(subject.task());
  uint64_t start = 0, end = 0, locked = 0;
  task->memory_manager->for_each([&](uint64_t at, const mm::Vma& vma) {
    if (end == 0) start = at;
    end = vma.end;
    if (vma.locked) locked += vma.end - at;
  });
  std::string line = fmt::format("{:08x}-{:08x} ---p 00000000 00:00 0 ", start, end);
  constexpr size_t kNames = 73;
  line.resize(std::max(line.size(), kNames), ' ');
  return line + "[rollup]\n" + numbers(task->memory_manager->resident(), locked);
}

SysResult<std::string> command_line_text(vfs::Caller&, const Subject& subject) {
  const task::Task* task = subject.find_task();
  if (task == nullptr || task->memory_manager == nullptr) return std::string();  // a zombie has none
  const auto& layout = task->memory_manager->layout;
  std::string text = read_range(*task->memory_manager, layout.arguments_start, layout.arguments_end);
  // A program that has written a longer title over its arguments goes on in its environment.
  if (!text.empty() && text.back() != '\0') {
    text += read_range(*task->memory_manager, layout.arguments_end, layout.environment_end);
    text.resize(std::min(text.find('\0'), text.size()));
  }
  return text;
}

SysResult<std::string> environment_text(vfs::Caller&, const Subject& subject) {
  const task::Task* task = TRY(subject.task());
  const auto& layout = task->memory_manager->layout;
  return read_range(*task->memory_manager, layout.environment_start, layout.environment_end);
}

SysResult<std::string> auxv_text(vfs::Caller&, const Subject& subject) {
  const task::Task* task = TRY(subject.task());
  const auto& auxv = task->memory_manager->layout.auxv;
  return std::string(reinterpret_cast<const char*>(auxv.data()), auxv.size());
}

}  // namespace cella::sandbox::fs
