// Kernel parameters of a container's configuration, linux.sysctl: who acts upon them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <cella/config.h>
#include <cella/sandbox.h>

namespace cella::sandbox::boot {

using Sysctls = std::map<std::string, std::string>;

// Those of the network are the host's to act upon, where the sockets are the host's.
bool is_hosts_sysctl(const std::string& name, NetworkType network);
// The application kernel's: those that it acts upon, and limits of what it has not, System V's messages for example.
bool is_guests_sysctl(const std::string& name);
// Its value as the kernel writes it back, or nothing, as it is none for this one.
std::optional<std::string> guest_sysctl_value(const std::string& name, const std::string& value);

// What the jail is to set on the host. The guest's own kernel says who may bind to a low port, so that in a network
// namespace that is nobody else's the host is not to refuse it.
Sysctls jail_sysctls(const config::Config& container, NetworkType network);
// What guests see in /proc/sys, by its path there: "net/ipv4/ip_unprivileged_port_start".
Sysctls guest_sysctls(const config::Config& container);

// net.ipv4.ip_unprivileged_port_start as guest_sysctls() has it; 1024 without. Nothing: it is no number of a port.
std::optional<uint32_t> first_unprivileged_port(const Sysctls& sysctls);

}  // namespace cella::sandbox::boot
