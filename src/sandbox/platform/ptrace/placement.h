// Placement: on which CPU a context's pair of threads runs. Private to platform/ptrace.
//
// Pairs begin where their maker runs, so that a parent that waits for its child stays close to it, and move when their
// CPU has had more than one guest to run for some time while another CPU had none. Lock-free: counts may be a moment
// old, which costs a late move at most.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace cella::sandbox::platform {

class Placement {
 public:
  // Reads which CPUs this process may use.
  Placement();

  static constexpr int kMaxCpus = 256;
  static constexpr int kNowhere = -1;

  // Are all CPUs that there are for guests below `cpus`?
  bool are_below(int cpus) const { return count_ > 0 && allowed_[static_cast<size_t>(count_ - 1)] < cpus; }
  // The CPU of a pair that starts on the calling thread.
  int first_cpu() const;
  // Pins the calling thread and `tid`, which is pinned to a CPU already or to kNowhere.
  static void pin(int cpu, pid_t tid, int pinned_to = kNowhere);
  // A guest begins or ends running on `cpu`.
  void enter(int cpu) { running_[static_cast<size_t>(cpu)].fetch_add(1, std::memory_order_relaxed); }
  void leave(int cpu) { running_[static_cast<size_t>(cpu)].fetch_sub(1, std::memory_order_relaxed); }
  // As Context::set_processors has them.
  static constexpr uint64_t kAll = ~uint64_t{0};
  static constexpr int kMostNamed = 64;
  bool may_use(int cpu, uint64_t processors) const;
  // Where a pair on `cpu` had better be, that may use these: another CPU without guests when `cpu` has others besides
  // this one, or is not for it, else `cpu`.
  int better_cpu(int cpu, uint64_t processors) const;

 private:
  int count_ = 1;
  std::array<int, kMaxCpus> allowed_ = {};
  std::array<std::atomic<int>, kMaxCpus> running_ = {};
};

}  // namespace cella::sandbox::platform
