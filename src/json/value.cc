#include "json/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "json/report.h"

#define RAPIDJSON_NAMESPACE cella_rapidjson  // our settings, whatever a program that embeds us sets
#define RAPIDJSON_NAMESPACE_BEGIN namespace cella_rapidjson {
#define RAPIDJSON_NAMESPACE_END }
#define RAPIDJSON_HAS_STDSTRING 0
#ifdef __SSE2__
#define RAPIDJSON_SSE2
#endif
#include <rapidjson/reader.h>

namespace cella::json {
namespace {

constexpr size_t kPadding = 32;   // the SSE2 scanner reads whole blocks of 16
constexpr size_t kPairwise = 16;  // members of an object up to which keys are compared pair by pair

constexpr unsigned kFlags =
    cella_rapidjson::kParseInsituFlag | cella_rapidjson::kParseIterativeFlag | cella_rapidjson::kParseFullPrecisionFlag;

const char* error_text(cella_rapidjson::ParseErrorCode code) {
  switch (code) {
    case cella_rapidjson::kParseErrorDocumentEmpty:
      return "the document is empty";
    case cella_rapidjson::kParseErrorDocumentRootNotSingular:
      return "something follows the document";
    case cella_rapidjson::kParseErrorValueInvalid:
      return "a value is expected here";
    case cella_rapidjson::kParseErrorObjectMissName:
      return "a member's name is expected here";
    case cella_rapidjson::kParseErrorObjectMissColon:
      return "a colon is expected after a member's name";
    case cella_rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
      return "a comma or '}' is expected after a member";
    case cella_rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
      return "a comma or ']' is expected after an element";
    case cella_rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
      return "\\u is followed by no four hex digits";
    case cella_rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
      return "half of a surrogate pair";
    case cella_rapidjson::kParseErrorStringEscapeInvalid:
      return "unknown escape in a string";
    case cella_rapidjson::kParseErrorStringMissQuotationMark:
      return "a string has no closing quote";
    case cella_rapidjson::kParseErrorStringInvalidEncoding:
      return "a control character in a string";
    case cella_rapidjson::kParseErrorNumberTooBig:
      return "a number is too large";
    case cella_rapidjson::kParseErrorNumberMissFraction:
      return "a digit is expected after the decimal point";
    case cella_rapidjson::kParseErrorNumberMissExponent:
      return "a digit is expected in the exponent";
    default:
      return "syntax error";
  }
}

// "line 3, column 7", both from 1; columns are bytes.
std::string position(std::string_view text, size_t offset) {
  std::string_view before = text.substr(0, offset);
  auto line = 1 + std::count(before.begin(), before.end(), '\n');
  size_t start = before.rfind('\n');
  size_t column = start == std::string_view::npos ? offset + 1 : offset - start;
  return fmt::format("line {}, column {}", line, column);
}

std::vector<Finding> syntax_error(std::string_view text, size_t offset, const char* what) {
  return {{"", fmt::format("is not valid JSON: {}: {}", position(text, offset), what)}};
}

// The offset of the first byte that is NUL or not UTF-8 (RFC 3629); text.size() when there is none.
size_t first_bad_byte(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  size_t i = 0;
  const size_t n = text.size();
  while (i < n) {
    if (i + 8 <= n) {
      uint64_t word;
      memcpy(&word, p + i, sizeof word);
      constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
      if (((word | (word - kOnes)) & kHighs) == 0) {  // all ASCII and none of them NUL
        i += 8;
        continue;
      }
    }
    unsigned char c = p[i];
    if (c == 0) return i;
    if (c < 0x80) {
      ++i;
      continue;
    }
    size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || i + length > n) return i;
    unsigned char second = p[i + 1];
    if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) || (c == 0xF0 && second < 0x90) ||
        (c == 0xF4 && second > 0x8F)) {
      return i;
    }
    for (size_t k = 1; k < length; ++k)
      if ((p[i + k] & 0xC0) != 0x80) return i;
    i += length;
  }
  return n;
}

}  // namespace

// Takes the reader's events. Finished elements wait on one stack; when their container ends they move to the arena.
class Builder {
 public:
  explicit Builder(size_t text_size) { block_size_ = std::clamp<size_t>(text_size, 4096, 1 << 20); }

  char* copy_text(std::string_view text) {
    auto block = std::make_unique_for_overwrite<char[]>(text.size() + kPadding);
    memcpy(block.get(), text.data(), text.size());
    memset(block.get() + text.size(), 0, kPadding);
    document_.blocks_.push_back(std::move(block));
    return document_.blocks_.back().get();
  }
  // What the document has too much of, or "".
  const std::string& excess() const { return excess_; }
  std::vector<Finding> take_duplicates() { return std::move(duplicates_.findings); }
  Document take() { return std::move(document_); }

  bool Null() { return add(Value()); }
  bool Bool(bool b) { return add(Value(b)); }
  bool Int(int i) { return add(Value(int64_t{i})); }
  bool Uint(unsigned u) { return add(Value(uint64_t{u})); }
  bool Int64(int64_t i) { return add(Value(i)); }
  bool Uint64(uint64_t u) { return add(Value(u)); }
  bool Double(double d) { return add(Value(d)); }
  bool RawNumber(const char*, unsigned, bool) { return false; }  // only with a flag that is not set
  bool String(const char* s, unsigned length, bool) { return add(Value(std::string_view(s, length))); }
  bool Key(const char* s, unsigned length, bool) {
    frames_.back().key = std::string_view(s, length);
    return true;
  }
  bool StartObject() { return start(true); }
  bool StartArray() { return start(false); }
  bool EndArray(unsigned) {
    size_t start = frames_.back().start, count = stack_.size() - start;
    auto* items = static_cast<Value*>(allocate(count * sizeof(Value)));
    for (size_t i = 0; i < count; ++i) new (items + i) Value(stack_[start + i].value);
    return end(Value(std::span<const Value>(items, count)));
  }
  bool EndObject(unsigned) {
    size_t start = frames_.back().start, count = stack_.size() - start;
    auto* members = static_cast<Member*>(allocate(count * sizeof(Member)));
    for (size_t i = 0; i < count; ++i) new (members + i) Member(stack_[start + i]);
    find_duplicates({members, count});
    return end(Value(std::span<const Member>(members, count)));
  }

 private:
  struct Frame {
    bool object;
    size_t start;          // of its elements on the stack
    std::string_view key;  // of the member that is being read
  };

  bool add(Value value) {
    if (++values_ > kMaximumValues) {
      excess_ = fmt::format("has more than {} values", kMaximumValues);
      return false;
    }
    if (frames_.empty()) {
      document_.root_ = value;
    } else {
      stack_.push_back({frames_.back().key, value});
    }
    return true;
  }
  bool start(bool object) {
    if (frames_.size() == kMaximumNesting) {
      excess_ = fmt::format("is nested deeper than {} levels", kMaximumNesting);
      return false;
    }
    frames_.push_back({object, stack_.size(), {}});
    return true;
  }
  bool end(Value value) {
    stack_.resize(frames_.back().start);
    frames_.pop_back();
    return add(value);
  }

  void find_duplicates(std::span<const Member> members) {
    if (members.size() <= kPairwise) {
      for (size_t i = 1; i < members.size(); ++i)
        for (size_t j = 0; j < i; ++j)
          if (members[i].key == members[j].key) {
            report_duplicate(members[i].key);
            break;
          }
      return;
    }
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const Member& member : members) keys.push_back(member.key);
    std::sort(keys.begin(), keys.end());
    for (size_t i = 1; i < keys.size(); ++i)
      if (keys[i] == keys[i - 1]) report_duplicate(keys[i]);
  }
  void report_duplicate(std::string_view key) {
    if (duplicates_.findings.size() > Report::kMaximum) return;
    std::string pointer;
    for (size_t i = 0; i + 1 < frames_.size(); ++i) {
      if (frames_[i].object) {
        append_pointer(pointer, frames_[i].key);
      } else {
        append_pointer(pointer, frames_[i + 1].start - frames_[i].start);
      }
    }
    append_pointer(pointer, key);
    duplicates_.findings.push_back({std::move(pointer), "is given more than once"});
  }

  void* allocate(size_t size) {  // every size is a multiple of 8
    if (size > left_) {
      left_ = std::max(block_size_, size);
      document_.blocks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
      next_ = document_.blocks_.back().get();
    }
    void* memory = next_;
    next_ += size;
    left_ -= size;
    return memory;
  }

  Document document_;
  std::vector<Frame> frames_;
  std::vector<Member> stack_;
  Report duplicates_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t block_size_;
  size_t values_ = 0;
  std::string excess_;
};

const Value* Value::find(std::string_view key) const {
  if (kind_ != Kind::kObject) return nullptr;
  for (const Member& member : object())
    if (member.key == key) return &member.value;
  return nullptr;
}

std::string describe(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return value.boolean() ? "true" : "false";
    case Kind::kInt:
      return fmt::to_string(value.integer());
    case Kind::kUint:
      return fmt::to_string(value.unsigned_integer());
    case Kind::kDouble: {
      std::string text = fmt::to_string(value.number());
      return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
    }
    case Kind::kString:
      return "a string";
    case Kind::kArray:
      return "an array";
    case Kind::kObject:
      return "an object";
  }
  return "nothing";
}

std::expected<Document, std::vector<Finding>> parse(std::string_view text, std::vector<Finding>* duplicates) {
  if (text.size() > kMaximumSize) {
    return std::unexpected(std::vector<Finding>{{"", fmt::format("is larger than {} bytes", kMaximumSize)}});
  }
  if (text.starts_with("\xEF\xBB\xBF")) {  // RFC 8259, section 8.1, forbids one
    return std::unexpected(syntax_error(text, 0, "a byte order mark"));
  }
  if (size_t bad = first_bad_byte(text); bad != text.size()) {
    return std::unexpected(syntax_error(text, bad, text[bad] == 0 ? "a NUL byte" : "invalid UTF-8"));
  }
  Builder builder(text.size());
  cella_rapidjson::InsituStringStream stream(builder.copy_text(text));
  cella_rapidjson::Reader reader;
  reader.Parse<kFlags>(stream, builder);
  if (!builder.excess().empty()) {
    size_t offset = std::min(reader.GetErrorOffset(), text.size());
    return std::unexpected(std::vector<Finding>{{"", fmt::format("{}: {}", builder.excess(), position(text, offset))}});
  }
  if (reader.HasParseError()) {
    size_t offset = std::min(reader.GetErrorOffset(), text.size());
    const char* what = error_text(reader.GetParseErrorCode());
    // The reader calls a bare control character an escape.
    if (reader.GetParseErrorCode() == cella_rapidjson::kParseErrorStringEscapeInvalid && offset < text.size() &&
        text[offset] != '\\') {
      what = error_text(cella_rapidjson::kParseErrorStringInvalidEncoding);
    }
    return std::unexpected(syntax_error(text, offset, what));
  }
  std::vector<Finding> found = builder.take_duplicates();
  if (duplicates != nullptr) {
    *duplicates = std::move(found);
  } else if (!found.empty()) {
    return std::unexpected(std::move(found));
  }
  return builder.take();
}

}  // namespace cella::json
