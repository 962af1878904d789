#include "config/capabilities.h"

#include <linux/capability.h>

#include <iterator>

namespace cella::config {
namespace {

constexpr const char* kNames[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};
static_assert(std::size(kNames) == kLastCapability + 1);
static_assert(CAP_CHECKPOINT_RESTORE == kLastCapability && CAP_MKNOD == 27 && CAP_SYSLOG == 34);

}  // namespace

const char* capability_name(int number) {
  return number >= 0 && number <= kLastCapability ? kNames[number] : nullptr;
}

std::optional<int> capability_from_name(std::string_view name) {
  for (int number = 0; number <= kLastCapability; ++number)
    if (name == kNames[number]) return number;
  return std::nullopt;
}

uint64_t capability_set(const std::vector<std::string>& names, std::vector<size_t>* unknown) {
  uint64_t set = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::optional<int> number = capability_from_name(names[i])) {
      set |= uint64_t{1} << *number;
    } else if (unknown != nullptr) {
      unknown->push_back(i);
    }
  }
  return set;
}

std::vector<std::string> capability_names(uint64_t set) {
  std::vector<std::string> names;
  for (int number = 0; number <= kLastCapability; ++number)
    if ((set >> number & 1) != 0) names.emplace_back(kNames[number]);
  return names;
}

}  // namespace cella::config
