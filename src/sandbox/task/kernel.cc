#include "sandbox/task/kernel.h"

#include <sched.h>

#include "sandbox/task/task.h"

namespace cella::sandbox::task {
namespace {

int own_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);
}

}  // namespace

Kernel::Kernel(std::unique_ptr<platform::Platform> guest_platform, std::unique_ptr<mm::MemoryFile> memory_file,
               Dispatch syscalls)
    : platform(std::move(guest_platform)), memory(std::move(memory_file)), dispatch(syscalls), cpu_count(own_cpus()) {}
Kernel::~Kernel() = default;

int Kernel::next_id() {
  constexpr int kMost = 4194304;
  do {
    last_id_ = last_id_ >= kMost ? 300 : last_id_ + 1;
  } while (tasks.contains(last_id_) || groups.contains(last_id_));
  return last_id_;
}

Task* Kernel::task(int tid) const {
  auto found = tasks.find(tid);
  return found == tasks.end() ? nullptr : found->second;
}

ThreadGroup* Kernel::group(int pid) const {
  auto found = groups.find(pid);
  return found == groups.end() ? nullptr : found->second.get();
}

// One thread for all alarms, made when the first is set: there are few, and it sleeps until the next is due.
void Kernel::set_alarm(ThreadGroup& group, core::Nanoseconds when, core::Nanoseconds interval) {
  group.alarm = when;
  group.alarm_interval = interval;
  if (when == core::kNever) return;
  if (!has_alarm_thread_) {
    pthread_t thread;
    has_alarm_thread_ = pthread_create(&thread, nullptr, alarm_main, this) == 0;
    if (has_alarm_thread_) pthread_detach(thread);
  }
  alarm_changed_.notify_one();
}

void* Kernel::alarm_main(void* argument) {
  auto& kernel = *static_cast<Kernel*>(argument);
  std::unique_lock<std::mutex> lock(kernel.lock.mutex());
  for (;;) {
    core::Nanoseconds next = core::kNever;
    const core::Nanoseconds now = core::now();
    std::vector<std::shared_ptr<ThreadGroup>> due;
    for (const auto& [id, group] : kernel.groups) {
      if (group->alarm <= now) due.push_back(group);
    }
    for (const auto& group : due) {
      group->alarm = group->alarm_interval > 0 ? core::add_time(now, group->alarm_interval) : core::kNever;
      group->send(signal_info(SIGALRM, SI_KERNEL));
    }
    for (const auto& [id, group] : kernel.groups) next = std::min(next, group->alarm);
    if (next == core::kNever) {
      kernel.alarm_changed_.wait(lock);
    } else {
      kernel.alarm_changed_.wait_for(lock,
                                     std::chrono::nanoseconds(std::max<core::Nanoseconds>(next - core::now(), 0)));
    }
  }
}

}  // namespace cella::sandbox::task
