// Sockets of the internet families over the loopback: ip(7), ipv6(7), tcp(7), udp(7), netdevice(7), rtnetlink(7).
//
// On Linux the program takes a network namespace of its own, in which there is nothing but lo: network "none" of a
// container.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

class OwnNetwork : public testing::Environment {
  void SetUp() override {
    if (unshare(CLONE_NEWNET) != 0) return;  // the sandbox: it is one
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request = {};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ASSERT_EQ(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
  }
};
const testing::Environment* const kOwnNetwork = testing::AddGlobalTestEnvironment(new OwnNetwork);

// Closes itself.
struct Fd {
  Fd(int value) : fd(value) {}  // NOLINT: as a number
  Fd(Fd&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  ~Fd() { drop(); }
  void drop() {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  operator int() const { return fd; }  // NOLINT
  int fd;
};

// An address of either family.
struct Place {
  Place(const char* text, int port) {
    if (strchr(text, ':') != nullptr) {
      auto& in6 = reinterpret_cast<sockaddr_in6&>(storage);
      in6.sin6_family = AF_INET6;
      in6.sin6_port = htons(static_cast<uint16_t>(port));
      EXPECT_EQ(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
      size = sizeof in6;
    } else {
      auto& in = reinterpret_cast<sockaddr_in&>(storage);
      in.sin_family = AF_INET;
      in.sin_port = htons(static_cast<uint16_t>(port));
      EXPECT_EQ(inet_pton(AF_INET, text, &in.sin_addr), 1);
      size = sizeof in;
    }
  }
  Place() : size(sizeof storage) {}
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  int port() const { return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port); }
  std::string text() const {
    char buffer[INET6_ADDRSTRLEN] = {};
    const void* address = family() == AF_INET
                              ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(storage).sin_addr)
                              : &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
    inet_ntop(family(), address, buffer, sizeof buffer);
    return buffer;
  }
  sockaddr_storage storage = {};
  socklen_t size;
};

int make(int family, int type, int flags = 0) {
  const int fd = socket(family, type | SOCK_CLOEXEC | flags, 0);
  EXPECT_GE(fd, 0) << strerror(errno);
  return fd;
}
// 0 or the errno.
int try_bind(int fd, Place place) {
  return bind(fd, place.get(), place.size) == 0 ? 0 : errno;
}
int try_connect(int fd, Place place) {
  return connect(fd, place.get(), place.size) == 0 ? 0 : errno;
}
Place name_of(int fd) {
  Place place;
  EXPECT_EQ(getsockname(fd, place.get(), &place.size), 0) << strerror(errno);
  return place;
}
Place peer_of(int fd) {
  Place place;
  EXPECT_EQ(getpeername(fd, place.get(), &place.size), 0) << strerror(errno);
  return place;
}
int port_of(int fd) {
  return name_of(fd).port();
}
int bound(const char* address, int type, int port = 0) {
  Place place(address, port);
  const int fd = make(place.family(), type);
  EXPECT_EQ(try_bind(fd, place), 0);
  return fd;
}
int listening(const char* address = "127.0.0.1", int backlog = 8) {
  const int fd = bound(address, SOCK_STREAM);
  EXPECT_EQ(listen(fd, backlog), 0);
  return fd;
}
template <typename T = int>
T option(int fd, int level, int name) {
  T value = {};
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0) << name << ": " << strerror(errno);
  return value;
}
template <typename T>
bool set(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}
short ready(int fd) {
  pollfd one = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
  EXPECT_GE(poll(&one, 1, 0), 0);
  return one.revents;
}
// Waits, for what another end has just done.
short ready(int fd, short events) {
  pollfd one = {fd, events, 0};
  EXPECT_GE(poll(&one, 1, 2000), 0);
  return one.revents;
}
std::string receive(int fd, size_t size = 256, int flags = 0) {
  std::string text(size, '\0');
  const ssize_t n = recv(fd, text.data(), size, flags);
  return n < 0 ? strerrorname_np(errno) : text.substr(0, static_cast<size_t>(n));
}
bool put(int fd, const std::string& text) {
  return send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// Two ends of a connection.
struct Connection {
  explicit Connection(const char* address = "127.0.0.1")
      : listener(listening(address)), client(make(name_of(listener).family(), SOCK_STREAM)), server(-1) {
    EXPECT_EQ(try_connect(client, name_of(listener)), 0);
    server.fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(server, 0);
  }
  Fd listener, client, server;
};

// --- refusals

int the_tcp() {
  static const int fd = make(AF_INET, SOCK_STREAM, SOCK_NONBLOCK);
  return fd;
}
int the_udp() {
  static const int fd = make(AF_INET, SOCK_DGRAM, SOCK_NONBLOCK);
  return fd;
}
int the_listener() {
  static const int fd = listening();
  return fd;
}
long bind_to(int fd, const char* address, int port) {
  Place place(address, port);
  return sys(SYS_bind, fd, place.get(), place.size);
}
long connect_to(int fd, const char* address, int port) {
  Place place(address, port);
  return sys(SYS_connect, fd, place.get(), place.size);
}

const Refusal kRefusals[] = {
    {"SocketSeqpacket", [] { return sys(SYS_socket, AF_INET, SOCK_RDM, 0); }, ESOCKTNOSUPPORT},
    {"SocketStreamUdp", [] { return sys(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_UDP); }, EPROTONOSUPPORT},
    {"SocketDatagramTcp", [] { return sys(SYS_socket, AF_INET6, SOCK_DGRAM, IPPROTO_TCP); }, EPROTONOSUPPORT},
    {"SocketNegativeProtocol", [] { return sys(SYS_socket, AF_INET, SOCK_STREAM, -1); }, EINVAL},
    {"SocketpairInet",
     [] {
       int fds[2];
       return sys(SYS_socketpair, AF_INET, SOCK_STREAM, 0, fds);
     },
     EOPNOTSUPP},
    {"SocketNetlinkType", [] { return sys(SYS_socket, AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE); }, ESOCKTNOSUPPORT},
    {"SocketNetlinkProtocol", [] { return sys(SYS_socket, AF_NETLINK, SOCK_RAW, 31); }, EPROTONOSUPPORT},
    {"BindShort",
     [] {
       Place place("127.0.0.1", 0);
       return sys(SYS_bind, the_tcp(), place.get(), 8);
     },
     EINVAL},
    {"BindOtherFamily",
     [] {
       Place place("127.0.0.1", 0);
       place.get()->sa_family = AF_UNIX;
       return sys(SYS_bind, the_tcp(), place.get(), place.size);
     },
     EAFNOSUPPORT},
    {"BindForeign", [] { return bind_to(the_tcp(), "192.0.2.1", 0); }, EADDRNOTAVAIL},
    {"BindAgain", [] { return bind_to(the_listener(), "127.0.0.1", 0); }, EINVAL},
    {"ListenDatagram", [] { return sys(SYS_listen, the_udp(), 1); }, EOPNOTSUPP},
    {"AcceptNotListening", [] { return sys(SYS_accept, the_tcp(), nullptr, nullptr); }, EINVAL},
    {"AcceptDatagram", [] { return sys(SYS_accept, the_udp(), nullptr, nullptr); }, EOPNOTSUPP},
    {"ConnectAway", [] { return connect_to(the_tcp(), "192.0.2.1", 80); }, ENETUNREACH},
    {"ConnectDatagramAway", [] { return connect_to(the_udp(), "192.0.2.1", 80); }, ENETUNREACH},
    {"ConnectShort",
     [] {
       Place place("127.0.0.1", 1);
       return sys(SYS_connect, the_tcp(), place.get(), 8);
     },
     EINVAL},
    {"ConnectOtherFamily",
     [] {
       Place place("::1", 1);
       return sys(SYS_connect, the_tcp(), place.get(), place.size);
     },
     EAFNOSUPPORT},
    {"ConnectListener", [] { return connect_to(the_listener(), "127.0.0.1", 1); }, EISCONN},
    {"GetpeernameUnconnected",
     [] {
       Place place;
       return sys(SYS_getpeername, the_tcp(), place.get(), &place.size);
     },
     ENOTCONN},
    {"GetpeernameDatagram",
     [] {
       Place place;
       return sys(SYS_getpeername, the_udp(), place.get(), &place.size);
     },
     ENOTCONN},
    {"ShutdownUnconnected", [] { return sys(SYS_shutdown, the_tcp(), SHUT_WR); }, ENOTCONN},
    {"ShutdownDatagram", [] { return sys(SYS_shutdown, the_udp(), SHUT_WR); }, ENOTCONN},
    {"SendUnconnected", [] { return sys(SYS_sendto, the_tcp(), "x", 1, MSG_NOSIGNAL, nullptr, 0); }, EPIPE},
    {"ReceiveUnconnected",
     [] {
       char c;
       return sys(SYS_recvfrom, the_tcp(), &c, 1, 0, nullptr, nullptr);
     },
     ENOTCONN},
    {"SendNowhere", [] { return sys(SYS_sendto, the_udp(), "x", 1, 0, nullptr, 0); }, EDESTADDRREQ},
    {"SendPortZero",
     [] {
       Place place("127.0.0.1", 0);
       return sys(SYS_sendto, the_udp(), "x", 1, 0, place.get(), place.size);
     },
     EINVAL},
    {"SendAway",
     [] {
       Place place("192.0.2.1", 9);
       return sys(SYS_sendto, the_udp(), "x", 1, 0, place.get(), place.size);
     },
     ENETUNREACH},
    {"SendTooLong",
     [] {
       static char much[65508];
       Place place("127.0.0.1", 9);
       return sys(SYS_sendto, the_udp(), much, sizeof much, 0, place.get(), place.size);
     },
     EMSGSIZE},
    {"ReceiveDatagramNothing",
     [] {
       char c;
       return sys(SYS_recvfrom, the_udp(), &c, 1, 0, nullptr, nullptr);
     },
     EAGAIN},
    {"OptionUnknownTcp",
     [] {
       int value;
       socklen_t size = sizeof value;
       return sys(SYS_getsockopt, the_tcp(), SOL_TCP, 4711, &value, &size);
     },
     ENOPROTOOPT},
    {"OptionUnknownIp",
     [] {
       int value = 1;
       return sys(SYS_setsockopt, the_tcp(), SOL_IP, 4711, &value, sizeof value);
     },
     ENOPROTOOPT},
    {"OptionTtl",
     [] {
       int value = 256;
       return sys(SYS_setsockopt, the_tcp(), SOL_IP, IP_TTL, &value, sizeof value);
     },
     EINVAL},
    {"OptionKeepIdle",
     [] {
       int value = 0;
       return sys(SYS_setsockopt, the_tcp(), SOL_TCP, TCP_KEEPIDLE, &value, sizeof value);
     },
     EINVAL},
    {"OptionShort",
     [] {
       int value = 1;
       return sys(SYS_setsockopt, the_tcp(), SOL_TCP, TCP_NODELAY, &value, 2);
     },
     EINVAL},
    {"OptionNoDevice", [] { return sys(SYS_setsockopt, the_tcp(), SOL_SOCKET, SO_BINDTODEVICE, "nix0", 5); }, ENODEV},
    {"OptionMtuUnconnected",
     [] {
       int value;
       socklen_t size = sizeof value;
       return sys(SYS_getsockopt, the_tcp(), SOL_IP, IP_MTU, &value, &size);
     },
     ENOTCONN},
    {"InterfaceUnknown",
     [] {
       ifreq request = {};
       strcpy(request.ifr_name, "nix0");
       return sys(SYS_ioctl, the_udp(), SIOCGIFFLAGS, &request);
     },
     ENODEV},
    {"InterfaceIndexUnknown",
     [] {
       ifreq request = {};
       request.ifr_ifindex = 77;
       return sys(SYS_ioctl, the_udp(), SIOCGIFNAME, &request);
     },
     ENODEV},
    {"InterfaceBadPointer", [] { return sys(SYS_ioctl, the_udp(), SIOCGIFFLAGS, kNowhere); }, EFAULT},
};
REFUSALS(Inet, kRefusals);

// --- TCP

std::string family_name(const testing::TestParamInfo<const char*>& one) {
  return strstr(one.param, "ffff") != nullptr ? "Mapped" : strchr(one.param, ':') != nullptr ? "V6" : "V4";
}

class Tcp : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, Tcp, testing::Values("127.0.0.1", "::1", "::ffff:127.0.0.1"), family_name);

TEST_P(Tcp, CarriesBytesBothWays) {
  Connection c(GetParam());
  EXPECT_TRUE(put(c.client, "hello"));
  EXPECT_TRUE(put(c.client, " there"));
  EXPECT_EQ(receive(c.server, 11, MSG_WAITALL), "hello there");
  EXPECT_TRUE(put(c.server, "back"));
  EXPECT_EQ(receive(c.client, 2), "ba");
  EXPECT_EQ(receive(c.client), "ck");
}

TEST_P(Tcp, NamesAgree) {
  Connection c(GetParam());
  const Place client = name_of(c.client), server = name_of(c.server);
  EXPECT_EQ(client.text(), GetParam());
  EXPECT_EQ(server.text(), GetParam());
  EXPECT_EQ(peer_of(c.client).port(), server.port());
  EXPECT_EQ(peer_of(c.server).port(), client.port());
  EXPECT_EQ(peer_of(c.server).text(), GetParam());
  EXPECT_EQ(server.port(), port_of(c.listener));
  EXPECT_GE(client.port(), 1024);
  EXPECT_EQ(option(c.client, SOL_SOCKET, SO_DOMAIN), client.family());
  EXPECT_EQ(option(c.client, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
  EXPECT_EQ(option(c.client, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
}

TEST_P(Tcp, RefusesWhereNobodyListens) {
  Fd only_bound(bound(GetParam(), SOCK_STREAM));
  Fd client(make(name_of(only_bound).family(), SOCK_STREAM));
  EXPECT_EQ(try_connect(client, name_of(only_bound)), ECONNREFUSED);
  EXPECT_EQ(listen(only_bound, 1), 0);
  EXPECT_EQ(try_connect(client, name_of(only_bound)), 0);
}

TEST(TcpStream, EndsInOrder) {
  Connection c;
  EXPECT_TRUE(put(c.client, "last"));
  EXPECT_EQ(shutdown(c.client, SHUT_WR), 0);
  EXPECT_EQ(receive(c.server), "last");
  EXPECT_EQ(receive(c.server), "");
  EXPECT_EQ(ready(c.server), POLLIN | POLLOUT | POLLRDHUP);
  EXPECT_FALSE(put(c.client, "x"));
  EXPECT_EQ(errno, EPIPE);
  EXPECT_TRUE(put(c.server, "still"));
  EXPECT_EQ(receive(c.client), "still");
  EXPECT_EQ(shutdown(c.server, SHUT_WR), 0);
  EXPECT_EQ(receive(c.client), "");
  EXPECT_NE(ready(c.client, POLLHUP) & POLLHUP, 0);
}

TEST(TcpStream, ClosingWithUnreadDataResets) {
  Connection c;
  EXPECT_TRUE(put(c.client, "unread"));
  EXPECT_NE(ready(c.server, POLLIN) & POLLIN, 0);
  c.server.drop();
  EXPECT_NE(ready(c.client, POLLERR) & POLLERR, 0);
  EXPECT_EQ(receive(c.client), "ECONNRESET");
  EXPECT_EQ(receive(c.client), "");
  EXPECT_FALSE(put(c.client, "x"));
  EXPECT_EQ(errno, EPIPE);
}

TEST(TcpStream, LingerZeroResets) {
  Connection c;
  EXPECT_TRUE(put(c.server, "before"));
  EXPECT_TRUE(set(c.server, SOL_SOCKET, SO_LINGER, linger{1, 0}));
  c.server.drop();
  EXPECT_NE(ready(c.client, POLLERR) & POLLERR, 0);
  EXPECT_EQ(option(c.client, SOL_SOCKET, SO_ERROR), ECONNRESET);
  EXPECT_EQ(option(c.client, SOL_SOCKET, SO_ERROR), 0);
}

TEST(TcpStream, WritingToOneThatHasClosed) {
  Connection c;
  c.server.drop();
  EXPECT_NE(ready(c.client, POLLRDHUP) & POLLRDHUP, 0);
  EXPECT_EQ(receive(c.client), "");
  EXPECT_TRUE(put(c.client, "first"));  // which is answered by a reset
  EXPECT_TRUE(eventually([&] { return !put(c.client, "second"); }));
  EXPECT_EQ(errno, EPIPE);
  signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(write(c.client, "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  signal(SIGPIPE, SIG_DFL);
}

TEST(TcpStream, PeeksAndCounts) {
  Connection c;
  EXPECT_TRUE(put(c.client, "abcdef"));
  EXPECT_NE(ready(c.server, POLLIN) & POLLIN, 0);
  EXPECT_EQ(receive(c.server, 3, MSG_PEEK), "abc");
  int waiting = 0;
  EXPECT_EQ(ioctl(c.server, FIONREAD, &waiting), 0);
  EXPECT_EQ(waiting, 6);
  char none[4] = "...";
  EXPECT_EQ(recv(c.server, none, 3, MSG_TRUNC), 3);
  EXPECT_EQ(receive(c.server), "def");
  EXPECT_EQ(receive(c.server, 1, MSG_DONTWAIT), "EAGAIN");
}

TEST(TcpStream, FlowsThroughSmallBuffers) {
  Connection c;
  const size_t kSize = 3 << 20;
  std::thread writer([&] {
    std::string all(kSize, '\0');
    for (size_t i = 0; i < kSize; ++i) all[i] = static_cast<char>(i * 7 / 3);
    EXPECT_EQ(write(c.client, all.data(), all.size()), static_cast<ssize_t>(kSize));
    c.client.drop();
  });
  size_t got = 0;
  bool same = true;
  char buffer[10007];
  for (ssize_t n; (n = read(c.server, buffer, sizeof buffer)) > 0;) {
    for (ssize_t i = 0; i < n; ++i) same &= buffer[i] == static_cast<char>((got + static_cast<size_t>(i)) * 7 / 3);
    got += static_cast<size_t>(n);
  }
  writer.join();
  EXPECT_EQ(got, kSize);
  EXPECT_TRUE(same);
}

TEST(TcpStream, FillsUntilNobodyReads) {
  Connection c;
  fcntl(c.client, F_SETFL, O_NONBLOCK);
  const std::string block(65536, 'b');
  while (send(c.client, block.data(), block.size(), 0) > 0) {
  }
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(ready(c.client) & POLLOUT, 0);
  std::string all(1 << 24, '\0');
  EXPECT_TRUE(eventually([&] {
    (void)!recv(c.server, all.data(), all.size(), MSG_DONTWAIT);
    return (ready(c.client) & POLLOUT) != 0;
  }));
}

TEST(TcpStream, SendsFiles) {
  Connection c;
  Fd file(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_EQ(write(file, "0123456789", 10), 10);
  off_t offset = 3;
  EXPECT_EQ(sendfile(c.client, file, &offset, 100), 7);
  EXPECT_EQ(receive(c.server, 7, MSG_WAITALL), "3456789");
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  EXPECT_TRUE(put(c.client, "spliced"));
  EXPECT_EQ(splice(c.server, nullptr, ends[1], nullptr, 100, 0), 7);
  EXPECT_EQ(splice(ends[0], nullptr, c.server, nullptr, 100, 0), 7);
  EXPECT_EQ(receive(c.client, 7, MSG_WAITALL), "spliced");
  close(ends[0]);
  close(ends[1]);
}

TEST(TcpConnect, WithoutWaiting) {
  Fd listener(listening());
  Fd client(make(AF_INET, SOCK_STREAM, SOCK_NONBLOCK));
  EXPECT_EQ(ready(client), POLLOUT | POLLHUP);
  EXPECT_EQ(try_connect(client, name_of(listener)), EINPROGRESS);
  EXPECT_EQ(ready(client, POLLOUT), POLLOUT);
  EXPECT_EQ(option(client, SOL_SOCKET, SO_ERROR), 0);
  EXPECT_EQ(try_connect(client, name_of(listener)), 0);
  EXPECT_EQ(try_connect(client, name_of(listener)), EISCONN);
}

TEST(TcpConnect, RefusedWithoutWaiting) {
  Fd nobody(bound("127.0.0.1", SOCK_STREAM));
  Fd client(make(AF_INET, SOCK_STREAM, SOCK_NONBLOCK));
  EXPECT_EQ(try_connect(client, name_of(nobody)), EINPROGRESS);
  EXPECT_EQ(ready(client, POLLOUT) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
  EXPECT_EQ(option(client, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  Fd other(make(AF_INET, SOCK_STREAM, SOCK_NONBLOCK));
  EXPECT_EQ(try_connect(other, name_of(nobody)), EINPROGRESS);
  EXPECT_NE(ready(other, POLLOUT), 0);
  EXPECT_EQ(try_connect(other, name_of(nobody)), ECONNREFUSED);
}

TEST(TcpConnect, AnyMeansThisMachine) {
  Fd listener(listening("0.0.0.0"));
  Fd client(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_connect(client, Place("0.0.0.0", port_of(listener))), 0);
  EXPECT_EQ(peer_of(client).text(), "127.0.0.1");
  Fd other(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_connect(other, Place("127.9.8.7", port_of(listener))), 0);
  EXPECT_EQ(peer_of(other).text(), "127.9.8.7");
  EXPECT_EQ(name_of(other).text(), "127.0.0.1");
  Fd elsewhere(listening("127.0.0.2"));
  Fd third(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_connect(third, Place("127.0.0.1", port_of(elsewhere))), ECONNREFUSED);
}

TEST(TcpConnect, BothFamiliesAtOneSocket) {
  Fd listener(listening("::"));
  const int port = port_of(listener);
  Fd client(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_connect(client, Place("127.0.0.1", port)), 0);
  Place from;
  Fd server(accept(listener, from.get(), &from.size));
  EXPECT_EQ(from.text(), "::ffff:127.0.0.1");
  Fd client6(make(AF_INET6, SOCK_STREAM));
  EXPECT_EQ(try_connect(client6, Place("::1", port)), 0);
  Fd only(make(AF_INET6, SOCK_STREAM));
  EXPECT_TRUE(set(only, SOL_IPV6, IPV6_V6ONLY, 1));
  EXPECT_EQ(try_bind(only, Place("::", 0)), 0);
  EXPECT_FALSE(set(only, SOL_IPV6, IPV6_V6ONLY, 0));
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(listen(only, 1), 0);
  Fd refused(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_connect(refused, Place("127.0.0.1", port_of(only))), ECONNREFUSED);
}

TEST(TcpConnect, AgainAfterAnEnd) {
  Connection c;
  Place none;
  none.size = sizeof(sa_family_t);
  EXPECT_EQ(connect(c.client, none.get(), sizeof(sockaddr)), 0);
  EXPECT_EQ(ready(c.server, POLLIN) & POLLIN, POLLIN);
  EXPECT_EQ(receive(c.server), "ECONNRESET");
  EXPECT_EQ(try_connect(c.client, name_of(c.listener)), 0);
  Fd second(accept(c.listener, nullptr, nullptr));
  EXPECT_TRUE(put(c.client, "again"));
  EXPECT_EQ(receive(second), "again");
}

TEST(TcpListen, WithoutAName) {
  Fd listener(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(listen(listener, 1), 0);
  EXPECT_EQ(name_of(listener).text(), "0.0.0.0");
  EXPECT_GT(port_of(listener), 1023);
  EXPECT_EQ(option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
}

TEST(TcpListen, AcceptWaits) {
  Fd listener(listening());
  const Place where = name_of(listener);
  std::thread later([&] {
    sleep_ms(20);
    Fd client(make(AF_INET, SOCK_STREAM));
    EXPECT_EQ(try_connect(client, where), 0);
  });
  Fd server(accept(listener, nullptr, nullptr));
  EXPECT_GE(server, 0);
  later.join();
  fcntl(listener, F_SETFL, O_NONBLOCK);
  EXPECT_EQ(accept(listener, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
}

// Data that came before, and the name of one that has gone.
TEST(TcpListen, AcceptsWhoHasGone) {
  Fd listener(listening());
  int port = 0;
  {
    Fd client(make(AF_INET, SOCK_STREAM));
    EXPECT_EQ(try_connect(client, name_of(listener)), 0);
    EXPECT_TRUE(put(client, "was here"));
    port = port_of(client);
  }
  Place from;
  Fd server(accept(listener, from.get(), &from.size));
  ASSERT_GE(server, 0);
  EXPECT_EQ(from.port(), port);
  EXPECT_EQ(receive(server), "was here");
  EXPECT_EQ(receive(server), "");
}

TEST(TcpListen, ShutdownWakesAccept) {
  Fd listener(listening());
  std::thread other([&] {
    sleep_ms(20);
    shutdown(listener, SHUT_RDWR);
  });
  EXPECT_EQ(accept(listener, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EINVAL);
  other.join();
}

TEST(TcpListen, ClosingResetsWhoWaits) {
  Fd listener(listening());
  Fd client(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_connect(client, name_of(listener)), 0);
  listener.drop();
  EXPECT_NE(ready(client, POLLERR) & POLLERR, 0);
  EXPECT_EQ(receive(client), "ECONNRESET");
}

TEST(TcpListen, EpollTellsOfConnections) {
  Fd listener(listening());
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event = {EPOLLIN | EPOLLET, {}};
  EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(epoll_wait(epoll, &event, 1, 0), 0);
    Fd client(make(AF_INET, SOCK_STREAM));
    EXPECT_EQ(try_connect(client, name_of(listener)), 0);
    EXPECT_EQ(epoll_wait(epoll, &event, 1, 2000), 1);
  }
}

TEST(TcpPorts, OneForOne) {
  Fd first(listening());
  const Place place = name_of(first);
  Fd second(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_bind(second, place), EADDRINUSE);
  EXPECT_EQ(try_bind(second, Place("0.0.0.0", place.port())), EADDRINUSE);
  EXPECT_TRUE(set(second, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_EQ(try_bind(second, place), EADDRINUSE);  // the other listens
  EXPECT_EQ(try_bind(second, Place("127.0.0.2", place.port())), 0);
  Fd third(make(AF_INET6, SOCK_STREAM));
  EXPECT_EQ(try_bind(third, Place("::", place.port())), EADDRINUSE);
  EXPECT_TRUE(set(third, SOL_IPV6, IPV6_V6ONLY, 1));
  EXPECT_EQ(try_bind(third, Place("::", place.port())), 0);
}

TEST(TcpPorts, ReusedByTwoOfWhomOneListens) {
  Fd first(make(AF_INET, SOCK_STREAM)), second(make(AF_INET, SOCK_STREAM));
  for (int fd : {first.fd, second.fd}) EXPECT_TRUE(set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_EQ(try_bind(first, Place("127.0.0.1", 0)), 0);
  EXPECT_EQ(try_bind(second, name_of(first)), 0);
  EXPECT_EQ(listen(first, 1), 0);
  EXPECT_EQ(listen(second, 1), -1);
  EXPECT_EQ(errno, EADDRINUSE);
}

TEST(TcpPorts, SharedByListeners) {
  std::vector<Fd> listeners;
  Place place("127.0.0.1", 0);
  for (int i = 0; i < 3; ++i) {
    listeners.emplace_back(make(AF_INET, SOCK_STREAM, SOCK_NONBLOCK));
    EXPECT_TRUE(set(listeners.back(), SOL_SOCKET, SO_REUSEPORT, 1));
    ASSERT_EQ(try_bind(listeners.back(), place), 0);
    place = name_of(listeners.back());
    EXPECT_EQ(listen(listeners.back(), 64), 0);
  }
  std::vector<Fd> clients;
  for (int i = 0; i < 60; ++i) {
    clients.emplace_back(make(AF_INET, SOCK_STREAM));
    EXPECT_EQ(try_connect(clients.back(), place), 0);
  }
  int total = 0, used = 0;
  for (const Fd& listener : listeners) {
    int own = 0;
    for (int fd; (fd = accept(listener, nullptr, nullptr)) >= 0; ++own) close(fd);
    total += own;
    used += own > 0;
  }
  EXPECT_EQ(total, 60);
  EXPECT_GE(used, 2);
}

TEST(TcpPorts, LowOnesAreForThePrivileged) {
  EXPECT_CHILD([] {
    REQUIRE(setresuid(1000, 1000, 1000) == 0);
    const int fd = make(AF_INET, SOCK_STREAM);
    REQUIRE(try_bind(fd, Place("127.0.0.1", 1023)) == EACCES);
    REQUIRE(try_bind(fd, Place("127.0.0.1", 1024)) == 0);
    return 0;
  });
}

TEST(TcpPorts, AreNotGuessable) {
  std::set<int> ports;
  std::vector<Fd> sockets;
  int neighbours = 0, last = 0;
  for (int i = 0; i < 32; ++i) {
    sockets.emplace_back(bound("127.0.0.1", SOCK_STREAM));
    const int port = port_of(sockets.back());
    EXPECT_TRUE(ports.insert(port).second);
    EXPECT_GE(port, 32768);
    neighbours += std::abs(port - last) <= 2;
    last = port;
  }
  EXPECT_LT(neighbours, 8);
}

TEST(TcpOptions, AreKept) {
  Fd fd(make(AF_INET, SOCK_STREAM));
  struct Case {
    int level, name, initial, value;
  };
  for (const Case& one : {Case{SOL_TCP, TCP_NODELAY, 0, 1},
                          {SOL_TCP, TCP_CORK, 0, 1},
                          {SOL_TCP, TCP_KEEPIDLE, 7200, 5},
                          {SOL_TCP, TCP_KEEPINTVL, 75, 6},
                          {SOL_TCP, TCP_KEEPCNT, 9, 7},
                          {SOL_TCP, TCP_SYNCNT, 6, 3},
                          {SOL_TCP, TCP_USER_TIMEOUT, 0, 1000},
                          {SOL_IP, IP_TTL, 64, 32},
                          {SOL_IP, IP_TOS, 0, 16},
                          {SOL_IP, IP_RECVERR, 0, 1},
                          {SOL_SOCKET, SO_KEEPALIVE, 0, 1},
                          {SOL_SOCKET, SO_REUSEPORT, 0, 1}}) {
    EXPECT_EQ(option(fd, one.level, one.name), one.initial) << one.level << " " << one.name;
    EXPECT_TRUE(set(fd, one.level, one.name, one.value)) << one.level << " " << one.name;
    EXPECT_EQ(option(fd, one.level, one.name), one.value) << one.level << " " << one.name;
  }
  // A byte will do for some.
  const unsigned char byte = 99;
  EXPECT_EQ(setsockopt(fd, SOL_IP, IP_TTL, &byte, 1), 0);
  unsigned char got = 0;
  socklen_t size = 1;
  EXPECT_EQ(getsockopt(fd, SOL_IP, IP_TTL, &got, &size), 0);
  EXPECT_EQ(got, 99);
}

TEST(TcpOptions, GoToWhatIsAccepted) {
  Fd listener(bound("127.0.0.1", SOCK_STREAM));
  EXPECT_TRUE(set(listener, SOL_TCP, TCP_NODELAY, 1));
  EXPECT_TRUE(set(listener, SOL_SOCKET, SO_KEEPALIVE, 1));
  EXPECT_EQ(listen(listener, 1), 0);
  Fd client(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_connect(client, name_of(listener)), 0);
  Fd server(accept(listener, nullptr, nullptr));
  EXPECT_EQ(option(server, SOL_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(server, SOL_SOCKET, SO_KEEPALIVE), 1);
}

TEST(TcpOptions, Information) {
  Connection c;
  EXPECT_EQ(option<tcp_info>(c.client, SOL_TCP, TCP_INFO).tcpi_state, TCP_ESTABLISHED);
  EXPECT_EQ(option<tcp_info>(c.listener, SOL_TCP, TCP_INFO).tcpi_state, TCP_LISTEN);
  EXPECT_EQ(option(c.client, SOL_IP, IP_MTU), 65535);
  Connection six("::1");
  EXPECT_EQ(option(six.client, SOL_IPV6, IPV6_MTU), 65536);
  EXPECT_NE(std::string(option<std::array<char, 16>>(c.client, SOL_TCP, TCP_CONGESTION).data()), "");
  EXPECT_EQ(setsockopt(c.client, SOL_TCP, TCP_CONGESTION, "nonsense", 8), -1);
  EXPECT_EQ(errno, ENOENT);
}

// --- UDP

class Udp : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, Udp, testing::Values("127.0.0.1", "::1"), family_name);

TEST_P(Udp, KeepsMessagesApart) {
  Fd receiver(bound(GetParam(), SOCK_DGRAM)), sender(make(name_of(receiver).family(), SOCK_DGRAM));
  Place to = name_of(receiver);
  for (const char* text : {"one", "", "three"})
    EXPECT_EQ(sendto(sender, text, strlen(text), 0, to.get(), to.size), static_cast<ssize_t>(strlen(text)));
  Place from;
  char buffer[16];
  EXPECT_EQ(recvfrom(receiver, buffer, sizeof buffer, 0, from.get(), &from.size), 3);
  EXPECT_EQ(from.text(), GetParam());
  EXPECT_EQ(from.port(), port_of(sender));
  EXPECT_EQ(receive(receiver), "");
  int waiting = 0;
  EXPECT_EQ(ioctl(receiver, FIONREAD, &waiting), 0);
  EXPECT_EQ(waiting, 5);
  EXPECT_EQ(recv(receiver, buffer, 1, MSG_TRUNC), 5);
  EXPECT_EQ(receive(receiver, 1, MSG_DONTWAIT), "EAGAIN");
}

TEST_P(Udp, ConnectedOnesHearOfNobody) {
  Place nobody;
  {
    Fd closed(bound(GetParam(), SOCK_DGRAM));
    nobody = name_of(closed);
  }
  Fd fd(make(nobody.family(), SOCK_DGRAM));
  EXPECT_EQ(try_connect(fd, nobody), 0);
  EXPECT_EQ(name_of(fd).text(), GetParam());
  EXPECT_EQ(peer_of(fd).port(), nobody.port());
  EXPECT_TRUE(put(fd, "x"));
  EXPECT_NE(ready(fd, POLLERR) & POLLERR, 0);
  EXPECT_EQ(receive(fd, 1, MSG_DONTWAIT), "ECONNREFUSED");
  EXPECT_EQ(receive(fd, 1, MSG_DONTWAIT), "EAGAIN");
}

TEST_P(Udp, ConnectedOnesHearOneOnly) {
  Fd any(bound(GetParam(), SOCK_DGRAM));
  const int port = port_of(any);
  any.drop();
  Fd one(bound(GetParam(), SOCK_DGRAM, port)), two(bound(GetParam(), SOCK_DGRAM)), third(bound(GetParam(), SOCK_DGRAM));
  EXPECT_EQ(try_connect(one, name_of(two)), 0);
  Place to = name_of(one);
  EXPECT_EQ(sendto(third, "third", 5, 0, to.get(), to.size), 5);
  EXPECT_EQ(sendto(two, "two", 3, 0, to.get(), to.size), 3);
  EXPECT_EQ(receive(one), "two");
  EXPECT_EQ(receive(one, 8, MSG_DONTWAIT), "EAGAIN");
  Place none;
  EXPECT_EQ(connect(one, none.get(), sizeof(sockaddr)), 0);
  EXPECT_EQ(sendto(third, "third", 5, 0, to.get(), to.size), 5);
  EXPECT_EQ(receive(one), "third");
  // A port that was not asked for goes with the connection.
  EXPECT_EQ(try_connect(third, name_of(two)), 0);
  EXPECT_EQ(connect(third, none.get(), sizeof(sockaddr)), 0);
  EXPECT_EQ(port_of(third), 0);
}

TEST(UdpSocket, DropsWhatDoesNotFit) {
  Fd receiver(bound("127.0.0.1", SOCK_DGRAM)), sender(make(AF_INET, SOCK_DGRAM));
  EXPECT_TRUE(set(receiver, SOL_SOCKET, SO_RCVBUF, 8192));
  EXPECT_EQ(try_connect(sender, name_of(receiver)), 0);
  const std::string block(1000, 'b');
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(put(sender, block));
  int got = 0;
  while (receive(receiver, 2000, MSG_DONTWAIT) == block) ++got;
  EXPECT_GT(got, 0);
  EXPECT_LT(got, 100);
}

TEST(UdpSocket, TheLargest) {
  Fd receiver(bound("127.0.0.1", SOCK_DGRAM)), sender(make(AF_INET, SOCK_DGRAM));
  EXPECT_EQ(try_connect(sender, name_of(receiver)), 0);
  const std::string most(65507, 'm');
  EXPECT_TRUE(put(sender, most));
  EXPECT_EQ(receive(receiver, 70000), most);
  EXPECT_FALSE(put(sender, most + "x"));
  EXPECT_EQ(errno, EMSGSIZE);
}

TEST(UdpSocket, SpeaksBothFamilies) {
  Fd both(bound("::", SOCK_DGRAM)), v4(bound("127.0.0.1", SOCK_DGRAM));
  Place to("127.0.0.1", port_of(both));
  EXPECT_EQ(sendto(v4, "hi", 2, 0, to.get(), to.size), 2);
  Place from;
  char buffer[8];
  EXPECT_EQ(recvfrom(both, buffer, sizeof buffer, 0, from.get(), &from.size), 2);
  EXPECT_EQ(from.text(), "::ffff:127.0.0.1");
  EXPECT_EQ(sendto(both, "you", 3, 0, from.get(), from.size), 3);
  EXPECT_EQ(receive(v4), "you");
}

TEST(UdpSocket, SaysWhereItWasSentTo) {
  Fd receiver(bound("0.0.0.0", SOCK_DGRAM)), sender(make(AF_INET, SOCK_DGRAM));
  for (int name : {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS}) EXPECT_TRUE(set(receiver, SOL_IP, name, 1));
  EXPECT_TRUE(set(receiver, SOL_SOCKET, SO_TIMESTAMPNS, 1));
  EXPECT_TRUE(set(sender, SOL_IP, IP_TTL, 7));
  EXPECT_TRUE(set(sender, SOL_IP, IP_TOS, 0x10));
  Place to("127.3.2.1", port_of(receiver));
  EXPECT_EQ(sendto(sender, "x", 1, 0, to.get(), to.size), 1);
  alignas(cmsghdr) char control[512];
  char c;
  iovec vector = {&c, 1};
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  EXPECT_EQ(recvmsg(receiver, &header, 0), 1);
  std::set<std::string> seen;
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level == SOL_IP && one->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(one), sizeof info);
      EXPECT_EQ(ntohl(info.ipi_addr.s_addr), 0x7f030201u);
      EXPECT_EQ(info.ipi_ifindex, static_cast<int>(if_nametoindex("lo")));
      seen.insert("address");
    } else if (one->cmsg_level == SOL_IP && one->cmsg_type == IP_TTL) {
      int ttl;
      memcpy(&ttl, CMSG_DATA(one), sizeof ttl);
      EXPECT_EQ(ttl, 7);
      seen.insert("ttl");
    } else if (one->cmsg_level == SOL_IP && one->cmsg_type == IP_TOS) {
      EXPECT_EQ(*CMSG_DATA(one), 0x10);
      seen.insert("tos");
    } else if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SO_TIMESTAMPNS) {
      timespec time;
      memcpy(&time, CMSG_DATA(one), sizeof time);
      EXPECT_LE(std::abs(time.tv_sec - ::time(nullptr)), 2);
      seen.insert("time");
    }
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST(UdpSocket, SendsFromWhereItIsTold) {
  Fd receiver(bound("127.0.0.1", SOCK_DGRAM)), sender(bound("0.0.0.0", SOCK_DGRAM));
  Place to = name_of(receiver);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
  iovec vector = {control, 1};
  msghdr header = {};
  header.msg_name = to.get();
  header.msg_namelen = to.size;
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* one = CMSG_FIRSTHDR(&header);
  one->cmsg_level = SOL_IP;
  one->cmsg_type = IP_PKTINFO;
  one->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info = {};
  info.ipi_spec_dst.s_addr = htonl(0x7f000009);
  memcpy(CMSG_DATA(one), &info, sizeof info);
  EXPECT_EQ(sendmsg(sender, &header, 0), 1);
  Place from;
  char c;
  EXPECT_EQ(recvfrom(receiver, &c, 1, 0, from.get(), &from.size), 1);
  EXPECT_EQ(from.text(), "127.0.0.9");
}

TEST(UdpSocket, Ports) {
  Fd first(bound("127.0.0.1", SOCK_DGRAM));
  Fd second(make(AF_INET, SOCK_DGRAM));
  EXPECT_EQ(try_bind(second, name_of(first)), EADDRINUSE);
  EXPECT_TRUE(set(first, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_TRUE(set(second, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_EQ(try_bind(second, name_of(first)), 0);
  Fd tcp(make(AF_INET, SOCK_STREAM));
  EXPECT_EQ(try_bind(tcp, name_of(first)), 0);
}

TEST(UdpSocket, WakesWhoWaits) {
  Fd receiver(bound("127.0.0.1", SOCK_DGRAM));
  Place to = name_of(receiver);
  std::thread sender([&] {
    sleep_ms(20);
    Fd fd(make(AF_INET, SOCK_DGRAM));
    sendto(fd, "x", 1, 0, to.get(), to.size);
  });
  EXPECT_EQ(receive(receiver), "x");
  sender.join();
  EXPECT_TRUE(set(receiver, SOL_SOCKET, SO_RCVTIMEO, timeval{0, 20'000}));
  EXPECT_EQ(receive(receiver), "EAGAIN");
  EXPECT_EQ(shutdown(receiver, SHUT_RD), -1);
  EXPECT_EQ(errno, ENOTCONN);
}

// --- interfaces

TEST(Interfaces, ByIoctl) {
  Fd fd(make(AF_INET, SOCK_DGRAM));
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  EXPECT_EQ(ioctl(fd, SIOCGIFFLAGS, &request), 0);
  EXPECT_EQ(request.ifr_flags & (IFF_UP | IFF_LOOPBACK), IFF_UP | IFF_LOOPBACK);
  EXPECT_EQ(ioctl(fd, SIOCGIFADDR, &request), 0);
  EXPECT_EQ(ntohl(reinterpret_cast<sockaddr_in&>(request.ifr_addr).sin_addr.s_addr), INADDR_LOOPBACK);
  EXPECT_EQ(ioctl(fd, SIOCGIFNETMASK, &request), 0);
  EXPECT_EQ(ntohl(reinterpret_cast<sockaddr_in&>(request.ifr_addr).sin_addr.s_addr), 0xff000000);
  EXPECT_EQ(ioctl(fd, SIOCGIFMTU, &request), 0);
  EXPECT_EQ(request.ifr_mtu, 65536);
  EXPECT_EQ(ioctl(fd, SIOCGIFHWADDR, &request), 0);
  EXPECT_EQ(request.ifr_hwaddr.sa_family, 772);
  EXPECT_EQ(ioctl(fd, SIOCGIFINDEX, &request), 0);
  const int index = request.ifr_ifindex;
  request = {};
  request.ifr_ifindex = index;
  EXPECT_EQ(ioctl(fd, SIOCGIFNAME, &request), 0);
  EXPECT_STREQ(request.ifr_name, "lo");
  ifreq list[4] = {};
  ifconf all = {};
  all.ifc_len = sizeof list;
  all.ifc_req = list;
  EXPECT_EQ(ioctl(fd, SIOCGIFCONF, &all), 0);
  EXPECT_EQ(all.ifc_len, static_cast<int>(sizeof(ifreq)));
  EXPECT_STREQ(list[0].ifr_name, "lo");
  all = {};
  EXPECT_EQ(ioctl(fd, SIOCGIFCONF, &all), 0);
  EXPECT_EQ(all.ifc_len, static_cast<int>(sizeof(ifreq)));
  // Sockets of other families may be asked too.
  Fd local(make(AF_UNIX, SOCK_STREAM));
  EXPECT_EQ(ioctl(local, SIOCGIFINDEX, &list[0]), 0);
}

TEST(Interfaces, AreNotForEveryoneToChange) {
  EXPECT_CHILD([] {
    REQUIRE(setresuid(1000, 1000, 1000) == 0);
    const int fd = make(AF_INET, SOCK_DGRAM);
    ifreq request = {};
    strcpy(request.ifr_name, "lo");
    REQUIRE(ioctl(fd, SIOCSIFFLAGS, &request) == -1 && errno == EPERM);
    return 0;
  });
}

TEST(Interfaces, ByGetifaddrs) {
  ifaddrs* list = nullptr;
  ASSERT_EQ(getifaddrs(&list), 0) << strerror(errno);
  std::multiset<std::string> found;
  for (ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    EXPECT_STREQ(one->ifa_name, "lo");
    EXPECT_TRUE(one->ifa_flags & IFF_LOOPBACK);
    if (one->ifa_addr == nullptr) continue;
    char text[64] = {};
    if (one->ifa_addr->sa_family == AF_INET)
      inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr, text, sizeof text);
    if (one->ifa_addr->sa_family == AF_INET6)
      inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr, text, sizeof text);
    found.insert(one->ifa_addr->sa_family == AF_PACKET ? "link" : text);
  }
  freeifaddrs(list);
  EXPECT_EQ(found, (std::multiset<std::string>{"link", "127.0.0.1", "::1"}));
}

// One request, and the types of all messages that answer it.
std::vector<nlmsghdr> ask(int fd, const void* request, size_t size) {
  std::vector<nlmsghdr> heads;
  if (send(fd, request, size, 0) != static_cast<ssize_t>(size)) return heads;
  for (bool done = false; !done;) {
    alignas(nlmsghdr) char buffer[32768];
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    auto left = static_cast<unsigned>(n);
    for (auto* head = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
      heads.push_back(*head);
      done |= !(head->nlmsg_flags & NLM_F_MULTI) || head->nlmsg_type == NLMSG_DONE;
      if (head->nlmsg_type != NLMSG_ERROR) continue;
      int error;
      memcpy(&error, NLMSG_DATA(head), sizeof error);
      heads.back().nlmsg_flags = static_cast<uint16_t>(-error);
    }
  }
  return heads;
}

TEST(Netlink, Dumps) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl name = {};
  name.nl_family = AF_NETLINK;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  socklen_t size = sizeof name;
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size), 0);
  EXPECT_EQ(size, sizeof name);
  EXPECT_NE(name.nl_pid, 0u);
  struct {
    nlmsghdr head;
    rtmsg body;
  } request = {};
  for (const auto& [type, answer] :
       {std::pair<int, int>{RTM_GETLINK, RTM_NEWLINK}, {RTM_GETADDR, RTM_NEWADDR}, {RTM_GETROUTE, RTM_NEWROUTE}}) {
    request.head = {sizeof request, static_cast<uint16_t>(type), NLM_F_REQUEST | NLM_F_DUMP, 4711, 0};
    request.body = {};
    const std::vector<nlmsghdr> heads = ask(fd, &request, sizeof request);
    ASSERT_GE(heads.size(), 2u) << type;
    EXPECT_EQ(heads.front().nlmsg_type, answer);
    EXPECT_EQ(heads.back().nlmsg_type, NLMSG_DONE);
    for (const nlmsghdr& head : heads) {
      EXPECT_EQ(head.nlmsg_seq, 4711u);
      EXPECT_EQ(head.nlmsg_pid, name.nl_pid);
    }
  }
  // The first one has the process's number, another one has another.
  Fd other(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl second = {};
  second.nl_family = AF_NETLINK;
  EXPECT_EQ(bind(other, reinterpret_cast<sockaddr*>(&second), sizeof second), 0);
  EXPECT_EQ(getsockname(other, reinterpret_cast<sockaddr*>(&second), &size), 0);
  EXPECT_NE(second.nl_pid, name.nl_pid);
}

TEST(Netlink, OneInterface) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  struct {
    nlmsghdr head;
    ifinfomsg body;
  } request = {{sizeof request, RTM_GETLINK, NLM_F_REQUEST, 1, 0}, {}};
  request.body.ifi_index = static_cast<int>(if_nametoindex("lo"));
  std::vector<nlmsghdr> heads = ask(fd, &request, sizeof request);
  ASSERT_EQ(heads.size(), 1u);
  EXPECT_EQ(heads[0].nlmsg_type, RTM_NEWLINK);
  request.body.ifi_index = 77;
  heads = ask(fd, &request, sizeof request);
  ASSERT_EQ(heads.size(), 1u);
  EXPECT_EQ(heads[0].nlmsg_type, NLMSG_ERROR);
  EXPECT_EQ(heads[0].nlmsg_flags, ENODEV);
}

TEST(Netlink, ChangesNeedTheRight) {
  EXPECT_CHILD([] {
    REQUIRE(setresuid(1000, 1000, 1000) == 0);
    const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct {
      nlmsghdr head;
      ifinfomsg body;
    } request = {{sizeof request, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {}};
    const std::vector<nlmsghdr> heads = ask(fd, &request, sizeof request);
    REQUIRE(heads.size() == 1 && heads[0].nlmsg_type == NLMSG_ERROR && heads[0].nlmsg_flags == EPERM);
    return 0;
  });
}

TEST(Proc, ListsConnections) {
  Connection c;
  char wanted[64];
  snprintf(wanted, sizeof wanted, " 0100007F:%04X 0100007F:%04X 01 ", port_of(c.client), port_of(c.server));
  struct stat now;
  fstat(c.client, &now);
  FILE* file = fopen("/proc/net/tcp", "re");
  ASSERT_NE(file, nullptr);
  char line[512];
  std::string found;
  while (fgets(line, sizeof line, file) != nullptr)
    if (strstr(line, wanted) != nullptr) found = line;
  fclose(file);
  EXPECT_NE(found.find(" " + std::to_string(now.st_ino) + " "), std::string::npos) << found << wanted;
}

}  // namespace
