// System calls without libc: arguments in, the kernel's return value out (negative errno on failure). For init/ alone.
#pragma once

#include <sys/syscall.h>

namespace cella::init {

#if defined(__x86_64__)
inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "init has no system call entry for this architecture"
#endif

template <typename T>
inline long as_long(T value) {
  return (long)value;
}

template <typename... Args>
inline long sys(long number, Args... args) {
  static_assert(sizeof...(Args) <= 6);
  long list[6] = {as_long(args)...};
  return syscall6(number, list[0], list[1], list[2], list[3], list[4], list[5]);
}

}  // namespace cella::init
