#include "json/writer.h"

#include <fmt/format.h>

#include <cassert>

namespace cella::json {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// The length of the UTF-8 character at `p` (`left` bytes follow, at least one); 0 when it is none.
size_t character_length(const unsigned char* p, size_t left) {
  unsigned char c = p[0];
  size_t length = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
  if (length == 1) return 1;
  if (c < 0xC2 || c > 0xF4 || left < length) return 0;
  if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) || (c == 0xF0 && p[1] < 0x90) ||
      (c == 0xF4 && p[1] > 0x8F)) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i)
    if ((p[i] & 0xC0) != 0x80) return 0;
  return length;
}

}  // namespace

void Writer::begin(char bracket) {
  before_value();
  out_ += bracket;
  empty_.push_back(true);
}

void Writer::end(char bracket) {
  assert(!empty_.empty() && !after_key_);
  bool was_empty = empty_.back();
  empty_.pop_back();
  if (!was_empty) new_line();
  out_ += bracket;
}

void Writer::new_line() {
  if (indent_.empty()) return;
  out_ += '\n';
  for (size_t i = 0; i < empty_.size(); ++i) out_ += indent_;
}

void Writer::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (empty_.empty()) return;
  if (!empty_.back()) out_ += ',';
  empty_.back() = false;
  new_line();
}

void Writer::key(std::string_view name) {
  assert(!after_key_);
  before_value();
  append_string(name);
  out_ += ':';
  if (!indent_.empty()) out_ += ' ';
  after_key_ = true;
}

void Writer::string(std::string_view text) {
  before_value();
  append_string(text);
}

void Writer::integer(int64_t value) {
  before_value();
  out_ += fmt::format_int(value).c_str();
}

void Writer::unsigned_integer(uint64_t value) {
  before_value();
  out_ += fmt::format_int(value).c_str();
}

void Writer::number(double value) {
  before_value();
  out_ += fmt::to_string(value);
}

void Writer::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
}

void Writer::null() {
  before_value();
  out_ += "null";
}

void Writer::raw(std::string_view json) {
  before_value();
  out_ += json;
}

void Writer::append_string(std::string_view text) {
  out_ += '"';
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  size_t plain = 0;  // start of what can be copied as it is
  for (size_t i = 0; i < text.size();) {
    unsigned char c = p[i];
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    size_t length = character_length(p + i, text.size() - i);
    if (c >= 0x80 && length > 0) {
      i += length;
      continue;
    }
    out_.append(text, plain, i - plain);
    switch (c) {
      case '"':
        out_ += "\\\"";
        break;
      case '\\':
        out_ += "\\\\";
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\r':
        out_ += "\\r";
        break;
      case '\t':
        out_ += "\\t";
        break;
      default:
        if (c >= 0x80) {
          out_ += "\\ufffd";
        } else {
          out_ += "\\u00";
          out_ += kHex[c >> 4];
          out_ += kHex[c & 15];
        }
    }
    plain = ++i;
  }
  out_.append(text, plain);
  out_ += '"';
}

}  // namespace cella::json
