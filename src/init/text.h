// The few string functions that init needs. The compiler also wants memcpy, memset, memmove and memcmp (text.cc).
#pragma once

#include <stddef.h>

namespace cella::init {

inline size_t length(const char* text) {
  size_t n = 0;
  while (text[n] != '\0') ++n;
  return n;
}
inline bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}
inline bool starts_with(const char* text, const char* prefix) {
  while (*prefix != '\0')
    if (*text++ != *prefix++) return false;
  return true;
}
inline const char* find(const char* text, char c) {
  for (; *text != '\0'; ++text)
    if (*text == c) return text;
  return nullptr;
}

// A bounded text under construction: what does not fit is cut off, and `truncated` says so.
template <size_t N>
struct Text {
  char data[N] = {};
  size_t used = 0;
  bool truncated = false;

  Text& add(const char* text) { return add(text, length(text)); }
  Text& add(const char* text, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      if (used + 1 >= N) {
        truncated = true;
        break;
      }
      data[used++] = text[i];
    }
    data[used] = '\0';
    return *this;
  }
  Text& add_number(unsigned long value) {
    char digits[24];
    size_t at = sizeof digits;
    do digits[--at] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    return add(digits + at, sizeof digits - at);
  }
};

inline constexpr size_t kPathMax = 4096;
using Path = Text<kPathMax>;

}  // namespace cella::init
