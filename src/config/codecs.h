// How the members of a Config whose JSON form is not that of their type read and write: the peculiarities of
// libcontainer's JSON (see config_json.h), one struct each, for json::field_as.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "json/schema.h"

namespace cella::config {

// An optional whose absence is 0 in Go.
template <typename T>
struct ZeroIsAbsent {
  static void read(const json::Value& value, std::optional<T>& target, json::Report& report,
                   const json::Limits& limits) {
    T number{};
    json::Codec<T>::read(value, number, report, limits);
    target = number == T{} ? std::nullopt : std::optional<T>(number);
  }
  static void write(const std::optional<T>& value, json::Writer& writer) {
    json::Codec<T>::write(value.value_or(T{}), writer);
  }
  static bool is_empty(const std::optional<T>& value) { return !value || *value == T{}; }
};

// A set of capabilities: the list of their names.
struct CapabilityCodec {
  static void read(const json::Value& value, uint64_t& set, json::Report& report, const json::Limits& limits);
  static void write(uint64_t set, json::Writer& writer);
  static bool is_empty(uint64_t set) { return set == 0; }
};

// A letter: its number (a Go rune).
struct RuneCodec {
  static void read(const json::Value& value, char& letter, json::Report& report, const json::Limits&);
  static void write(char letter, json::Writer& writer) { writer.integer(letter); }
  static bool is_empty(char) { return false; }
};

// A device rule: a Device without its node.
struct RuleListCodec {
  static void read(const json::Value& value, std::vector<Device>& rules, json::Report& report, const json::Limits&);
  static void write(const std::vector<Device>& rules, json::Writer& writer);
  static bool is_empty(const std::vector<Device>& rules) { return rules.empty(); }
};

// Namespaces: the list.
struct NamespacesCodec {
  static void read(const json::Value& value, Namespaces& namespaces, json::Report& report, const json::Limits& limits) {
    json::Codec<std::vector<Namespace>>::read(value, namespaces.list, report, limits);
  }
  static void write(const Namespaces& namespaces, json::Writer& writer) { json::write(namespaces.list, writer); }
  static bool is_empty(const Namespaces& namespaces) { return namespaces.list.empty(); }
};

// An architecture of seccomp: libcontainer's name ("amd64"), where a Config has the specification's.
struct ArchitecturesCodec {
  static void read(const json::Value& value, std::vector<std::string>& names, json::Report& report,
                   const json::Limits&);
  static void write(const std::vector<std::string>& names, json::Writer& writer);
  static bool is_empty(const std::vector<std::string>& names) { return names.empty(); }
};

// Seconds: nanoseconds (a Go Duration).
struct SecondsCodec {
  static void read(const json::Value& value, std::optional<int>& seconds, json::Report& report, const json::Limits&);
  static void write(const std::optional<int>& seconds, json::Writer& writer);
  static bool is_empty(const std::optional<int>& seconds) { return !seconds; }
};

// A list of CPUs or nodes, "0-3,7": an array of 64-bit words, 16 of them at least (a Go unix.CPUSet).
struct CpuSetCodec {
  static void read(const json::Value& value, std::string& list, json::Report& report, const json::Limits& limits);
  static void write(const std::string& list, json::Writer& writer);
  static bool is_empty(const std::string& list) { return list.empty(); }
};

// A number that has a name in the specification, from the table of the enum E.
template <typename E, typename N>
struct NameCodec {
  static void read(const json::Value& value, N& number, json::Report& report, const json::Limits& limits) {
    E e{};
    json::Codec<E>::read(value, e, report, limits);
    number = static_cast<N>(e);
  }
  static void write(N number, json::Writer& writer) { writer.string(json::name_of(static_cast<E>(number))); }
  static bool is_empty(N) { return false; }
};
// Bits that have names.
template <typename E, typename N>
struct NamesCodec {
  static void read(const json::Value& value, N& bits, json::Report& report, const json::Limits& limits) {
    std::vector<E> list;
    json::Codec<std::vector<E>>::read(value, list, report, limits);
    bits = 0;
    for (E e : list) bits |= static_cast<N>(e);
  }
  static void write(N bits, json::Writer& writer) {
    writer.begin_array();
    for (const json::Name<E>& name : names_of(json::Type<E>{}))
      if ((bits & static_cast<N>(name.value)) != 0) writer.string(name.text);
    writer.end_array();
  }
  static bool is_empty(N bits) { return bits == 0; }
};

// An enum that is a number in Go. numbers_of(Type<E>) lists the pairs; the first number of a value is written.
template <typename E>
struct Number {
  int number;
  E value;
};
template <typename E>
struct NumberCodec {
  static void read(const json::Value& value, E& target, json::Report& report, const json::Limits& limits) {
    int number = 0;
    size_t before = report.findings.size();
    json::Codec<int>::read(value, number, report, limits);
    if (report.findings.size() != before) return;
    for (const Number<E>& pair : numbers_of(json::Type<E>{})) {
      if (pair.number != number) continue;
      target = pair.value;
      return;
    }
    report.fail("must be a known number, not {}", number);
  }
  static void write(E value, json::Writer& writer) {
    for (const Number<E>& pair : numbers_of(json::Type<E>{}))
      if (pair.value == value) return writer.integer(pair.number);
    writer.integer(0);
  }
  static bool is_empty(E) { return false; }
};

std::span<const Number<SeccompAction>> numbers_of(json::Type<SeccompAction>);
std::span<const Number<SeccompOperator>> numbers_of(json::Type<SeccompOperator>);
std::span<const json::Field<Namespace>> fields_of(json::Type<Namespace>);

}  // namespace cella::config
