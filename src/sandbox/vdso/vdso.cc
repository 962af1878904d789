// The vDSO: code of ours in every guest, which tells the time and the processor without a system call, vdso(7). A
// program of its own: no C library, no data but the ClockPage, which is mapped in front of it. Where that does not
// say, the kernel is asked as if there were no vDSO.
#include "sandbox/core/clock_page.h"

namespace {

using cella::sandbox::core::ClockPage;

struct Timespec {
  int64_t seconds, nanoseconds;
};
struct Timeval {
  int64_t seconds, microseconds;
};
struct Timezone {
  int32_t west, dst;
};

constexpr int64_t kSecond = 1'000'000'000;
enum Call { kGettimeofday = 96, kTime = 201, kClockGettime = 228, kGetcpu = 309 };

long call(long number, long a, long b, long c) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}
template <typename T>
long address(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

// -1: not one that the page has.
int offset_of(int clock) {
  switch (clock) {
    case 0:  // CLOCK_REALTIME, and CLOCK_REALTIME_COARSE
    case 5:
      return ClockPage::kRealtime;
    case 1:  // CLOCK_MONOTONIC, and CLOCK_MONOTONIC_COARSE
    case 6:
      return ClockPage::kMonotonic;
    case 7:
      return ClockPage::kBoottime;
    case 11:
      return ClockPage::kTai;
    default:
      return -1;
  }
}

}  // namespace

extern "C" {

extern const ClockPage clock_page __attribute__((visibility("hidden")));

#define CELLA_EXPORT __attribute__((visibility("default")))

CELLA_EXPORT int __vdso_clock_gettime(int clock, Timespec* to) {
  const int which = offset_of(clock);
  const int64_t now = which < 0 ? -1 : read_clock_page(clock_page, static_cast<ClockPage::Offset>(which));
  if (now < 0) return static_cast<int>(call(kClockGettime, clock, address(to), 0));
  to->seconds = now / kSecond;
  to->nanoseconds = now % kSecond;
  return 0;
}

CELLA_EXPORT int __vdso_gettimeofday(Timeval* to, Timezone* zone) {
  const int64_t now = read_clock_page(clock_page, ClockPage::kRealtime);
  if (now < 0) return static_cast<int>(call(kGettimeofday, address(to), address(zone), 0));
  if (to != nullptr) *to = {now / kSecond, now % kSecond / 1000};
  if (zone != nullptr) *zone = {0, 0};
  return 0;
}

CELLA_EXPORT int64_t __vdso_time(int64_t* to) {
  const int64_t now = read_clock_page(clock_page, ClockPage::kRealtime);
  if (now < 0) return call(kTime, address(to), 0, 0);
  if (to != nullptr) *to = now / kSecond;
  return now / kSecond;
}

// The host keeps the processor's number where rdtscp finds it, in the low 12 bits, and the node above. The kernel's
// sched_getcpu(3) for this guest is no other.
CELLA_EXPORT long __vdso_getcpu(unsigned* cpu, unsigned* node, void*) {
  if (__atomic_load_n(&clock_page.has_number, __ATOMIC_RELAXED) == 0)
    return call(kGetcpu, address(cpu), address(node), 0);
  uint32_t low, high, number;
  asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(number));
  if (cpu != nullptr) *cpu = number & 0xfff;
  if (node != nullptr) *node = 0;
  return 0;
}

int clock_gettime(int, Timespec*) __attribute__((weak, alias("__vdso_clock_gettime"), visibility("default")));
int gettimeofday(Timeval*, Timezone*) __attribute__((weak, alias("__vdso_gettimeofday"), visibility("default")));
int64_t time(int64_t*) __attribute__((weak, alias("__vdso_time"), visibility("default")));
long getcpu(unsigned*, unsigned*, void*) __attribute__((weak, alias("__vdso_getcpu"), visibility("default")));
}
