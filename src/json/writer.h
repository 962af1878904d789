// Writer: JSON text, compact or indented as Go's json.MarshalIndent does it.
//
// The caller keeps the nesting right (checked by assertions only). Control characters are escaped; what is not UTF-8 is
// replaced by U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cella::json {

class Writer {
 public:
  // `indent` is one level: "\t", "    " …; empty: everything on one line without blanks.
  explicit Writer(std::string_view indent = {}) : indent_(indent) {}

  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }
  void key(std::string_view name);
  void string(std::string_view text);
  void integer(int64_t value);
  void unsigned_integer(uint64_t value);
  void number(double value);  // finite
  void boolean(bool value);
  void null();
  // Text that is already JSON.
  void raw(std::string_view json);

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void begin(char bracket);
  void end(char bracket);
  void before_value();
  void new_line();
  void append_string(std::string_view text);

  std::string indent_;
  std::string out_;
  std::vector<bool> empty_;  // per open container: has it no element yet?
  bool after_key_ = false;
};

}  // namespace cella::json
