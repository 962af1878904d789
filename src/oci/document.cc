#include "oci/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "oci/notes.h"
#include "oci/parse.h"
#include "oci/spec_schema.h"

namespace cella::oci {
namespace {

using json::FieldInfo;
using json::Limits;
using json::Shape;

constexpr const char* kHead =
    R"(# config.json, field by field

Made by `tools/make-docs` from the tables in `src/oci/`; a test compares. The fields are those of the OCI runtime
specification {} for Linux; *since* is the version that brought the field.

Everything that is wrong is told at once, with the JSON pointer of each field, before anything is made. Beyond what is
listed here: no string that becomes a path, a name or an argument may hold NUL, and most no control character; a key may
be given once; null counts as absent; numbers are not converted; a document has at most {} levels, {} values and 64 MiB.
What is ignored is a warning, and an error with `--strict`; `cella lint` tells of both, and of what this host lacks.
)";

// The name of an integer type, or its bounds.
std::string integer_text(const Limits& type, const Limits& field) {
  const int64_t least = std::max(type.least, field.least);
  const uint64_t most = std::min(type.most, field.most);
  constexpr std::pair<const char*, Limits> kTypes[] = {
      {"uint16", {0, UINT16_MAX}},       {"uint32", {0, UINT32_MAX}},       {"uint64", {0, UINT64_MAX}},
      {"int32", {INT32_MIN, INT32_MAX}}, {"int64", {INT64_MIN, INT64_MAX}},
  };
  for (const auto& [name, limits] : kTypes)
    if (limits.least == least && limits.most == most) return name;
  return fmt::format("integer, {} to {}", least, most);
}

std::string type_text(const Shape& shape, const Limits& limits) {
  switch (shape.kind) {
    case Shape::kBool:
      return "boolean";
    case Shape::kInteger:
      return integer_text(shape.limits, limits);
    case Shape::kString:
      return "string";
    case Shape::kName: {
      std::string text;
      for (size_t i = 0; const char* name = shape.name(i); ++i)
        text += fmt::format("{}`{}`", i ? ", " : "one of ", name);
      return text;
    }
    case Shape::kArray:
      return "list of " + type_text(*shape.element, limits);
    case Shape::kMap:
      return "map to " + type_text(*shape.element, limits);
    case Shape::kObject:
      return "object";
    case Shape::kOther:
      break;
  }
  return "?";
}

// The object in a list or map, or the shape itself.
const Shape& innermost(const Shape& shape, std::string& pointer) {
  const Shape* inner = &shape;
  while (inner->element != nullptr) {
    pointer += "/*";
    inner = inner->element;
  }
  return *inner;
}

// "/linux/netDevices/*" reads "linux.netDevices[]".
std::string heading(const std::string& pointer) {
  if (pointer.empty()) return "The document";
  std::string text;
  for (size_t i = 1; i < pointer.size(); ++i) {
    if (pointer.compare(i, 2, "/*") == 0) {
      text += "[]";
      ++i;
    } else {
      text += pointer[i] == '/' ? '.' : pointer[i];
    }
  }
  return text;
}

class Generator {
 public:
  Document run() {
    for (const Note& note : notes()) notes_.emplace(note.pointer, &note);
    document_.text = fmt::format(kHead, kSpecVersion, json::kMaximumNesting, json::kMaximumValues);
    add_object("", json::Codec<Spec>::kShape);
    for (const auto& [pointer, note] : notes_)
      if (note != nullptr) document_.without_field.emplace_back(pointer);
    return std::move(document_);
  }

 private:
  struct Below {
    std::string pointer;
    const Shape* shape;
  };

  // A section, and those of the objects in it that have none yet.
  void add_object(const std::string& pointer, const Shape& shape) {
    seen_.emplace(&shape, pointer);
    document_.text += fmt::format("\n## {}\n\n| field | type | since | |\n|---|---|---|---|\n", heading(pointer));
    std::vector<Below> below;
    for (size_t i = 0; const FieldInfo* field = shape.field(i); ++i) add_field(pointer, *field, below);
    for (const Below& one : below)
      if (!seen_.contains(one.shape)) add_object(one.pointer, *one.shape);
  }

  void add_field(const std::string& pointer, const FieldInfo& field, std::vector<Below>& below) {
    std::string place = fmt::format("{}/{}", pointer, field.key);
    auto note = notes_.find(place);
    if (note == notes_.end()) {
      document_.without_note.push_back(place);
      return;
    }
    std::string text(note->second->text);
    const std::string_view since = note->second->since;
    note->second = nullptr;
    const Shape& inner = innermost(*field.shape, place);
    if (inner.kind == Shape::kObject) {
      below.push_back({place, &inner});
      auto described = seen_.find(&inner);
      if (described == seen_.end()) described = promised_.emplace(&inner, place).first;
      text += fmt::format("{}Fields: [{}](#{}).", text.empty() ? "" : " ", heading(described->second),
                          anchor(described->second));
    }
    document_.text += fmt::format("| `{}`{} | {} | {} | {} |\n", field.key, field.is_required ? " (required)" : "",
                                  type_text(*field.shape, field.limits), since, text);
  }

  // As GitHub makes it of a heading.
  static std::string anchor(const std::string& pointer) {
    std::string text;
    for (char c : heading(pointer))
      if (std::isalnum(static_cast<unsigned char>(c))) text += static_cast<char>(std::tolower(c));
    return text;
  }

  Document document_;
  std::map<std::string, const Note*, std::less<>> notes_;  // null: used
  std::map<const Shape*, std::string> seen_, promised_;    // by the place that describes it
};

}  // namespace

Document document_of_spec() {
  return Generator().run();
}

}  // namespace cella::oci
