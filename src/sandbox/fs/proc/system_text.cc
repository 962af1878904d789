#include "sandbox/fs/proc/system_text.h"

#include "base/result.h"
#include "sandbox/fs/proc/process_text.h"

namespace cella::sandbox::fs {
namespace {

using core::Nanoseconds;
using task::Kernel;

std::string memory_text(Kernel& kernel) {
  const uint64_t total = kernel.memory_limit, used = std::min(total, kernel.memory->resident());
  const uint64_t free = total - used;
  const std::pair<const char*, uint64_t> kLines[] = {
      {"MemTotal:", total},
      {"MemFree:", free},
      {"MemAvailable:", free},
      {"Buffers:", 0},
      {"Cached:", 0},
      {"SwapCached:", 0},
      {"Active:", used},
      {"Inactive:", 0},
      {"Active(anon):", used},
      {"Inactive(anon):", 0},
      {"Active(file):", 0},
      {"Inactive(file):", 0},
      {"Unevictable:", 0},
      {"Mlocked:", 0},
      {"SwapTotal:", 0},
      {"SwapFree:", 0},
      {"Dirty:", 0},
      {"Writeback:", 0},
      {"AnonPages:", used},
      {"Mapped:", 0},
      {"Shmem:", 0},
      {"KReclaimable:", 0},
      {"Slab:", 0},
      {"SReclaimable:", 0},
      {"SUnreclaim:", 0},
      {"KernelStack:", 0},
      {"PageTables:", 0},
      {"CommitLimit:", total},
      {"Committed_AS:", used},
      {"VmallocTotal:", 35184372087808},
      {"VmallocUsed:", 0},
      {"AnonHugePages:", 0},
  };
  std::string text;
  for (const auto& [name, size] : kLines) text += fmt::format("{:<16}{:>8} kB\n", name, size >> 10);
  return text + "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n";
}

// Of all processes together, and of those that have been waited for. Never less than it was: an orphan that nobody has
// waited for takes its time with it.
task::Usage busy_times(Kernel& kernel) {
  static task::Usage most;
  const task::Usage now = usage_of_all(kernel);
  most.user_time = std::max(most.user_time, now.user_time);
  most.system_time = std::max(most.system_time, now.system_time);
  return most;
}

size_t running_tasks(Kernel& kernel) {
  size_t count = 0;
  for (const auto& [id, task] : kernel.tasks) count += !task->is_asleep();
  return count;
}

Nanoseconds idle_time(Kernel& kernel, const task::Usage& busy) {
  const Nanoseconds whole = (core::now() - kernel.boot_time) * kernel.cpu_count;
  return std::max<Nanoseconds>(whole - busy.user_time - busy.system_time, 0);
}

std::string stat_lines(Kernel& kernel) {
  const task::Usage busy = busy_times(kernel);
  const Nanoseconds idle = idle_time(kernel, busy);
  auto line = [&](const std::string& name, int share) {
    return fmt::format("{} {} 0 {} {} 0 0 0 0 0 0\n", name, clock_ticks(busy.user_time / share),
                       clock_ticks(busy.system_time / share), clock_ticks(idle / share));
  };
  std::string text = line("cpu ", 1);
  for (int cpu = 0; cpu < kernel.cpu_count; ++cpu) text += line(fmt::format("cpu{}", cpu), kernel.cpu_count);
  const Nanoseconds boot = core::now(CLOCK_REALTIME) - (core::now() - kernel.boot_time);
  text += fmt::format("intr 0\nctxt 0\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked 0\n",
                      boot / core::kSecond, kernel.last_id(), running_tasks(kernel));
  return text + "softirq 0 0 0 0 0 0 0 0 0 0 0\n";
}

std::string uptime_text(Kernel& kernel) {
  auto seconds = [](Nanoseconds time) {
    const uint64_t ticks = clock_ticks(time);
    return fmt::format("{}.{:02}", ticks / 100, ticks % 100);
  };
  return fmt::format("{} {}\n", seconds(core::now() - kernel.boot_time),
                     seconds(idle_time(kernel, busy_times(kernel))));
}

std::string load_text(Kernel& kernel) {
  return fmt::format("0.00 0.00 0.00 {}/{} {}\n", running_tasks(kernel), kernel.tasks.size(), kernel.last_id());
}

std::string version_text(Kernel&) {
  return fmt::format("Linux version {} (cella) {}\n", task::kRelease, task::kVersion);
}

// What vmstat(8) and the like cannot do without. Pages that come from disks are the host's affair.
std::string virtual_memory_text(Kernel& kernel) {
  const uint64_t total = kernel.memory_limit, used = std::min(total, kernel.memory->resident());
  std::string text =
      fmt::format("nr_free_pages {}\nnr_active_anon {}\nnr_anon_pages {}\npgfault {}\n", (total - used) / mm::kPageSize,
                  used / mm::kPageSize, used / mm::kPageSize, usage_of_all(kernel).faults);
  for (const char* name :
       {"nr_inactive_anon", "nr_inactive_file", "nr_active_file", "nr_file_pages", "nr_dirty", "nr_writeback",
        "nr_mapped", "nr_shmem", "pgpgin", "pgpgout", "pswpin", "pswpout", "pgmajfault", "oom_kill"})
    text += fmt::format("{} 0\n", name);
  return text;
}

struct Line {
  const char* name;
  std::string (*text)(Kernel& kernel);
};
constexpr Line kFiles[] = {
    {"cpuinfo", [](Kernel& kernel) { return cpu_information(kernel.cpu_count); }},
    {"loadavg", load_text},
    {"meminfo", memory_text},
    {"stat", stat_lines},
    {"uptime", uptime_text},
    {"version", version_text},
    {"vmstat", virtual_memory_text},
};

struct Fixed {
  const char *name, *text;
};
constexpr Fixed kFixed[] = {
    {"cmdline", "BOOT_IMAGE=cella\n"},
    {"devices",
     "Character devices:\n  1 mem\n  4 tty\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n136 pts\n\n"
     "Block devices:\n"},
    {"filesystems",
     "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevtmpfs\nnodev\tdevpts\nnodev\tmqueue\n"
     "nodev\tpipefs\nnodev\tsockfs\nnodev\toverlay\n"},
    {"partitions", "major minor  #blocks  name\n\n"},
    {"swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"},
    {"diskstats", ""},
    {"interrupts", ""},
    {"modules", ""},
    {"misc", ""},
};
// What a container's configuration masks by default; there is nothing in it here.
constexpr const char* kEmptyFiles[] = {"kcore", "keys", "latency_stats", "timer_list", "sched_debug", "kmsg"};
constexpr const char* kEmptyDirectories[] = {"acpi", "asound", "bus", "driver", "fs", "irq", "scsi"};

}  // namespace

void add_system_files(FixedDirectory& root, Kernel& kernel) {
  constexpr uint32_t kPublic = 0444, kPrivate = 0400;
  for (const Line& line : kFiles) {
    root.add(line.name,
             make_text_file(root.super(), kPublic, [&kernel, make = line.text](vfs::Caller&) { return make(kernel); }));
  }
  for (const Fixed& file : kFixed) root.add_file(file.name, file.text);
  for (const char* name : kEmptyFiles)
    root.add(name, make_text_file(root.super(), kPrivate, [](vfs::Caller&) { return std::string(); }));
  for (const char* name : kEmptyDirectories) root.directory(name);
  add_sysctls(root.directory("sys"), kernel);
}

}  // namespace cella::sandbox::fs
