#include "base/base64.h"

#include <cstdint>

namespace cella::base {
namespace {

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (; !text.empty(); text.remove_prefix(4)) {
    // Only the last group may have less than three bytes.
    const size_t padding = text.size() > 4 || text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    uint32_t group = 0;
    for (size_t i = 0; i < 4; ++i) {
      const int value = i < 4 - padding ? value_of(text[i]) : 0;
      if (value < 0) return std::nullopt;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    for (size_t i = 0; i < 3; ++i, group <<= 8) {
      const char byte = static_cast<char>(group >> 16 & 0xff);
      if (i < 3 - padding) {
        bytes += byte;
      } else if (byte != 0) {
        return std::nullopt;  // bits that no byte has
      }
    }
  }
  return bytes;
}

}  // namespace cella::base
