#include "sandbox/boot/sysctls.h"

#include <algorithm>
#include <charconv>

namespace cella::sandbox::boot {
namespace {

constexpr char kFirstUnprivilegedPort[] = "net/ipv4/ip_unprivileged_port_start";

// The kernel acts upon the first. Of what the others are about, it has nothing.
struct GuestSysctl {
  std::string_view path;
  size_t numbers;  // that it consists of
};
constexpr GuestSysctl kGuests[] = {
    {kFirstUnprivilegedPort, 1},
    {"net/ipv4/ping_group_range", 2},
    {"kernel/msgmax", 1},
    {"kernel/msgmnb", 1},
    {"kernel/msgmni", 1},
    {"kernel/sem", 4},
    {"kernel/shmall", 1},
    {"kernel/shmmax", 1},
    {"kernel/shmmni", 1},
    {"kernel/shm_rmid_forced", 1},
    {"fs/mqueue/msg_default", 1},
    {"fs/mqueue/msg_max", 1},
    {"fs/mqueue/msgsize_default", 1},
    {"fs/mqueue/msgsize_max", 1},
    {"fs/mqueue/queues_max", 1},
};

// Of a name with either of sysctl(8)'s separators. None of the names that matter here has one inside a part.
std::string path_of(std::string name) {
  std::ranges::replace(name, '.', '/');
  return name;
}

}  // namespace

bool is_hosts_sysctl(const std::string& name, NetworkType network) {
  return network == NetworkType::kHost && path_of(name).starts_with("net/");
}

bool is_guests_sysctl(const std::string& name) {
  return std::ranges::find(kGuests, path_of(name), &GuestSysctl::path) != std::end(kGuests);
}

std::optional<std::string> guest_sysctl_value(const std::string& name, const std::string& value) {
  const auto* known = std::ranges::find(kGuests, path_of(name), &GuestSysctl::path);
  if (known == std::end(kGuests)) return value;
  constexpr std::string_view kSpace = " \t\n";
  std::string text;
  size_t count = 0;
  for (std::string_view rest = value;; ++count) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
    if (rest.empty()) break;
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc()) return std::nullopt;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (!rest.empty() && kSpace.find(rest[0]) == kSpace.npos) return std::nullopt;
    text += (count > 0 ? "\t" : "") + std::to_string(number);
  }
  return count == known->numbers ? std::optional(text) : std::nullopt;
}

Sysctls jail_sysctls(const config::Config& container, NetworkType network) {
  Sysctls sysctls;
  if (network != NetworkType::kHost) return sysctls;
  if (container.namespaces.is_new(config::NamespaceType::kNet)) sysctls[kFirstUnprivilegedPort] = "0";
  for (const auto& [name, value] : container.sysctl) {
    const bool is_guests_alone = is_guests_sysctl(name) && sysctls.contains(path_of(name));
    if (is_hosts_sysctl(name, network) && !is_guests_alone) sysctls[name] = value;
  }
  return sysctls;
}

Sysctls guest_sysctls(const config::Config& container) {
  Sysctls sysctls;
  for (const auto& [name, value] : container.sysctl)
    sysctls[path_of(name)] = guest_sysctl_value(name, value).value_or(value);
  return sysctls;
}

std::optional<uint32_t> first_unprivileged_port(const Sysctls& sysctls) {
  constexpr uint32_t kUsual = 1024, kMost = 65536;
  const auto found = sysctls.find(kFirstUnprivilegedPort);
  if (found == sysctls.end()) return kUsual;
  const std::string& text = found->second;
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port > kMost) return std::nullopt;
  return port;
}

}  // namespace cella::sandbox::boot
