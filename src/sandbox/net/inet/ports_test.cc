#include "sandbox/net/inet/ports.h"

#include <gtest/gtest.h>

#include <set>

#include "sandbox/net/inet/udp_socket.h"
#include "sandbox/vfs/kernel_caller.h"

namespace cella::sandbox::net {
namespace {

class PortsTest : public testing::Test {
 protected:
  std::shared_ptr<UdpSocket> make(int domain = AF_INET) {
    return std::make_shared<UdpSocket>(caller_, ports_, domain, 0);
  }
  // Binds to 127.0.0.1: the errno.
  int bind(Socket& socket, uint16_t port) {
    const IpEndpoint place = {IpAddress::v4(INADDR_LOOPBACK), port};
    SysResult<void> bound = socket.bind(caller_, address_of(place, AF_INET));
    return bound ? 0 : bound.error().value;
  }
  vfs::KernelCaller caller_;
  std::shared_ptr<PortTable> ports_ = std::make_shared<PortTable>(1024);
};

// Every port of the range is found, once, and then there is none; one that is given back is found again.
TEST_F(PortsTest, AreAllGivenOut) {
  constexpr size_t kPorts = 60999 - 32768 + 1;
  std::set<uint16_t> found;
  std::vector<std::shared_ptr<UdpSocket>> sockets;
  for (size_t i = 0; i < kPorts; ++i) {
    sockets.push_back(make());
    ASSERT_EQ(bind(*sockets.back(), 0), 0);
    found.insert(sockets.back()->local().port);
  }
  EXPECT_EQ(found.size(), kPorts);
  EXPECT_EQ(*found.begin(), 32768);
  EXPECT_EQ(*found.rbegin(), 60999);
  auto late = make();
  EXPECT_EQ(bind(*late, 0), EADDRINUSE);
  const uint16_t port = sockets[4711]->local().port;
  sockets[4711].reset();
  EXPECT_EQ(bind(*late, 0), 0);
  EXPECT_EQ(late->local().port, port);
}

TEST_F(PortsTest, ABoundSocketIsGoneWhenItIsClosed) {
  auto first = make(), second = make();
  EXPECT_EQ(bind(*first, 2000), 0);
  EXPECT_EQ(bind(*second, 2000), EADDRINUSE);
  first.reset();
  EXPECT_EQ(bind(*second, 2000), 0);
  EXPECT_EQ(ports_->at(2000).size(), 1u);
}

TEST_F(PortsTest, LowOnesNeedTheCapability) {
  vfs::Credentials nobody;
  EXPECT_FALSE(ports_->may_bind(nobody, 1023));
  EXPECT_TRUE(ports_->may_bind(nobody, 1024));
  EXPECT_TRUE(ports_->may_bind(nobody, 0));
  EXPECT_TRUE(ports_->may_bind(caller_.credentials(), 80));
  EXPECT_TRUE(PortTable(0).may_bind(nobody, 1));
}

}  // namespace
}  // namespace cella::sandbox::net
