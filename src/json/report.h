// Report: the findings of one pass over a JSON document, and where in the document the pass is.
//
// The place is kept as a stack of keys and indices that cost nothing until something is wrong; a finding turns it into
// an RFC 6901 pointer. The number of findings is bounded, and a pointer shows at most 256 bytes of a key, so that a
// hostile document cannot make the report larger than itself.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cella/error.h>

namespace cella::json {

// Appends "/key" with '~' and '/' escaped; what is beyond 256 bytes becomes "…".
void append_pointer(std::string& pointer, std::string_view key);
void append_pointer(std::string& pointer, size_t index);
// A string as a message shows it: quoted, control characters escaped, cut after 64 bytes.
std::string quoted(std::string_view text);

class Report {
 public:
  static constexpr size_t kMaximum = 500;  // findings; and as many warnings

  std::vector<Finding> findings;
  std::vector<Finding> warnings;

  // Something is wrong at the current place.
  template <typename... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    if (has_room(findings)) add(findings, pointer(), fmt::format(format, std::forward<Args>(args)...));
  }
  // The same for a member of the current place.
  template <typename... Args>
  void fail_in(std::string_view key, fmt::format_string<Args...> format, Args&&... args) {
    if (has_room(findings)) add(findings, pointer(key), fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    if (has_room(warnings)) add(warnings, pointer(), fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void warn_in(std::string_view key, fmt::format_string<Args...> format, Args&&... args) {
    if (has_room(warnings)) add(warnings, pointer(key), fmt::format(format, std::forward<Args>(args)...));
  }

  // From here on a finding or warning counts only where nothing was found before: at its place, above or below.
  void only_new() { first_new_ = findings.size(); }
  // Was anything found at this pointer, above or below it, before only_new()?
  bool touched(std::string_view pointer) const;

  // No further finding would be kept: a pass may as well end.
  bool is_full() const { return !has_room(findings); }

  std::string pointer() const;
  std::string pointer(std::string_view key) const;

 private:
  friend class At;
  struct Segment {
    std::string_view key;  // data() == nullptr: an index
    size_t index;
  };
  static bool has_room(const std::vector<Finding>& list) { return list.size() <= kMaximum; }
  void add(std::vector<Finding>& list, std::string pointer, std::string message);

  std::vector<Segment> place_;
  size_t first_new_ = 0;
};

// The pass is inside a member or an element for as long as this object lives.
class At {
 public:
  At(Report& report, std::string_view key) : report_(report) {
    report.place_.push_back({key.data() != nullptr ? key : std::string_view(""), 0});
  }
  At(Report& report, size_t index) : report_(report) { report.place_.push_back({{}, index}); }
  At(const At&) = delete;
  At& operator=(const At&) = delete;
  ~At() { report_.place_.pop_back(); }

 private:
  Report& report_;
};

}  // namespace cella::json
