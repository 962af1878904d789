// Usage: what a thread, a process or its children have used, as getrusage(2) tells it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sandbox/core/time.h"

namespace cella::sandbox::task {

struct Usage {
  core::Nanoseconds user_time = 0, system_time = 0;  // running guest code; in system calls, without sleeping
  uint64_t faults = 0;                               // of pages
  uint64_t sleeps = 0;
  uint64_t peak_memory = 0;  // bytes; of one process, not of several

  core::Nanoseconds time() const { return user_time + system_time; }
  Usage& operator+=(const Usage& other) {
    user_time += other.user_time;
    system_time += other.system_time;
    faults += other.faults;
    sleeps += other.sleeps;
    peak_memory = std::max(peak_memory, other.peak_memory);
    return *this;
  }
};

}  // namespace cella::sandbox::task
