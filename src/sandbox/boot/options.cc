#include "sandbox/boot/options.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/ranges.h>

#include "base/result.h"

namespace cella::sandbox {
namespace {

template <typename E>
struct Name {
  E value;
  const char* text;
  bool is_supported;
};
constexpr Name<FileAccess> kFileAccess[] = {{FileAccess::kProxy, "proxy", true}, {FileAccess::kDirect, "direct", true}};
constexpr Name<NetworkType> kNetworks[] = {
    {NetworkType::kSandbox, "sandbox", false}, {NetworkType::kHost, "host", true}, {NetworkType::kNone, "none", true}};
constexpr Name<PlatformType> kPlatforms[] = {{PlatformType::kPtrace, "ptrace", true},
                                             {PlatformType::kSystrap, "systrap", false},
                                             {PlatformType::kKvm, "kvm", false}};

template <typename E, size_t N>
Result<E> value_of(const Name<E> (&names)[N], std::string_view text) {
  const auto* found = std::ranges::find(names, text, &Name<E>::text);
  if (found != std::end(names)) return found->value;
  std::vector<const char*> all;
  for (const Name<E>& name : names) all.push_back(name.text);
  return base::fail(ErrorCode::kInvalidArgument, "must be one of {}", fmt::join(all, ", "));
}
template <typename E, size_t N>
const Name<E>& name_of(const Name<E> (&names)[N], E value) {
  return *std::ranges::find(names, value, &Name<E>::value);
}

}  // namespace

Result<FileAccess> make_file_access_type(std::string_view name) {
  return value_of(kFileAccess, name);
}
Result<NetworkType> make_network_type(std::string_view name) {
  return value_of(kNetworks, name);
}
Result<PlatformType> make_platform_type(std::string_view name) {
  return value_of(kPlatforms, name);
}
const char* to_string(FileAccess type) {
  return name_of(kFileAccess, type).text;
}
const char* to_string(NetworkType type) {
  return name_of(kNetworks, type).text;
}
const char* to_string(PlatformType type) {
  return name_of(kPlatforms, type).text;
}

namespace boot {
namespace {

Result<void> read(bool& target, std::string_view text) {
  if (text != "true" && text != "false") return base::fail(ErrorCode::kInvalidArgument, "must be true or false");
  target = text == "true";
  return {};
}
Result<void> read(uint32_t& target, std::string_view text) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return base::fail(ErrorCode::kInvalidArgument, "must be a number");
}
Result<void> read(std::vector<std::string>& target, std::string_view text) {
  target.clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) target.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return {};
}
template <typename E, size_t N>
Result<void> read_name(const Name<E> (&names)[N], E& target, std::string_view text) {
  target = TRY(value_of(names, text));
  if (name_of(names, target).is_supported) return {};
  return base::fail(ErrorCode::kUnsupported, "{} is not supported yet", text);
}
Result<void> read(FileAccess& target, std::string_view text) {
  return read_name(kFileAccess, target, text);
}
Result<void> read(NetworkType& target, std::string_view text) {
  return read_name(kNetworks, target, text);
}
Result<void> read(PlatformType& target, std::string_view text) {
  return read_name(kPlatforms, target, text);
}

std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(uint32_t value) {
  return std::to_string(value);
}
std::string text_of(const std::vector<std::string>& value) {
  return fmt::format("{}", fmt::join(value, ","));
}
template <typename E>
  requires std::is_enum_v<E>
std::string text_of(E value) {
  return to_string(value);
}

struct Option {
  std::string_view name;
  Result<void> (*read)(Config&, std::string_view);
  std::string (*write)(const Config&);
};
template <auto Member>
constexpr Option option(std::string_view name) {
  return {name, [](Config& config, std::string_view text) { return read(config.*Member, text); },
          [](const Config& config) { return text_of(config.*Member); }};
}
constexpr Option kOptions[] = {
    option<&Config::file_access>("file-access"),
    option<&Config::overlay>("overlay"),
    option<&Config::network>("network"),
    option<&Config::log_packets>("log-packets"),
    option<&Config::platform>("platform"),
    option<&Config::strace>("strace"),
    option<&Config::strace_syscalls>("strace-syscalls"),
    option<&Config::strace_log_size>("strace-log-size"),
    option<&Config::disable_seccomp>("disable-seccomp"),
};

// "key=value" → value, when it is of this key.
std::optional<std::string_view> value_behind(std::string_view label, std::string_view key) {
  if (!label.starts_with(key) || label.substr(key.size(), 1) != "=") return std::nullopt;
  return label.substr(key.size() + 1);
}

}  // namespace

Result<bool> is_asked_for(const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    const std::optional<std::string_view> kind = value_behind(label, kIsolationAnnotation);
    if (!kind || *kind == "namespaces") continue;
    if (*kind == "sandbox") return true;
    return base::fail(ErrorCode::kUnsupported,
                      "annotation {}: there is no isolation \"{}\", but namespaces and sandbox", kIsolationAnnotation,
                      *kind);
  }
  return false;
}

Result<Config> options_from(const std::vector<std::string>& labels) {
  Config config;
  for (std::string_view label : labels) {
    if (!label.starts_with(kOptionPrefix)) continue;
    const size_t equals = label.find('=');
    const std::string_view name = label.substr(0, equals).substr(sizeof kOptionPrefix - 1);
    const auto* option = std::ranges::find(kOptions, name, &Option::name);
    if (option == std::end(kOptions) || equals == label.npos) {
      return base::fail(ErrorCode::kUnsupported, "annotation {}: there is no such option of the sandbox",
                        label.substr(0, equals));
    }
    TRY(option->read(config, label.substr(equals + 1)), "sandbox option {}", name);
  }
  if (config.log_packets) {
    return base::fail(ErrorCode::kUnsupported, "sandbox option log-packets: there are no packets with network {}",
                      to_string(config.network));
  }
  return config;
}

std::vector<std::string> to_labels(const Config& config) {
  const Config defaults;
  std::vector<std::string> labels;
  for (const Option& option : kOptions) {
    std::string value = option.write(config);
    if (value != option.write(defaults)) labels.push_back(fmt::format("{}{}={}", kOptionPrefix, option.name, value));
  }
  return labels;
}

}  // namespace boot
}  // namespace cella::sandbox
