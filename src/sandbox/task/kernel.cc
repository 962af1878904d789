#include "sandbox/task/kernel.h"

#include <sched.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/task/clocks.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::task {
namespace {

int own_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);
}

uint64_t host_memory() {
  struct sysinfo info = {};
  constexpr uint64_t kUnknown = uint64_t{1} << 34;
  return ::sysinfo(&info) < 0 ? kUnknown : info.totalram * info.mem_unit;
}

}  // namespace

Kernel::Kernel(std::unique_ptr<platform::Platform> guest_platform, std::unique_ptr<mm::MemoryFile> memory_file,
               Dispatch syscalls)
    : threads(lock, Task::serve, [this] { platform->leave_thread(); }),
      platform(std::move(guest_platform)),
      memory(std::move(memory_file)),
      dispatch(syscalls),
      clocks(std::make_unique<Clocks>(timers, *memory)),
      own_memory(host_memory()),
      cpu_count(own_cpus()) {
  memory->on_change = [this](mm::MemoryManager& changed) {
    for (const auto& [id, task] : tasks)
      if (task->memory_manager.get() == &changed) task->interrupt();
  };
}
Kernel::~Kernel() {
  core::Locked locked(lock);
  clocks->stop();
}

int Kernel::next_id() {
  do {
    if (++last_id_ == kMostIds) {
      last_id_ = kFirstAgain;
      in_order_ = false;
    }
  } while (!in_order_ && is_taken(last_id_));
  return last_id_;
}

SysResult<int> Kernel::take_id(int id) {
  if (is_taken(id)) return std::unexpected(Errno{EEXIST});
  in_order_ = false;
  return id;
}

bool Kernel::is_taken(int id) const {
  if (tasks.contains(id) || groups.contains(id)) return true;
  return std::ranges::any_of(
      groups, [&](const auto& entry) { return entry.second->process_group == id || entry.second->session == id; });
}

Task* Kernel::task(int tid) const {
  auto found = tasks.find(tid);
  return found == tasks.end() ? nullptr : found->second;
}

ThreadGroup* Kernel::group(int pid) const {
  auto found = groups.find(pid);
  return found == groups.end() ? nullptr : found->second.get();
}

}  // namespace cella::sandbox::task
