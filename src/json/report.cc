#include "json/report.h"

#include <algorithm>

namespace cella::json {
namespace {

// Is `outer` the same place as `inner`, or one above it?
bool contains(std::string_view outer, std::string_view inner) {
  return inner.starts_with(outer) && (inner.size() == outer.size() || inner[outer.size()] == '/');
}

// At most `limit` bytes, and whole characters.
std::string_view head_of(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace

void append_pointer(std::string& pointer, std::string_view key) {
  constexpr size_t kShown = 256;  // of a key: no legal one is longer
  pointer += '/';
  for (char c : head_of(key, kShown)) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  if (key.size() > kShown) pointer += "…";
}

void append_pointer(std::string& pointer, size_t index) {
  pointer += '/';
  pointer += std::to_string(index);
}

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 64;
  std::string out = "\"";
  const std::string_view head = head_of(text, kShown);
  for (char c : head) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  out += head.size() < text.size() ? "\"…" : "\"";
  return out;
}

std::string Report::pointer() const {
  std::string out;
  for (const Segment& segment : place_) {
    if (segment.key.data() != nullptr) {
      append_pointer(out, segment.key);
    } else {
      append_pointer(out, segment.index);
    }
  }
  return out;
}

std::string Report::pointer(std::string_view key) const {
  std::string out = pointer();
  append_pointer(out, key);
  return out;
}

bool Report::touched(std::string_view pointer) const {
  return std::any_of(findings.begin(), findings.begin() + static_cast<std::ptrdiff_t>(first_new_),
                     [&](const Finding& f) { return contains(f.pointer, pointer) || contains(pointer, f.pointer); });
}

void Report::add(std::vector<Finding>& list, std::string pointer, std::string message) {
  if (list.size() == kMaximum) {
    list.push_back({"", fmt::format("has more than {} findings; the rest is not listed", kMaximum)});
    return;
  }
  if (touched(pointer)) return;
  list.push_back({std::move(pointer), std::move(message)});
}

}  // namespace cella::json
