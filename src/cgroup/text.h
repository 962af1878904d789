// Small pieces of text parsing for procfs and cgroupfs files. No allocation but in results; nothing here does I/O.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cella::cgroup {

// Takes the text up to `separator` (or all of it) off the front of `text`.
inline std::string_view take_until(std::string_view& text, char separator) {
  size_t at = text.find(separator);
  std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

// Calls f(line) for every line, without its newline.
template <typename F>
void for_each_line(std::string_view text, F f) {
  while (!text.empty()) f(take_until(text, '\n'));
}

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

// A path of mountinfo, which writes space, tab, newline and backslash as \ooo, proc_pid_mountinfo(5).
inline std::string unescape(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// The whole text as a decimal number; nullopt for anything else, also for what does not fit.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// A cgroup file's single number; "max" and what is larger than a uint64 is UINT64_MAX, "-1" too (v1's unlimited).
inline uint64_t parse_limit(std::string_view text) {
  text = trim(text);
  if (text.empty()) return 0;
  if (text == "max" || text == "-1") return UINT64_MAX;
  return parse_number<uint64_t>(text).value_or(UINT64_MAX);
}

// The number after "key " in a flat keyed file (memory.events, cgroup.events, cpu.stat).
inline std::optional<uint64_t> find_key(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ') {
      return parse_number<uint64_t>(line.substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

}  // namespace cella::cgroup
