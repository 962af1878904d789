#include "sandbox/task/clocks.h"

#include <cpuid.h>

#include <algorithm>
#include <new>

#include "base/result.h"

namespace cella::sandbox::task {
namespace {

using core::ClockPage;
using core::Nanoseconds;

constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kFirstPeriod = 10 * kMillisecond;
constexpr Nanoseconds kWorst = 10 * kMillisecond;  // an error that no clock has that can be trusted
constexpr Nanoseconds kStep = 2000;                // less is what measuring makes of an offset
constexpr Nanoseconds kValid = 5 * core::kSecond;

// Does the counter run at one rate, whatever the processor does?
bool has_steady_counter() {
  constexpr unsigned kLeaf = 0x80000007, kInvariant = 1 << 8;
  unsigned a, b, c, d;
  return __get_cpuid(kLeaf, &a, &b, &c, &d) != 0 && (d & kInvariant);
}

bool has_rdtscp() {
  constexpr unsigned kLeaf = 0x80000001, kRdtscp = 1 << 27;
  unsigned a, b, c, d;
  return __get_cpuid(kLeaf, &a, &b, &c, &d) != 0 && (d & kRdtscp);
}

template <typename T>
void put(T& field, T value) {
  __atomic_store_n(&field, value, __ATOMIC_RELAXED);
}

}  // namespace

ClockPage& Clocks::page() const {
  return *reinterpret_cast<ClockPage*>(memory_.pointer(page_offset_));
}

SysResult<void> Clocks::start() {
  if (is_started_) return {};
  page_offset_ = TRY(memory_.allocate(mm::kPageSize));
  new (&page()) ClockPage{};
  page().has_number = has_rdtscp();
  is_started_ = true;
  is_given_up_ = !has_steady_counter();
  if (is_given_up_) return {};
  first_ = last_ = measure();
  period_ = kFirstPeriod;
  timers_.set(*this, core::now() + period_);
  return {};
}

// Of several readings the one that took the least time: nothing came between.
Clocks::Sample Clocks::measure() {
  constexpr int kReadings = 12;
  Sample best;
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < kReadings; ++i) {
    const uint64_t before = core::time_stamp();
    const Nanoseconds time = core::now();
    const uint64_t width = core::time_stamp() - before;
    if (width >= least) continue;
    least = width;
    best = {before + width / 2, time};
  }
  return best;
}

Clocks::Offsets Clocks::measure_offsets() {
  static constexpr std::pair<ClockPage::Offset, clockid_t> kClocks[] = {
      {ClockPage::kRealtime, CLOCK_REALTIME}, {ClockPage::kBoottime, CLOCK_BOOTTIME}, {ClockPage::kTai, CLOCK_TAI}};
  Offsets offsets = {};
  for (const auto& [which, clock] : kClocks) {
    Nanoseconds least = core::kNever;
    for (int i = 0; i < 5; ++i) {
      const Nanoseconds before = core::now(), time = core::now(clock), after = core::now();
      if (after - before >= least) continue;
      least = after - before;
      offsets[which] = time - (before + least / 2);
    }
  }
  return offsets;
}

void Clocks::on_expiry() {
  calibrate();
  if (is_given_up_) return;
  period_ = std::min(period_ * 10, core::kSecond);
  timers_.set(*this, core::now() + period_);
}

void Clocks::calibrate() {
  ClockPage& to = page();
  const Sample now = measure();
  if (now.ticks <= last_.ticks || now.time <= last_.time) return give_up();
  // The host's rate since the last time; at first since the beginning, which is longer.
  const Sample& since = to.is_usable ? last_ : first_;
  const double rate = static_cast<double>(now.time - since.time) / static_cast<double>(now.ticks - since.ticks);
  const Nanoseconds next = std::min(period_ * 10, core::kSecond);
  const double ticks = static_cast<double>(next) / rate;

  const Offsets offsets = measure_offsets();
  put(to.sequence, to.sequence + 1);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  const uint64_t start = core::time_stamp();
  auto host_at = [&](double after) {
    return static_cast<double>(now.time) + rate * (static_cast<double>(start - now.ticks) + after);
  };
  // Goes on where it is, and meets the host's clock when it is drawn next.
  auto begin = static_cast<Nanoseconds>(host_at(0));
  if (to.is_usable) {
    const Nanoseconds told = to.monotonic + core::scaled(start - to.start, to.scale);
    if (told - begin > kWorst) {
      put(to.sequence, to.sequence + 1);
      return give_up();
    }
    if (begin - told < kWorst) begin = told;  // else the machine has slept, and time jumps
  }
  const double slope = std::clamp((host_at(ticks) - static_cast<double>(begin)) / ticks, rate * 0.99, rate * 1.01);
  constexpr double kOne = static_cast<double>(uint64_t{1} << ClockPage::kShift);
  put(to.start, start);
  put(to.monotonic, begin);
  put(to.scale, static_cast<uint64_t>(slope * kOne));
  put(to.most, static_cast<uint64_t>(static_cast<double>(kValid) / rate));
  for (size_t i = 0; i < offsets.size(); ++i) {
    const Nanoseconds change = offsets[i] - to.offsets[i];
    if (change > kStep || change < -kStep) put<int64_t>(to.offsets[i], offsets[i]);
  }
  put(to.is_usable, uint32_t{1});
  __atomic_store_n(&to.sequence, to.sequence + 1, __ATOMIC_RELEASE);
  last_ = now;
}

void Clocks::give_up() {
  ClockPage& to = page();
  if (to.is_usable) told_ = to.monotonic + core::scaled(core::time_stamp() - to.start, to.scale);
  is_given_up_ = true;
  put(to.is_usable, uint32_t{0});
}

Nanoseconds Clocks::read(clockid_t clock) {
  ClockPage::Offset which = ClockPage::kMonotonic;
  switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
      break;
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
      which = ClockPage::kRealtime;
      break;
    case CLOCK_BOOTTIME:
      which = ClockPage::kBoottime;
      break;
    case CLOCK_TAI:
      which = ClockPage::kTai;
      break;
    default:
      return core::now(clock);
  }
  if (is_started_ && !is_given_up_ && page().is_usable) {
    if (const int64_t time = core::read_clock_page(page(), which); time >= 0) return time;
    calibrate();  // nobody did for too long
    if (const int64_t time = core::read_clock_page(page(), which); time >= 0) return time;
  }
  const Nanoseconds now = core::now(clock);
  return which == ClockPage::kMonotonic ? std::max(now, told_) : now;
}

}  // namespace cella::sandbox::task
