#include "sandbox/platform/ptrace/placement.h"

#include <sched.h>

#include <algorithm>

namespace cella::sandbox::platform {

Placement::Placement() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) < 0) return;
  count_ = 0;
  for (int cpu = 0; cpu < kMaxCpus; ++cpu)
    if (CPU_ISSET(cpu, &set)) allowed_[static_cast<size_t>(count_++)] = cpu;
}

int Placement::first_cpu() const {
  int cpu = ::sched_getcpu();
  return cpu >= 0 && cpu < kMaxCpus ? cpu : allowed_[0];
}

void Placement::pin(int cpu, pid_t tid, int pinned_to) {
  // Where the host forbids it, things are slower, not wrong.
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  thread_local int own_cpu = kNowhere;
  if (own_cpu != cpu) {
    (void)::sched_setaffinity(0, sizeof set, &set);
    own_cpu = cpu;
  }
  if (cpu != pinned_to) (void)::sched_setaffinity(tid, sizeof set, &set);
}

bool Placement::may_use(int cpu, uint64_t processors) const {
  if (processors == kAll) return true;
  for (int i = 0; i < std::min(count_, kMostNamed); ++i)
    if (allowed_[static_cast<size_t>(i)] == cpu) return processors >> i & 1;
  return false;
}

int Placement::better_cpu(int cpu, uint64_t processors) const {
  const bool may_stay = may_use(cpu, processors);
  if (may_stay && running_[static_cast<size_t>(cpu)].load(std::memory_order_relaxed) == 0) return cpu;
  int found = cpu;
  for (int i = 0; i < count_; ++i) {
    const int other = allowed_[static_cast<size_t>(i)];
    if (!may_use(other, processors)) continue;
    if (running_[static_cast<size_t>(other)].load(std::memory_order_relaxed) == 0) return other;
    if (!may_stay) found = other;
  }
  return found;
}

}  // namespace cella::sandbox::platform
