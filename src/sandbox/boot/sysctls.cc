#include "sandbox/boot/sysctls.h"

#include <algorithm>
#include <charconv>

namespace cella::sandbox::boot {
namespace {

constexpr char kFirstUnprivilegedPort[] = "net/ipv4/ip_unprivileged_port_start";

// The kernel acts upon the first. Of what the others are about, it has nothing.
constexpr std::string_view kGuests[] = {
    kFirstUnprivilegedPort,
    "net/ipv4/ping_group_range",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
    "fs/mqueue/msg_default",
    "fs/mqueue/msg_max",
    "fs/mqueue/msgsize_default",
    "fs/mqueue/msgsize_max",
    "fs/mqueue/queues_max",
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
  return std::ranges::find(kGuests, path_of(name)) != std::end(kGuests);
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
  for (const auto& [name, value] : container.sysctl) sysctls[path_of(name)] = value;
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
