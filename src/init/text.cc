#include <stddef.h>

// The compiler calls these for copies and zeroing of its own.
extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t n) {
  auto* t = static_cast<unsigned char*>(to);
  auto* f = static_cast<const unsigned char*>(from);
  while (n-- > 0) *t++ = *f++;
  return to;
}

void* memmove(void* to, const void* from, size_t n) {
  auto* t = static_cast<unsigned char*>(to);
  auto* f = static_cast<const unsigned char*>(from);
  if (t < f) {
    while (n-- > 0) *t++ = *f++;
  } else {
    while (n-- > 0) t[n] = f[n];
  }
  return to;
}

void* memset(void* to, int value, size_t n) {
  auto* t = static_cast<unsigned char*>(to);
  while (n-- > 0) *t++ = static_cast<unsigned char>(value);
  return to;
}

int memcmp(const void* a, const void* b, size_t n) {
  auto* x = static_cast<const unsigned char*>(a);
  auto* y = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < n; ++i)
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}
}
