// Value: a JSON document (RFC 8259) in memory, for reading. Document owns it: the text and all nodes, in a few blocks.
//
// Not a tree to build or change: output goes through Writer, and structs are read with Schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <cella/error.h>

namespace cella::json {

enum class Kind : uint8_t {
  kNull,
  kBool,
  kInt,     // a negative integer
  kUint,    // zero or a positive integer
  kDouble,  // written with a fraction or an exponent, or too large for an integer
  kString,
  kArray,
  kObject,
};

struct Member;

// 16 bytes; a view into its Document. The accessors may be called for the right kind only.
class Value {
 public:
  Value() = default;
  explicit Value(bool b) : kind_(Kind::kBool), bool_(b) {}
  explicit Value(int64_t i) : kind_(i < 0 ? Kind::kInt : Kind::kUint), int_(i) {}
  explicit Value(uint64_t u) : kind_(Kind::kUint), uint_(u) {}
  explicit Value(double d) : kind_(Kind::kDouble), double_(d) {}
  explicit Value(std::string_view s) : kind_(Kind::kString), size_(static_cast<uint32_t>(s.size())), text_(s.data()) {}
  explicit Value(std::span<const Value> a)
      : kind_(Kind::kArray), size_(static_cast<uint32_t>(a.size())), items_(a.data()) {}
  explicit Value(std::span<const Member> o);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool boolean() const { return bool_; }
  int64_t integer() const { return int_; }
  uint64_t unsigned_integer() const { return uint_; }
  double number() const { return double_; }
  std::string_view string() const { return {text_, size_}; }
  std::span<const Value> array() const { return {items_, size_}; }
  std::span<const Member> object() const;  // in the order of the text

  // The member of an object, or nullptr; also for a Value that is no object.
  const Value* find(std::string_view key) const;

 private:
  Kind kind_ = Kind::kNull;
  uint32_t size_ = 0;
  union {
    bool bool_;
    int64_t int_;
    uint64_t uint_ = 0;
    double double_;
    const char* text_;
    const Value* items_;
    const Member* members_;
  };
};

struct Member {
  std::string_view key;
  Value value;
};

inline Value::Value(std::span<const Member> o)
    : kind_(Kind::kObject), size_(static_cast<uint32_t>(o.size())), members_(o.data()) {}
inline std::span<const Member> Value::object() const {
  return {members_, size_};
}

// "a string", "an object" …; numbers and booleans as their text, such as "-3" and "true": ends a sentence "…, not X".
std::string describe(const Value& value);

class Document {
 public:
  const Value& root() const { return root_; }

 private:
  friend class Builder;
  std::vector<std::unique_ptr<char[]>> blocks_;  // the text, its strings decoded in place; then the nodes
  Value root_;
};

inline constexpr size_t kMaximumNesting = 512;
inline constexpr size_t kMaximumSize = size_t{1} << 30;
inline constexpr size_t kMaximumValues = size_t{1} << 22;  // at most 48 bytes each while a document is read

// One document, nothing after it. Refused, with findings: what is not JSON (one finding, at "", that gives line and
// column), NUL bytes, invalid UTF-8, a byte order mark, nesting deeper than kMaximumNesting, more than kMaximumValues,
// duplicate keys (each at its pointer). A caller that gives `duplicates` finds those there instead, and has the
// document to look for what else is wrong with it.
std::expected<Document, std::vector<Finding>> parse(std::string_view text, std::vector<Finding>* duplicates = nullptr);

}  // namespace cella::json
