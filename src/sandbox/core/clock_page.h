// ClockPage: what the vDSO in a guest needs to tell the time without a system call: a line through the host's clock
// over the processor's time stamp counter. Written by task/clocks, read by vdso/ in guests, who have it read-only.
//
// A sequence lock: odd while it is written. The writer takes the new line's beginning after it has made the sequence
// odd, and a reader takes its time stamp before it looks at the sequence again: so no reader of the old line is ahead
// of the new one, and time does not go back. Includes nothing that needs a C library.
#pragma once

#include <stdint.h>

namespace cella::sandbox::core {

struct ClockPage {
  enum Offset { kMonotonic, kRealtime, kBoottime, kTai, kOffsets };

  uint32_t sequence;
  uint32_t is_usable;   // 0: ask the kernel
  uint32_t has_number;  // is there an instruction that gives the processor's number? Never changes
  uint32_t reserved;
  uint64_t start;             // time stamp of the line's beginning
  uint64_t most;              // ticks behind it that the line is good for
  uint64_t scale;             // nanoseconds a tick, times 2^kShift
  int64_t monotonic;          // CLOCK_MONOTONIC at the beginning, in nanoseconds
  int64_t offsets[kOffsets];  // of other clocks to it

  static constexpr int kShift = 48;
};

inline uint64_t time_stamp() {
  uint32_t low, high;
  // In its place between what is before and what is behind.
  asm volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high)::"memory");
  return static_cast<uint64_t>(high) << 32 | low;
}

inline int64_t scaled(uint64_t ticks, uint64_t scale) {
  return static_cast<int64_t>(static_cast<unsigned __int128>(ticks) * scale >> ClockPage::kShift);
}

// A clock, in nanoseconds; negative: the kernel is to be asked.
inline int64_t read_clock_page(const ClockPage& page, ClockPage::Offset which) {
  constexpr int kTries = 1000;  // of a writer that has been interrupted
  for (int i = 0; i < kTries; ++i) {
    const uint32_t sequence = __atomic_load_n(&page.sequence, __ATOMIC_ACQUIRE);
    if (sequence & 1) continue;
    const bool is_usable = __atomic_load_n(&page.is_usable, __ATOMIC_RELAXED);
    const uint64_t start = __atomic_load_n(&page.start, __ATOMIC_RELAXED);
    const uint64_t most = __atomic_load_n(&page.most, __ATOMIC_RELAXED);
    const uint64_t scale = __atomic_load_n(&page.scale, __ATOMIC_RELAXED);
    const int64_t base =
        __atomic_load_n(&page.monotonic, __ATOMIC_RELAXED) + __atomic_load_n(&page.offsets[which], __ATOMIC_RELAXED);
    const uint64_t now = time_stamp();
    if (__atomic_load_n(&page.sequence, __ATOMIC_ACQUIRE) != sequence) continue;
    if (!is_usable) return -1;
    // Another processor's counter may be a little behind.
    const uint64_t ticks = now > start ? now - start : 0;
    return ticks > most ? -1 : base + scaled(ticks, scale);
  }
  return -1;
}

}  // namespace cella::sandbox::core
