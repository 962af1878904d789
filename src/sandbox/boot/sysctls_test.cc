#include "sandbox/boot/sysctls.h"

#include <gtest/gtest.h>

namespace cella::sandbox::boot {
namespace {

config::Config container(Sysctls sysctls, const char* network = "") {
  config::Config config;
  config.sysctl = std::move(sysctls);
  config.namespaces.add(config::NamespaceType::kNet, network);
  return config;
}

TEST(Sysctls, AreSomebodys) {
  EXPECT_TRUE(is_guests_sysctl("net.ipv4.ping_group_range"));
  EXPECT_TRUE(is_guests_sysctl("kernel/shmmax"));
  EXPECT_FALSE(is_guests_sysctl("net.ipv4.ip_forward"));
  EXPECT_TRUE(is_hosts_sysctl("net.ipv4.ip_forward", NetworkType::kHost));
  EXPECT_FALSE(is_hosts_sysctl("net.ipv4.ip_forward", NetworkType::kNone));
  EXPECT_FALSE(is_hosts_sysctl("kernel.shmmax", NetworkType::kHost));
}

TEST(Sysctls, OfTheJailAreTheHostsNetworks) {
  const Sysctls asked = {{"net.ipv4.ip_forward", "1"}, {"kernel.shmmax", "4096"}};
  EXPECT_EQ(jail_sysctls(container(asked), NetworkType::kNone), Sysctls());
  EXPECT_EQ(jail_sysctls(container(asked), NetworkType::kHost),
            (Sysctls{{"net.ipv4.ip_forward", "1"}, {"net/ipv4/ip_unprivileged_port_start", "0"}}));
  // A namespace that others may be in is theirs as well.
  EXPECT_EQ(jail_sysctls(container(asked, "/run/netns/pod"), NetworkType::kHost),
            (Sysctls{{"net.ipv4.ip_forward", "1"}}));
}

TEST(Sysctls, LowPortsAreTheGuestKernelsToRefuse) {
  const Sysctls asked = {{"net.ipv4.ip_unprivileged_port_start", "80"}};
  EXPECT_EQ(jail_sysctls(container(asked), NetworkType::kHost),
            (Sysctls{{"net/ipv4/ip_unprivileged_port_start", "0"}}));
  EXPECT_EQ(jail_sysctls(container(asked, "/run/netns/pod"), NetworkType::kHost), asked);
  EXPECT_EQ(first_unprivileged_port(guest_sysctls(container(asked))), 80u);
  EXPECT_EQ(first_unprivileged_port({}), 1024u);
  for (const char* bad : {"", "x", "80x", "-1", "65537"}) {
    const Sysctls sysctls = guest_sysctls(container({{"net/ipv4/ip_unprivileged_port_start", bad}}));
    EXPECT_FALSE(first_unprivileged_port(sysctls)) << bad;
  }
}

TEST(Sysctls, OfTheGuestAreNumbers) {
  EXPECT_EQ(guest_sysctl_value("kernel.sem", " 1  2\t3 4\n"), "1\t2\t3\t4");
  EXPECT_EQ(guest_sysctl_value("kernel/msgmax", "8192"), "8192");
  for (const char* bad : {"", "x", "1 2", "1x", "-1", "99999999999999999999"})
    EXPECT_FALSE(guest_sysctl_value("kernel.msgmax", bad)) << bad;
  EXPECT_EQ(guest_sysctl_value("net.ipv4.tcp_congestion_control", "cubic"), "cubic");
}

}  // namespace
}  // namespace cella::sandbox::boot
