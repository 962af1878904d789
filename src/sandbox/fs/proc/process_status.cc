// proc_pid_stat(5), proc_pid_statm(5), proc_pid_status(5).
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/result.h"
#include "sandbox/fs/proc/process_text.h"

namespace cella::sandbox::fs {
namespace {

using task::Task;
using task::ThreadGroup;

struct SignalMasks {
  uint64_t pending = 0, shared = 0, blocked = 0, ignored = 0, caught = 0;
};
SignalMasks signal_masks(const ThreadGroup& group, const Task* task) {
  SignalMasks masks;
  masks.shared = group.pending.set();
  if (task != nullptr) {
    masks.pending = task->pending.set();
    masks.blocked = task->blocked;
  }
  for (int signal = 1; signal <= task::kSignals; ++signal) {
    const uint64_t handler = group.actions->of(signal).handler;
    if (handler == reinterpret_cast<uint64_t>(SIG_IGN)) {
      masks.ignored |= task::bit(signal);
    } else if (handler != reinterpret_cast<uint64_t>(SIG_DFL)) {
      masks.caught |= task::bit(signal);
    }
  }
  return masks;
}

// Sizes of kinds of mappings, in bytes.
struct Sizes {
  uint64_t data = 0, stack = 0, code = 0, library = 0, locked = 0;
};
Sizes sizes_of(const mm::MemoryManager& memory) {
  Sizes sizes;
  memory.for_each([&](uint64_t start, const mm::Vma& vma) {
    const uint64_t size = vma.end - start;
    if (vma.locked) sizes.locked += size;
    if (vma.grows_down) {
      sizes.stack += size;
    } else if ((vma.protection & PROT_WRITE) && !vma.shared) {
      sizes.data += size;
    } else if ((vma.protection & PROT_EXEC) && !vma.shared) {
      const bool own = start <= memory.layout.code_start && memory.layout.code_start < vma.end;
      (own ? sizes.code : sizes.library) += size;
    }
  });
  return sizes;
}

int parent_of(const ThreadGroup& group) {
  auto parent = group.parent.lock();
  return parent != nullptr ? parent->id : 0;
}

const std::string& name_of(const ThreadGroup& group, const Task* task) {
  return task != nullptr ? task->name : group.name;
}

mm::MemoryManager* memory_of(const Task* task) {
  return task != nullptr ? task->memory_manager.get() : nullptr;
}

// The controlling terminal's device as tty_nr packs it; 0: there is none.
uint64_t terminal_number(const ThreadGroup& group) {
  if (group.terminal == nullptr) return 0;
  const unsigned low = minor(group.terminal->device());
  return (low & 0xff) | major(group.terminal->device()) << 8 | (low & ~0xffu) << 12;
}

// Bits of processors that there are, in words of 32 from the highest.
std::string cpu_mask(int count) {
  std::string text;
  for (int word = (count - 1) / 32; word >= 0; --word) {
    const int bits = std::min(count - word * 32, 32);
    text += fmt::format("{:x}{}", bits == 32 ? 0xffffffffu : (1u << bits) - 1, word > 0 ? "," : "");
  }
  return text;
}

}  // namespace

const char* process_state(const Subject& subject) {
  auto group = subject.process();
  const Task* task = subject.find_task();
  if (!group || task == nullptr) return group && (*group)->is_zombie ? "Z (zombie)" : "X (dead)";
  if ((*group)->stopped) return "T (stopped)";
  if (!task->is_asleep()) return "R (running)";
  return task->is_interruptible() ? "S (sleeping)" : "D (disk sleep)";
}

uint64_t clock_ticks(core::Nanoseconds time) {
  constexpr core::Nanoseconds kTick = core::kSecond / 100;
  return static_cast<uint64_t>(std::max<core::Nanoseconds>(time, 0) / kTick);
}

SysResult<std::string> stat_text(vfs::Caller& caller, const Subject& subject) {
  auto group = TRY(subject.process());
  const Task* task = subject.find_task();
  const mm::MemoryManager* memory = memory_of(task);
  const SignalMasks masks = signal_masks(*group, task);
  const task::Usage usage = subject.is_thread() && task != nullptr ? task->usage() : group->usage();
  // Addresses are for those alone who may look inside.
  const bool inside = memory != nullptr && check_inspect(caller, subject).has_value();
  const mm::MemoryManager::Layout layout = inside ? memory->layout : mm::MemoryManager::Layout();
  const mm::MemoryManager::Resident resident = memory ? memory->resident() : mm::MemoryManager::Resident();
  constexpr int kDefaultPriority = 20;
  const int nice = task != nullptr ? task->nice : 0;
  std::string text = fmt::format("{} ({}) {} {} {} {} {} {} {} {} {} 0 0", subject.id(), name_of(*group, task),
                                 process_state(subject)[0], parent_of(*group), group->process_group, group->session,
                                 terminal_number(*group), group->terminal != nullptr ? group->terminal->foreground : -1,
                                 4194304 /* PF_RANDOMIZE */, usage.faults, group->children_usage.faults);
  text += fmt::format(" {} {} {} {} {} {} {} 0 {}", clock_ticks(usage.user_time), clock_ticks(usage.system_time),
                      clock_ticks(group->children_usage.user_time), clock_ticks(group->children_usage.system_time),
                      kDefaultPriority + nice, nice, group->tasks.size(),
                      clock_ticks(group->start_time - subject.kernel.boot_time));
  text += fmt::format(" {} {} {} {} {} {} 0 0", memory ? memory->virtual_size() : 0, resident.all() / mm::kPageSize,
                      group->limit(RLIMIT_RSS), layout.code_start, layout.code_end, layout.stack_start);
  // The old masks have room for 31 signals.
  constexpr uint64_t kOld = 0x7fffffff;
  text += fmt::format(" {} {} {} {} 0 0 0 {} 0 0 0 0 0 0", (masks.pending | masks.shared) & kOld, masks.blocked & kOld,
                      masks.ignored & kOld, masks.caught & kOld,
                      subject.is_thread() && subject.id() != group->id ? -1 : group->exit_signal);
  text += fmt::format(" {} {} {} {} {} {} {} {}\n", layout.data_start, layout.data_end,
                      inside ? memory->brk_start() : 0, layout.arguments_start, layout.arguments_end,
                      layout.environment_start, layout.environment_end, inside ? group->status : 0);
  return text;
}

SysResult<std::string> statm_text(vfs::Caller&, const Subject& subject) {
  TRY(subject.process());
  const mm::MemoryManager* memory = memory_of(subject.find_task());
  if (memory == nullptr) return "0 0 0 0 0 0 0\n";
  const auto resident = memory->resident();
  const Sizes sizes = sizes_of(*memory);
  auto pages = [](uint64_t size) { return size / mm::kPageSize; };
  return fmt::format("{} {} {} {} 0 {} 0\n", pages(memory->virtual_size()), pages(resident.all()), pages(resident.file),
                     pages(sizes.code), pages(sizes.data + sizes.stack));
}

SysResult<std::string> status_text(vfs::Caller&, const Subject& subject) {
  auto group = TRY(subject.process());
  const Task* task = subject.find_task();
  std::string text = fmt::format("Name:\t{}\n", name_of(*group, task));
  if (task != nullptr && task->fs != nullptr) text += fmt::format("Umask:\t{:04o}\n", task->fs->umask);
  text += fmt::format("State:\t{}\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\nTracerPid:\t0\n", process_state(subject),
                      group->id, subject.id(), parent_of(*group));
  const vfs::Credentials creds = task != nullptr ? task->creds : vfs::Credentials();
  text += fmt::format("Uid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\n", creds.uid, creds.euid, creds.suid, creds.fsuid,
                      creds.gid, creds.egid, creds.sgid, creds.fsgid);
  size_t descriptors = task != nullptr && task->files != nullptr ? task->files->slots().size() : 0;
  constexpr size_t kStep = 64;
  text += fmt::format("FDSize:\t{}\nGroups:\t", std::max(kStep, (descriptors + kStep - 1) / kStep * kStep));
  for (uint32_t id : creds.groups) text += fmt::format("{} ", id);
  text += fmt::format("\nNStgid:\t{}\nNSpid:\t{}\nNSpgid:\t{}\nNSsid:\t{}\n", group->id, subject.id(),
                      group->process_group, group->session);
  if (mm::MemoryManager* memory = memory_of(task)) {
    const Sizes sizes = sizes_of(*memory);
    const auto resident = memory->resident();
    constexpr uint64_t kTable = 8;  // of page tables, a page's share
    const uint64_t total = resident.all();
    const std::pair<const char*, uint64_t> kLines[] = {{"VmPeak:", memory->virtual_size()},
                                                       {"VmSize:", memory->virtual_size()},
                                                       {"VmLck:", sizes.locked},
                                                       {"VmPin:", 0},
                                                       {"VmHWM:", memory->peak()},
                                                       {"VmRSS:", total},
                                                       {"RssAnon:", resident.anonymous},
                                                       {"RssFile:", resident.file},
                                                       {"RssShmem:", 0},
                                                       {"VmData:", sizes.data},
                                                       {"VmStk:", sizes.stack},
                                                       {"VmExe:", sizes.code},
                                                       {"VmLib:", sizes.library},
                                                       {"VmPTE:", total / mm::kPageSize * kTable},
                                                       {"VmSwap:", 0},
                                                       {"HugetlbPages:", 0}};
    for (const auto& [name, size] : kLines) text += fmt::format("{}\t{:>8} kB\n", name, size >> 10);
    text += "CoreDumping:\t0\nTHP_enabled:\t1\n";
  }
  const SignalMasks masks = signal_masks(*group, task);
  text += fmt::format(
      "Threads:\t{}\nSigQ:\t{}/{}\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n"
      "SigCgt:\t{:016x}\n",
      group->tasks.size(), group->pending.size() + (task != nullptr ? task->pending.size() : 0),
      group->limit(RLIMIT_SIGPENDING), masks.pending, masks.shared, masks.blocked, masks.ignored, masks.caught);
  text += fmt::format("CapInh:\t{:016x}\nCapPrm:\t{:016x}\nCapEff:\t{:016x}\nCapBnd:\t{:016x}\nCapAmb:\t{:016x}\n",
                      creds.inheritable, creds.permitted, creds.effective, creds.bounding, creds.ambient);
  const int cpus = subject.kernel.cpu_count;
  const task::SeccompState seccomp = task != nullptr ? task->seccomp : task::SeccompState();
  text += fmt::format(
      "NoNewPrivs:\t{}\nSeccomp:\t{}\nSeccomp_filters:\t{}\nCpus_allowed:\t{}\nCpus_allowed_list:\t{}\n"
      "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
      creds.no_new_privileges ? 1 : 0, seccomp.mode, seccomp.filter != nullptr ? seccomp.filter->count() : 0,
      cpu_mask(cpus), cpus > 1 ? fmt::format("0-{}", cpus - 1) : std::string("0"));
  return text;
}

}  // namespace cella::sandbox::fs
