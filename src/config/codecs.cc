#include "config/codecs.h"

#include "config/capabilities.h"
#include "oci/spec_schema.h"

namespace cella::config {
namespace {

using json::Value;

constexpr size_t kCpuSetWords = 16;
constexpr int64_t kSecond = 1'000'000'000;

struct Architecture {
  const char* oci;
  const char* libcontainer;
};
constexpr Architecture kArchitectures[] = {
    {"SCMP_ARCH_X86", "x86"},
    {"SCMP_ARCH_X86_64", "amd64"},
    {"SCMP_ARCH_X32", "x32"},
    {"SCMP_ARCH_ARM", "arm"},
    {"SCMP_ARCH_AARCH64", "arm64"},
    {"SCMP_ARCH_LOONGARCH64", "loong64"},
    {"SCMP_ARCH_M68K", "m68k"},
    {"SCMP_ARCH_MIPS", "mips"},
    {"SCMP_ARCH_MIPS64", "mips64"},
    {"SCMP_ARCH_MIPS64N32", "mips64n32"},
    {"SCMP_ARCH_MIPSEL", "mipsel"},
    {"SCMP_ARCH_MIPSEL64", "mipsel64"},
    {"SCMP_ARCH_MIPSEL64N32", "mipsel64n32"},
    {"SCMP_ARCH_PPC", "ppc"},
    {"SCMP_ARCH_PPC64", "ppc64"},
    {"SCMP_ARCH_PPC64LE", "ppc64le"},
    {"SCMP_ARCH_S390", "s390"},
    {"SCMP_ARCH_S390X", "s390x"},
    {"SCMP_ARCH_SH", "sh"},
    {"SCMP_ARCH_SHEB", "sheb"},
    {"SCMP_ARCH_PARISC", "parisc"},
    {"SCMP_ARCH_PARISC64", "parisc64"},
    {"SCMP_ARCH_RISCV64", "riscv64"},
};

std::span<const json::Field<Device>> rule_fields() {
  static constexpr json::Field<Device> kFields[] = {
      json::field_as<RuneCodec, &Device::type>("type").always(),
      json::field<&Device::major>("major").always(),
      json::field<&Device::minor>("minor").always(),
      json::field<&Device::permissions>("permissions").always(),
      json::field<&Device::allow>("allow").always(),
  };
  return kFields;
}

// Calls `member` for every number of a list that the validators have accepted.
template <typename F>
void for_each_in_list(const std::string& list, F member) {
  const char* p = list.c_str();
  while (*p != '\0') {
    if (*p < '0' || *p > '9') {
      ++p;
      continue;
    }
    char* end = nullptr;
    unsigned long first = strtoul(p, &end, 10), last = first;
    while (*end == ' ') ++end;
    if (*end == '-') last = strtoul(end + 1, &end, 10);
    for (unsigned long i = first; i <= last && i < 65536; ++i) member(i);
    p = end;
  }
}

}  // namespace

std::span<const Number<SeccompAction>> numbers_of(json::Type<SeccompAction>) {
  static constexpr Number<SeccompAction> kNumbers[] = {
      {1, SeccompAction::kKillThread}, {2, SeccompAction::kErrno},      {3, SeccompAction::kTrap},
      {4, SeccompAction::kAllow},      {5, SeccompAction::kTrace},      {6, SeccompAction::kLog},
      {7, SeccompAction::kNotify},     {8, SeccompAction::kKillThread}, {9, SeccompAction::kKillProcess},
  };
  return kNumbers;
}

std::span<const Number<SeccompOperator>> numbers_of(json::Type<SeccompOperator>) {
  static constexpr Number<SeccompOperator> kNumbers[] = {
      {1, SeccompOperator::kEqual},          {2, SeccompOperator::kNotEqual}, {3, SeccompOperator::kGreater},
      {4, SeccompOperator::kGreaterOrEqual}, {5, SeccompOperator::kLess},     {6, SeccompOperator::kLessOrEqual},
      {7, SeccompOperator::kMaskedEqual},
  };
  return kNumbers;
}

void CapabilityCodec::read(const Value& value, uint64_t& set, json::Report& report, const json::Limits& limits) {
  std::vector<std::string> names;
  json::Codec<std::vector<std::string>>::read(value, names, report, limits);
  set = capability_set(names);
}

void CapabilityCodec::write(uint64_t set, json::Writer& writer) {
  json::write(capability_names(set), writer);
}

void RuneCodec::read(const Value& value, char& letter, json::Report& report, const json::Limits&) {
  int number = letter;
  json::Codec<int>::read(value, number, report, {.least = 0, .most = 127});
  letter = static_cast<char>(number);
}

void RuleListCodec::read(const Value& value, std::vector<Device>& rules, json::Report& report, const json::Limits&) {
  if (!value.is(json::Kind::kArray)) return report.fail("must be an array, not {}", describe(value));
  rules.clear();
  for (size_t i = 0; i < value.array().size() && !report.is_full(); ++i) {
    json::At at(report, i);
    json::read_object<Device>(value.array()[i], rules.emplace_back(), rule_fields(), report);
  }
}

void RuleListCodec::write(const std::vector<Device>& rules, json::Writer& writer) {
  writer.begin_array();
  for (const Device& rule : rules) {
    writer.begin_object();
    json::write_members<Device>(rule, rule_fields(), writer);
    writer.end_object();
  }
  writer.end_array();
}

void ArchitecturesCodec::read(const Value& value, std::vector<std::string>& names, json::Report& report,
                              const json::Limits& limits) {
  json::Codec<std::vector<std::string>>::read(value, names, report, limits);
  for (std::string& name : names)
    for (const Architecture& a : kArchitectures)
      if (name == a.libcontainer) {
        name = a.oci;
        break;
      }
}

void ArchitecturesCodec::write(const std::vector<std::string>& names, json::Writer& writer) {
  writer.begin_array();
  for (const std::string& name : names) {
    std::string_view text = name;
    for (const Architecture& a : kArchitectures)
      if (name == a.oci) text = a.libcontainer;
    writer.string(text);
  }
  writer.end_array();
}

void SecondsCodec::read(const Value& value, std::optional<int>& seconds, json::Report& report, const json::Limits&) {
  int64_t nanoseconds = 0;
  json::Codec<int64_t>::read(value, nanoseconds, report, {.least = 0, .most = uint64_t{INT32_MAX} * kSecond});
  seconds = static_cast<int>((nanoseconds + kSecond - 1) / kSecond);
}

void SecondsCodec::write(const std::optional<int>& seconds, json::Writer& writer) {
  if (seconds) return writer.integer(*seconds * kSecond);
  writer.null();
}

void CpuSetCodec::read(const Value& value, std::string& list, json::Report& report, const json::Limits& limits) {
  std::vector<uint64_t> words;
  json::Codec<std::vector<uint64_t>>::read(value, words, report, limits);
  list.clear();
  auto is_set = [&](size_t i) { return i / 64 < words.size() && (words[i / 64] >> (i % 64) & 1) != 0; };
  for (size_t i = 0; i < words.size() * 64; ++i) {
    if (!is_set(i)) continue;
    size_t last = i;
    while (is_set(last + 1)) ++last;
    list += fmt::format("{}{}", list.empty() ? "" : ",", i);
    if (last != i) list += fmt::format("-{}", last);
    i = last;
  }
}

void CpuSetCodec::write(const std::string& list, json::Writer& writer) {
  std::vector<uint64_t> words(kCpuSetWords);
  for_each_in_list(list, [&](size_t i) {
    if (i / 64 >= words.size()) words.resize(i / 64 + 1);
    words[i / 64] |= uint64_t{1} << (i % 64);
  });
  json::write(words, writer);
}

}  // namespace cella::config
