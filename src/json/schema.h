// Schema: a struct's JSON form as a table, one line a field, that both reads and writes it.
//
//   std::span<const json::Field<Hook>> fields_of(json::Type<Hook>) {
//     static constexpr json::Field<Hook> kFields[] = {
//         json::field<&Hook::path>("path").required(),
//         json::field<&Hook::timeout>("timeout").range(1, INT32_MAX),
//     };
//     return kFields;
//   }
//
// The function stands in the struct's own namespace (it is found by its argument). How a member reads and writes
// follows from its type: bool, integers, double, string, enums (with a table of names: names_of), std::vector, std::map
// by string, std::optional, other structs with a table. More member pointers reach into a member, so that its fields
// stand in the outer object: field<&Cgroup::resources, &Resources::memory>("memory"). field_as<Codec, …> overrides the
// type.
//
// Reading follows Go where callers rely on it: null counts as absent and unknown keys are ignored (warnings). It is
// stricter where Go would guess: no conversion between types, no fractions or overflow in integers.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "json/report.h"
#include "json/value.h"
#include "json/writer.h"

namespace cella::json {

template <typename T>
struct Type {};

// names_of(Type<E>) gives the names of an enum's values; the first name of a value is the one written.
template <typename E>
struct Name {
  const char* text;
  E value;
};

// What an integer field accepts besides the limits of its type.
struct Limits {
  int64_t least = std::numeric_limits<int64_t>::min();
  uint64_t most = std::numeric_limits<uint64_t>::max();
};

struct FieldInfo;

// What a type looks like in JSON: for documents about a table, which are made by a program that is compiled with
// CELLA_JSON_SHAPES. Reading and writing do without, and the tables of a runtime are a fifth smaller.
struct Shape {
  enum Kind { kOther, kBool, kInteger, kString, kName, kArray, kMap, kObject } kind = kOther;
  Limits limits = {};                           // kInteger: of the type
  const Shape* element = nullptr;               // kArray, kMap
  const char* (*name)(size_t) = nullptr;        // kName: null after the last one
  const FieldInfo* (*field)(size_t) = nullptr;  // kObject: null after the last one
};

// How a T reads, writes, and whether it can be left out: read(value, target, report, limits), write, is_empty. And,
// where there is anything to say, kShape.
template <typename T>
struct Codec;

// What there is to know of a field without knowing the struct.
struct FieldInfo {
  std::string_view key;
#ifdef CELLA_JSON_SHAPES
  const Shape* shape = nullptr;
#endif
  Limits limits = {};
  bool is_required = false;
  bool is_always_written = false;
};

template <typename T>
struct Field : FieldInfo {
  void (*read)(const Value&, T&, Report&, const Limits&);
  void (*write)(const T&, Writer&);
  bool (*is_empty)(const T&);

  constexpr Field required() const {  // in the input; and always written
    Field copy = *this;
    copy.is_required = copy.is_always_written = true;
    return copy;
  }
  constexpr Field always() const {  // written even when empty
    Field copy = *this;
    copy.is_always_written = true;
    return copy;
  }
  constexpr Field range(int64_t least, uint64_t most) const {
    Field copy = *this;
    copy.limits = {least, most};
    return copy;
  }
};

namespace detail {

template <typename P>
struct MemberPointer;
template <typename C, typename M>
struct MemberPointer<M C::*> {
  using Class = C;
  using Member = M;
};
template <auto First, auto...>
struct Outermost {
  using Class = typename MemberPointer<decltype(First)>::Class;
};
template <auto First, auto... Rest>
constexpr auto& reach(auto& object) {
  if constexpr (sizeof...(Rest) == 0) {
    return object.*First;
  } else {
    return reach<Rest...>(object.*First);
  }
}

void fail_type(Report& report, const char* wanted, const Value& value);
void fail_range(Report& report, int64_t least, uint64_t most, const Value& value);
void fail_name(Report& report, std::span<const char* const> names, const Value& value);

inline constexpr Shape kOtherShape;
template <typename C>
constexpr const Shape* shape_of() {
  if constexpr (requires { C::kShape; }) {
    return &C::kShape;
  } else {
    return &kOtherShape;
  }
}

}  // namespace detail

template <typename C, auto... Path>
constexpr auto field_as(std::string_view key) {
  using T = typename detail::Outermost<Path...>::Class;
  return Field<T>{
#ifdef CELLA_JSON_SHAPES
      {.key = key, .shape = detail::shape_of<C>()},
#else
      {.key = key},
#endif
      [](const Value& v, T& t, Report& r, const Limits& l) { C::read(v, detail::reach<Path...>(t), r, l); },
      [](const T& t, Writer& w) { C::write(detail::reach<Path...>(t), w); },
      [](const T& t) { return C::is_empty(detail::reach<Path...>(t)); },
  };
}
template <auto... Path>
constexpr auto field(std::string_view key) {
  using T = typename detail::Outermost<Path...>::Class;
  using M = std::remove_cvref_t<decltype(detail::reach<Path...>(std::declval<T&>()))>;
  return field_as<Codec<M>, Path...>(key);
}

// Reads the members of an object; what is not read keeps its value.
template <typename T>
void read_object(const Value& value, T& target, std::span<const Field<T>> fields, Report& report) {
  if (!value.is(Kind::kObject)) return detail::fail_type(report, "an object", value);
  uint64_t seen = 0;  // a bit per field; no table has more than 64
  size_t next = 0;    // documents mostly keep the order of the tables
  for (const Member& member : value.object()) {
    size_t tried = 0;
    while (tried < fields.size() && fields[next].key != member.key) {
      ++tried;
      if (++next == fields.size()) next = 0;
    }
    At at(report, member.key);
    if (tried == fields.size()) {
      report.warn("is not a known property and is ignored");
      continue;
    }
    const Field<T>& field = fields[next];
    if (member.value.is(Kind::kNull)) continue;
    seen |= uint64_t{1} << next;
    field.read(member.value, target, report, field.limits);
  }
  for (size_t i = 0; i < fields.size(); ++i)
    if (fields[i].is_required && (seen >> i & 1) == 0) report.fail_in(fields[i].key, "is required");
}

// The members only, for a caller that adds its own between begin_object and end_object.
template <typename T>
void write_members(const T& object, std::span<const Field<T>> fields, Writer& writer) {
  for (const Field<T>& field : fields) {
    if (!field.is_always_written && field.is_empty(object)) continue;
    writer.key(field.key);
    field.write(object, writer);
  }
}

template <typename T>
void read(const Value& value, T& target, Report& report) {
  Codec<T>::read(value, target, report, {});
}
template <typename T>
void write(const T& value, Writer& writer) {
  Codec<T>::write(value, writer);
}

// Structs with a table.
template <typename T>
struct Codec {
  static constexpr Shape kShape = {.kind = Shape::kObject, .field = [](size_t i) -> const FieldInfo* {
                                     std::span<const Field<T>> fields = fields_of(Type<T>{});
                                     return i < fields.size() ? &fields[i] : nullptr;
                                   }};
  static void read(const Value& value, T& target, Report& report, const Limits&) {
    read_object<T>(value, target, fields_of(Type<T>{}), report);
  }
  static void write(const T& object, Writer& writer) {
    writer.begin_object();
    write_members<T>(object, fields_of(Type<T>{}), writer);
    writer.end_object();
  }
  static bool is_empty(const T&) { return false; }
};

template <>
struct Codec<bool> {
  static constexpr Shape kShape = {.kind = Shape::kBool};
  static void read(const Value& value, bool& target, Report& report, const Limits&) {
    if (!value.is(Kind::kBool)) return detail::fail_type(report, "true or false", value);
    target = value.boolean();
  }
  static void write(bool value, Writer& writer) { writer.boolean(value); }
  static bool is_empty(bool value) { return !value; }
};

template <std::integral I>
struct Codec<I> {
  static constexpr Shape kShape = {
      .kind = Shape::kInteger,
      .limits = {static_cast<int64_t>(std::is_signed_v<I> ? std::numeric_limits<I>::min() : 0),
                 static_cast<uint64_t>(std::numeric_limits<I>::max())}};
  static void read(const Value& value, I& target, Report& report, const Limits& limits) {
    int64_t least =
        std::max(limits.least, static_cast<int64_t>(std::is_signed_v<I> ? std::numeric_limits<I>::min() : 0));
    uint64_t most = std::min(limits.most, static_cast<uint64_t>(std::numeric_limits<I>::max()));
    if (value.is(Kind::kUint) && value.unsigned_integer() <= most &&
        (least <= 0 || value.unsigned_integer() >= static_cast<uint64_t>(least))) {
      target = static_cast<I>(value.unsigned_integer());
    } else if (value.is(Kind::kInt) && value.integer() >= least) {
      target = static_cast<I>(value.integer());
    } else {
      detail::fail_range(report, least, most, value);
    }
  }
  static void write(I value, Writer& writer) {
    if constexpr (std::is_signed_v<I>) {
      writer.integer(value);
    } else {
      writer.unsigned_integer(value);
    }
  }
  static bool is_empty(I value) { return value == 0; }
};

template <>
struct Codec<double> {
  static void read(const Value& value, double& target, Report& report, const Limits&) {
    if (value.is(Kind::kDouble)) {
      target = value.number();
    } else if (value.is(Kind::kUint)) {
      target = static_cast<double>(value.unsigned_integer());
    } else if (value.is(Kind::kInt)) {
      target = static_cast<double>(value.integer());
    } else {
      detail::fail_type(report, "a number", value);
    }
  }
  static void write(double value, Writer& writer) { writer.number(value); }
  static bool is_empty(double value) { return value == 0; }
};

template <>
struct Codec<std::string> {
  static constexpr Shape kShape = {.kind = Shape::kString};
  static void read(const Value& value, std::string& target, Report& report, const Limits&) {
    if (!value.is(Kind::kString)) return detail::fail_type(report, "a string", value);
    target.assign(value.string());
  }
  static void write(const std::string& value, Writer& writer) { writer.string(value); }
  static bool is_empty(const std::string& value) { return value.empty(); }
};

template <typename E>
const char* name_of(E value) {
  for (const Name<E>& name : names_of(Type<E>{}))
    if (name.value == value) return name.text;
  return "";
}
template <typename E>
std::optional<E> value_of(std::string_view text) {
  for (const Name<E>& name : names_of(Type<E>{}))
    if (text == name.text) return name.value;
  return std::nullopt;
}

template <typename E>
  requires std::is_enum_v<E>
struct Codec<E> {
  static constexpr Shape kShape = {.kind = Shape::kName, .name = [](size_t i) -> const char* {
                                     std::span<const Name<E>> names = names_of(Type<E>{});
                                     return i < names.size() ? names[i].text : nullptr;
                                   }};
  static void read(const Value& value, E& target, Report& report, const Limits&) {
    if (value.is(Kind::kString)) {
      if (std::optional<E> found = value_of<E>(value.string())) {
        target = *found;
        return;
      }
    }
    std::vector<const char*> names;
    for (const Name<E>& name : names_of(Type<E>{})) names.push_back(name.text);
    detail::fail_name(report, names, value);
  }
  static void write(E value, Writer& writer) { writer.string(name_of(value)); }
  static bool is_empty(E) { return false; }
};

template <typename T>
struct Codec<std::optional<T>> {
  static constexpr const Shape& kShape = *detail::shape_of<Codec<T>>();
  static void read(const Value& value, std::optional<T>& target, Report& report, const Limits& limits) {
    Codec<T>::read(value, target.emplace(), report, limits);
  }
  static void write(const std::optional<T>& value, Writer& writer) {
    if (value) return Codec<T>::write(*value, writer);
    writer.null();
  }
  static bool is_empty(const std::optional<T>& value) { return !value.has_value(); }
};

template <typename T>
struct Codec<std::vector<T>> {
  static constexpr Shape kShape = {.kind = Shape::kArray, .element = detail::shape_of<Codec<T>>()};
  static void read(const Value& value, std::vector<T>& target, Report& report, const Limits& limits) {
    if (!value.is(Kind::kArray)) return detail::fail_type(report, "an array", value);
    std::span<const Value> items = value.array();
    target.clear();
    target.reserve(std::min<size_t>(items.size(), 4096));
    for (size_t i = 0; i < items.size() && !report.is_full(); ++i) {
      At at(report, i);
      Codec<T>::read(items[i], target.emplace_back(), report, limits);
    }
  }
  static void write(const std::vector<T>& list, Writer& writer) {
    writer.begin_array();
    for (const T& item : list) Codec<T>::write(item, writer);
    writer.end_array();
  }
  static bool is_empty(const std::vector<T>& list) { return list.empty(); }
};

template <typename T>
struct Codec<std::map<std::string, T>> {
  static constexpr Shape kShape = {.kind = Shape::kMap, .element = detail::shape_of<Codec<T>>()};
  static void read(const Value& value, std::map<std::string, T>& target, Report& report, const Limits& limits) {
    if (!value.is(Kind::kObject)) return detail::fail_type(report, "an object", value);
    target.clear();
    for (const Member& member : value.object()) {
      if (report.is_full()) break;
      At at(report, member.key);
      Codec<T>::read(member.value, target[std::string(member.key)], report, limits);
    }
  }
  static void write(const std::map<std::string, T>& map, Writer& writer) {
    writer.begin_object();
    for (const auto& [key, item] : map) {
      writer.key(key);
      Codec<T>::write(item, writer);
    }
    writer.end_object();
  }
  static bool is_empty(const std::map<std::string, T>& map) { return map.empty(); }
};

}  // namespace cella::json
