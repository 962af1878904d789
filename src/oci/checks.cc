#include "oci/checks.h"

#include <linux/limits.h>
#include <net/if.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>

namespace cella::oci {
namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

const char* text_error(std::string_view text) {
  for (char c : text) {
    if (c == '\0') return "must not contain NUL";
    if (is_control(c)) return "must not contain control characters";
  }
  return nullptr;
}

const char* path_error(std::string_view path, PathRule rule) {
  if (path.empty()) return "must not be empty";
  if (const char* error = text_error(path)) return error;
  if (path.size() >= PATH_MAX) return "must be at most 4095 bytes long";
  if (rule == PathRule::kAbsolute && path[0] != '/') return "must be an absolute path";
  return nullptr;
}
static_assert(PATH_MAX == 4096);

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

bool parse_number(std::string_view text, uint32_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool report_at(json::Report& report, const char* error) {
  if (error != nullptr) report.fail("{}", error);
  return error == nullptr;
}
bool report_in(json::Report& report, std::string_view key, const char* error) {
  if (error != nullptr) report.fail_in(key, "{}", error);
  return error == nullptr;
}

}  // namespace

bool check_text(json::Report& report, std::string_view key, std::string_view text) {
  return report_in(report, key, text_error(text));
}
bool check_text(json::Report& report, std::string_view text) {
  return report_at(report, text_error(text));
}

bool check_label(json::Report& report, std::string_view key, std::string_view text) {
  constexpr size_t kPage = 4096;
  if (!check_text(report, key, text)) return false;
  return report_in(report, key, text.size() < kPage ? nullptr : "must be at most 4095 bytes long");
}

bool check_no_nul(json::Report& report, std::string_view text) {
  return report_at(report, text.find('\0') == std::string_view::npos ? nullptr : "must not contain NUL");
}

void check_arguments(json::Report& report, std::string_view key, const std::vector<std::string>& strings) {
  // MAX_ARG_STRLEN, with the NUL. sysconf(3) makes no system call for this one.
  const size_t most = static_cast<size_t>(::sysconf(_SC_PAGESIZE)) * 32;
  json::At at(report, key);
  for (size_t i = 0; i < strings.size(); ++i) {
    json::At item(report, i);
    if (!check_no_nul(report, strings[i]) || strings[i].size() < most) continue;
    report.fail("must be at most {} bytes long, not {}", most - 1, strings[i].size());
  }
}

bool check_path(json::Report& report, std::string_view key, std::string_view path, PathRule rule) {
  return report_in(report, key, path_error(path, rule));
}
bool check_path(json::Report& report, std::string_view path, PathRule rule) {
  return report_at(report, path_error(path, rule));
}

const char* list_error(std::string_view list, uint64_t& count) {
  count = 0;
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view range = trim(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    if (range.empty()) continue;
    size_t dash = range.find('-');
    uint32_t first = 0, last = 0;
    if (!parse_number(trim(range.substr(0, dash)), first))
      return "must be a list of numbers and ranges such as \"0-3,7\"";
    last = first;
    if (dash != std::string_view::npos && !parse_number(trim(range.substr(dash + 1)), last)) {
      return "must be a list of numbers and ranges such as \"0-3,7\"";
    }
    if (last < first) return "has a range whose end is below its start";
    if (last >= 65536) return "has a number above 65535";
    count += last - first + 1;
  }
  return nullptr;
}

bool check_list(json::Report& report, std::string_view key, std::string_view list) {
  uint64_t count = 0;
  return report_in(report, key, list_error(list, count));
}

bool is_interface_name(std::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  for (char c : name)
    if (c == '/' || c == ':' || c == ' ' || is_control(c)) return false;
  return true;
}

}  // namespace cella::oci
