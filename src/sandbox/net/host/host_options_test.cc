#include "sandbox/net/host/host_options.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace cella::sandbox::net {
namespace {

TEST(HostOptions, WhatIsListedGoesThrough) {
  ASSERT_NE(host_option(SOL_TCP, TCP_NODELAY), nullptr);
  EXPECT_EQ(host_option(SOL_TCP, TCP_NODELAY)->most, sizeof(int));
  ASSERT_NE(host_option(SOL_TCP, TCP_INFO), nullptr);
  EXPECT_FALSE(host_option(SOL_TCP, TCP_INFO)->can_be_set);
  EXPECT_FALSE(host_option(SOL_IP, IP_ADD_MEMBERSHIP)->can_be_got);
}

// Options that name other descriptors, point to memory or load programs, and whatever is new.
TEST(HostOptions, NothingElseDoes) {
  constexpr int kUlp = 31, kRepair = 19, kMd5 = 14, kZeroCopyReceive = 35;
  for (int name : {kUlp, kRepair, kMd5, kZeroCopyReceive}) EXPECT_EQ(host_option(SOL_TCP, name), nullptr) << name;
  constexpr int kIptables = 64, kOptions = 4, kIpsecPolicy = 16, kXfrmPolicy = 17;
  for (int name : {kIptables, kOptions, kXfrmPolicy, kIpsecPolicy})
    EXPECT_EQ(host_option(SOL_IP, name), nullptr) << name;
  constexpr int kIpsecPolicyV6 = 34, kXfrmPolicyV6 = 35;
  for (int name : {kIptables, kIpsecPolicyV6, kXfrmPolicyV6, IPV6_RTHDR, IPV6_HOPOPTS})
    EXPECT_EQ(host_option(SOL_IPV6, name), nullptr) << name;
  for (int name = 0; name < 200; ++name) EXPECT_EQ(host_option(SOL_SOCKET, name), nullptr) << name;
  for (const HostSocketOption& option : host_socket_options()) {
    for (int refused : {SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF, SO_DEBUG, SO_LOCK_FILTER})
      EXPECT_NE(option.name, refused);
  }
}

TEST(HostOptions, ControlMessagesAreListedToo) {
  const ControlItem rights = {SOL_SOCKET, SCM_RIGHTS, std::string(4, '\0')};
  EXPECT_FALSE(may_send_control(rights));
  EXPECT_FALSE(may_receive_control(rights));
  EXPECT_TRUE(may_send_control({SOL_IP, IP_PKTINFO, std::string(sizeof(in_pktinfo), '\0')}));
  EXPECT_FALSE(may_send_control({SOL_IP, IP_PKTINFO, std::string(sizeof(in_pktinfo) + 1, '\0')}));
  EXPECT_FALSE(may_send_control({SOL_IP, IP_RETOPTS, ""}));
  EXPECT_TRUE(may_receive_control({SOL_IP, IP_TTL, std::string(4, '\0')}));
}

}  // namespace
}  // namespace cella::sandbox::net
