// Clocks: the time that guests are told. While the processor's time stamp counter can be trusted, it is a line over
// that counter, which is drawn anew every second to meet the host's clock, and which guests read themselves (the vDSO,
// core/clock_page.h); system calls read the same line, so that both agree. Else it is the host's clock.
//
// Off the host's CLOCK_MONOTONIC by less than a microsecond. A step of the host's real-time clock is seen within a
// second.
#pragma once

#include <array>
#include <ctime>

#include "sandbox/core/clock_page.h"
#include "sandbox/core/timer.h"
#include "sandbox/mm/memory_file.h"

namespace cella::sandbox::task {

class Clocks final : private core::Timer {
 public:
  // Both outlive it.
  Clocks(core::TimerQueue& timers, mm::MemoryFile& memory) : timers_(timers), memory_(memory) {}

  // Begins to measure; again: nothing. ENOMEM.
  SysResult<void> start();
  // No more, from here on: before the timers end.
  void stop() { cancel(); }
  // CLOCK_REALTIME, MONOTONIC, BOOTTIME, TAI and the coarse ones; others are the host's.
  core::Nanoseconds read(clockid_t clock);
  // Of the page in the memory file, once it has been started.
  uint64_t page_offset() const { return page_offset_; }

 private:
  struct Sample {
    uint64_t ticks = 0;
    core::Nanoseconds time = 0;
  };
  static Sample measure();
  void on_expiry() override;
  void calibrate();
  void give_up();
  using Offsets = std::array<core::Nanoseconds, core::ClockPage::kOffsets>;
  static Offsets measure_offsets();
  core::ClockPage& page() const;

  core::TimerQueue& timers_;
  mm::MemoryFile& memory_;
  bool is_started_ = false, is_given_up_ = false;
  uint64_t page_offset_ = 0;
  Sample first_, last_;
  core::Nanoseconds period_ = 0;
  core::Nanoseconds told_ = 0;  // when it was given up: what had been told by then
};

}  // namespace cella::sandbox::task
