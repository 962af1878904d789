// Sockets between processes of one machine: unix(7), and what all sockets have in common: socket(7), send(2), recv(2).
// Those of the internet families are in inet.cc.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <linux/sockios.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

struct Pair {
  explicit Pair(int type = SOCK_STREAM) { EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0); }
  ~Pair() {
    for (int one : fd)
      if (one >= 0) close(one);
  }
  void drop(int which) {
    close(fd[which]);
    fd[which] = -1;
  }
  int fd[2] = {-1, -1};
};

struct Name {
  explicit Name(const std::string& path) {
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path.data(), path.size());
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] != '\0'));
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&un); }
  sockaddr_un un = {};
  socklen_t size;
};
std::string abstract(const char* what) {
  return std::string(1, '\0') + "guest-" + what + std::to_string(getpid());
}

int bound(int type, const Name& name) {
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  EXPECT_GE(fd, 0);
  EXPECT_EQ(bind(fd, name.get(), name.size), 0) << strerror(errno);
  return fd;
}
int listening(const Name& name, int backlog = 8, int type = SOCK_STREAM) {
  const int fd = bound(type, name);
  EXPECT_EQ(listen(fd, backlog), 0);
  return fd;
}
int connected(const Name& name, int type = SOCK_STREAM) {
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, name.get(), name.size), 0) << strerror(errno);
  return fd;
}

short ready(int fd) {
  pollfd one = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
  EXPECT_GE(poll(&one, 1, 0), 0);
  return one.revents;
}
std::string receive(int fd, size_t size = 256, int flags = MSG_DONTWAIT) {
  std::string text(size, '\0');
  const ssize_t n = recv(fd, text.data(), size, flags);
  return n < 0 ? strerrorname_np(errno) : text.substr(0, static_cast<size_t>(n));
}
bool put(int fd, const std::string& text, int flags = 0) {
  return send(fd, text.data(), text.size(), flags | MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}
template <typename T = int>
T option(int fd, int name, int level = SOL_SOCKET) {
  T value = {};
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0) << name << ": " << strerror(errno);
  return value;
}
template <typename T>
bool set(int fd, int name, const T& value, int level = SOL_SOCKET) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}
void no_wait(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

// A message with ancillary data.
struct Message {
  explicit Message(const std::string& text = "") : data(text) { data.resize(std::max<size_t>(text.size(), 64)); }
  msghdr header(size_t size) {
    vector = {data.data(), size};
    msghdr h = {};
    h.msg_iov = &vector;
    h.msg_iovlen = 1;
    h.msg_control = control.data();
    h.msg_controllen = used;
    return h;
  }
  void add(int type, const void* value, size_t size) {
    auto* c = reinterpret_cast<cmsghdr*>(control.data() + used);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), value, size);
    used += CMSG_SPACE(size);
  }
  ssize_t send(int fd, const std::string& text) {
    data = text;
    msghdr h = header(text.size());
    return sendmsg(fd, &h, MSG_NOSIGNAL);
  }
  // `room`: for ancillary data.
  ssize_t receive(int fd, size_t room = 512, int flags = MSG_DONTWAIT) {
    used = room;
    msghdr h = header(data.size());
    const ssize_t n = recvmsg(fd, &h, flags);
    result_flags = h.msg_flags;
    used = h.msg_controllen;
    fds.clear();
    credentials = {-1, 0, 0};
    if (n < 0) return n;
    for (cmsghdr* c = CMSG_FIRSTHDR(&h); c != nullptr; c = CMSG_NXTHDR(&h, c)) {
      if (c->cmsg_type == SCM_CREDENTIALS) memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
      if (c->cmsg_type != SCM_RIGHTS) continue;
      fds.resize((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      memcpy(fds.data(), CMSG_DATA(c), fds.size() * sizeof(int));
    }
    return n;
  }
  std::string data;
  alignas(cmsghdr) std::array<char, 2048> control = {};
  size_t used = 0;
  iovec vector = {};
  int result_flags = 0;
  std::vector<int> fds;
  ucred credentials = {};
};
bool send_fds(int fd, const std::vector<int>& fds, const std::string& text = "x") {
  Message message;
  message.add(SCM_RIGHTS, fds.data(), fds.size() * sizeof(int));
  return message.send(fd, text) == static_cast<ssize_t>(text.size());
}

// --- refusals

int the_stream() {
  static const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd;
}
int the_datagram() {
  static const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd;
}
int the_packet() {
  static const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd;
}
const int* the_pair() {
  static int fds[2];
  static const int made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
  EXPECT_EQ(made, 0);
  return fds;
}
const Name kNobody(std::string(1, '\0') + "guest-nobody-is-here");
const sockaddr_un kLongName = {};

const Refusal kRefusals[] = {
    {"SocketFamily", [] { return sys(SYS_socket, 200, SOCK_STREAM, 0); }, EAFNOSUPPORT},
    {"SocketFamilyUnspecified", [] { return sys(SYS_socket, AF_UNSPEC, SOCK_STREAM, 0); }, EAFNOSUPPORT},
    {"SocketType", [] { return sys(SYS_socket, AF_UNIX, 15, 0); }, EINVAL},
    {"SocketFlags", [] { return sys(SYS_socket, AF_UNIX, SOCK_STREAM | 0x100000, 0); }, EINVAL},
    {"SocketUnixRdm", [] { return sys(SYS_socket, AF_UNIX, SOCK_RDM, 0); }, ESOCKTNOSUPPORT},
    {"SocketUnixProtocol", [] { return sys(SYS_socket, AF_UNIX, SOCK_STREAM, 6); }, EPROTONOSUPPORT},
    {"SocketpairBadPointer", [] { return sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, kNowhere); }, EFAULT},
    {"SocketpairFlags",
     [] {
       int fds[2];
       return sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | 0x400000, 0, fds);
     },
     EINVAL},
    {"BindClosed", [] { return sys(SYS_bind, 999, kNobody.get(), kNobody.size); }, EBADF},
    {"BindNoSocket", [] { return sys(SYS_bind, 0, kNobody.get(), kNobody.size); }, ENOTSOCK},
    {"BindBadPointer", [] { return sys(SYS_bind, the_stream(), kNowhere, 20); }, EFAULT},
    {"BindTooLong", [] { return sys(SYS_bind, the_stream(), kNobody.get(), 129); }, EINVAL},
    {"BindLongerThanUnix", [] { return sys(SYS_bind, the_stream(), &kLongName, sizeof kLongName + 1); }, EINVAL},
    {"BindTooShort", [] { return sys(SYS_bind, the_stream(), kNobody.get(), 1); }, EINVAL},
    {"BindOtherFamily",
     [] {
       sockaddr_un un = {};
       un.sun_family = AF_INET;
       return sys(SYS_bind, the_stream(), &un, 10);
     },
     EINVAL},
    {"BindMissingDirectory",
     [] {
       Name name("/nowhere/at/all");
       return sys(SYS_bind, the_stream(), name.get(), name.size);
     },
     ENOENT},
    {"BindThere",
     [] {
       Name name("/tmp");
       return sys(SYS_bind, the_stream(), name.get(), name.size);
     },
     EADDRINUSE},
    {"ListenUnbound", [] { return sys(SYS_listen, the_stream(), 1); }, EINVAL},
    {"ListenDatagram", [] { return sys(SYS_listen, the_datagram(), 1); }, EOPNOTSUPP},
    {"ListenPair", [] { return sys(SYS_listen, the_pair()[0], 1); }, EINVAL},
    {"AcceptNotListening", [] { return sys(SYS_accept, the_stream(), nullptr, nullptr); }, EINVAL},
    {"AcceptDatagram", [] { return sys(SYS_accept, the_datagram(), nullptr, nullptr); }, EOPNOTSUPP},
    {"AcceptFlags", [] { return sys(SYS_accept4, the_stream(), nullptr, nullptr, 1); }, EINVAL},
    {"ConnectNobody", [] { return sys(SYS_connect, the_stream(), kNobody.get(), kNobody.size); }, ECONNREFUSED},
    {"ConnectNoFile",
     [] {
       Name name("/tmp/nowhere-at-all");
       return sys(SYS_connect, the_stream(), name.get(), name.size);
     },
     ENOENT},
    {"ConnectDirectory",
     [] {
       Name name("/tmp");
       return sys(SYS_connect, the_stream(), name.get(), name.size);
     },
     ECONNREFUSED},
    {"ConnectAgain", [] { return sys(SYS_connect, the_pair()[0], kNobody.get(), kNobody.size); }, ECONNREFUSED},
    {"ConnectUnspecified",
     [] {
       sockaddr_un un = {};
       return sys(SYS_connect, the_stream(), &un, 10);
     },
     EINVAL},
    {"GetsocknameNoSocket", [] { return sys(SYS_getsockname, 0, nullptr, nullptr); }, ENOTSOCK},
    {"GetsocknameBadSize", [] { return sys(SYS_getsockname, the_stream(), nullptr, kNowhere); }, EFAULT},
    {"GetsocknameNegative",
     [] {
       int size = -1;
       sockaddr_un un;
       return sys(SYS_getsockname, the_stream(), &un, &size);
     },
     EINVAL},
    {"GetpeernameUnconnected",
     [] {
       socklen_t size = 2;
       sockaddr_un un;
       return sys(SYS_getpeername, the_stream(), &un, &size);
     },
     ENOTCONN},
    {"ShutdownHow", [] { return sys(SYS_shutdown, the_pair()[0], 3); }, EINVAL},
    {"SendUnconnected", [] { return sys(SYS_sendto, the_stream(), "x", 1, MSG_NOSIGNAL, nullptr, 0); }, ENOTCONN},
    {"SendDatagramUnconnected", [] { return sys(SYS_sendto, the_datagram(), "x", 1, 0, nullptr, 0); }, ENOTCONN},
    {"SendPacketUnconnected", [] { return sys(SYS_sendto, the_packet(), "x", 1, 0, nullptr, 0); }, ENOTCONN},
    {"SendDatagramNobody", [] { return sys(SYS_sendto, the_datagram(), "x", 1, 0, kNobody.get(), kNobody.size); },
     ECONNREFUSED},
    {"SendStreamTo", [] { return sys(SYS_sendto, the_pair()[0], "x", 1, 0, kNobody.get(), kNobody.size); }, EISCONN},
    {"SendStreamToUnconnected", [] { return sys(SYS_sendto, the_stream(), "x", 1, 0, kNobody.get(), kNobody.size); },
     EOPNOTSUPP},
    {"SendBadPointer", [] { return sys(SYS_sendto, the_pair()[0], kNowhere, 1, 0, nullptr, 0); }, EFAULT},
    {"SendNegativeAddress", [] { return sys(SYS_sendto, the_datagram(), "x", 1, 0, kNobody.get(), -1); }, EINVAL},
    {"SendmsgBadPointer", [] { return sys(SYS_sendmsg, the_pair()[0], kNowhere, 0); }, EFAULT},
    {"SendmsgTooManyPieces",
     [] {
       iovec one = {};
       msghdr h = {};
       h.msg_iov = &one;
       h.msg_iovlen = 1025;
       return sys(SYS_sendmsg, the_pair()[0], &h, 0);
     },
     EMSGSIZE},
    {"SendmsgControlShort",
     [] {
       cmsghdr c = {4, SOL_SOCKET, SCM_RIGHTS};
       msghdr h = {};
       h.msg_control = &c;
       h.msg_controllen = sizeof c;
       return sys(SYS_sendmsg, the_pair()[0], &h, 0);
     },
     EINVAL},
    {"SendmsgControlUnknown",
     [] {
       cmsghdr c = {sizeof c, SOL_SOCKET, 77};
       msghdr h = {};
       h.msg_control = &c;
       h.msg_controllen = sizeof c;
       return sys(SYS_sendmsg, the_pair()[0], &h, 0);
     },
     EINVAL},
    {"SendmsgRightsClosed",
     [] {
       const int fd = 999;
       Message message;
       message.add(SCM_RIGHTS, &fd, sizeof fd);
       return static_cast<long>(message.send(the_pair()[0], "x"));
     },
     EBADF},
    {"SendmsgRightsTooMany",
     [] {
       std::vector<int> fds(254, 0);
       Message message;
       message.add(SCM_RIGHTS, fds.data(), fds.size() * sizeof(int));
       return static_cast<long>(message.send(the_pair()[0], "x"));
     },
     EINVAL},
    {"SendmsgCredentialsSize",
     [] {
       const int half = 1;
       Message message;
       message.add(SCM_CREDENTIALS, &half, sizeof half);
       return static_cast<long>(message.send(the_pair()[0], "x"));
     },
     EINVAL},
    {"ReceiveUnconnected", [] { return sys(SYS_recvfrom, the_stream(), nullptr, 0, 0, nullptr, nullptr); }, EINVAL},
    {"ReceivePacketUnconnected", [] { return sys(SYS_recvfrom, the_packet(), nullptr, 0, 0, nullptr, nullptr); },
     ENOTCONN},
    {"ReceiveNothing",
     [] {
       char c;
       return sys(SYS_recvfrom, the_pair()[0], &c, 1, 0, nullptr, nullptr);
     },
     EAGAIN},
    {"ReceiveDatagramNothing",
     [] {
       char c;
       return sys(SYS_recvfrom, the_datagram(), &c, 1, 0, nullptr, nullptr);
     },
     EAGAIN},
    {"ReadNothing",
     [] {
       char c;
       return sys(SYS_read, the_pair()[0], &c, 1);
     },
     EAGAIN},
    {"RecvmsgNegativeName",
     [] {
       msghdr h = {};
       h.msg_name = &h;
       h.msg_namelen = static_cast<socklen_t>(-1);
       return sys(SYS_recvmsg, the_pair()[0], &h, 0);
     },
     EINVAL},
    {"RecvmmsgBadTime",
     [] {
       timespec t = {-1, 0};
       return sys(SYS_recvmmsg, the_pair()[0], nullptr, 0, 0, &t);
     },
     EINVAL},
    {"GetsockoptUnknown",
     [] {
       int value;
       socklen_t size = sizeof value;
       return sys(SYS_getsockopt, the_stream(), SOL_SOCKET, 4711, &value, &size);
     },
     ENOPROTOOPT},
    {"GetsockoptNegative",
     [] {
       int value;
       int size = -1;
       return sys(SYS_getsockopt, the_stream(), SOL_SOCKET, SO_TYPE, &value, &size);
     },
     EINVAL},
    {"GetsockoptLevel",
     [] {
       int value;
       socklen_t size = sizeof value;
       return sys(SYS_getsockopt, the_stream(), 6, 1, &value, &size);
     },
     EOPNOTSUPP},
    {"SetsockoptUnknown",
     [] {
       int value = 1;
       return sys(SYS_setsockopt, the_stream(), SOL_SOCKET, 4711, &value, sizeof value);
     },
     ENOPROTOOPT},
    {"SetsockoptShort",
     [] {
       int value = 1;
       return sys(SYS_setsockopt, the_stream(), SOL_SOCKET, SO_SNDBUF, &value, 3);
     },
     EINVAL},
    {"SetsockoptType",
     [] {
       int value = 1;
       return sys(SYS_setsockopt, the_stream(), SOL_SOCKET, SO_TYPE, &value, sizeof value);
     },
     ENOPROTOOPT},
    {"SetsockoptTimeout",
     [] {
       timeval t = {0, 1'000'000};
       return sys(SYS_setsockopt, the_stream(), SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
     },
     EDOM},
    {"SetsockoptBadPointer", [] { return sys(SYS_setsockopt, the_stream(), SOL_SOCKET, SO_SNDBUF, kNowhere, 4); },
     EFAULT},
    {"SeekSocket", [] { return sys(SYS_lseek, the_stream(), 0, SEEK_SET); }, ESPIPE},
    {"PreadSocket",
     [] {
       char c;
       return sys(SYS_pread64, the_pair()[0], &c, 1, 0);
     },
     ESPIPE},
    {"OpenSocketAgain",
     [] { return static_cast<long>(open(("/proc/self/fd/" + std::to_string(the_stream())).c_str(), O_RDWR)); }, ENXIO},
    {"IoctlUnknown", [] { return sys(SYS_ioctl, the_stream(), 0x1234, 0); }, ENOTTY},
};
REFUSALS(Sockets, kRefusals);

// --- streams

TEST(Stream, CarriesBytesBothWays) {
  Pair p;
  EXPECT_TRUE(put(p.fd[0], "one"));
  EXPECT_TRUE(put(p.fd[0], "two"));
  EXPECT_EQ(receive(p.fd[1]), "onetwo");
  EXPECT_EQ(write(p.fd[1], "back", 4), 4);
  char buffer[8];
  EXPECT_EQ(read(p.fd[0], buffer, 2), 2);
  EXPECT_EQ(std::string(buffer, 2), "ba");
  EXPECT_EQ(receive(p.fd[0]), "ck");
}

TEST(Stream, VectorsAndPeeks) {
  Pair p;
  char a[] = "abc", b[] = "defg";
  iovec out[2] = {{a, 3}, {b, 4}};
  EXPECT_EQ(writev(p.fd[0], out, 2), 7);
  EXPECT_EQ(receive(p.fd[1], 4, MSG_PEEK), "abcd");
  EXPECT_EQ(receive(p.fd[1], 7, MSG_PEEK), "abcdefg");
  char c[2], d[8];
  iovec in[2] = {{c, sizeof c}, {d, sizeof d}};
  EXPECT_EQ(readv(p.fd[1], in, 2), 7);
  EXPECT_EQ(std::string(d, 5), "cdefg");
}

TEST(Stream, EndsWhenThePeerIsClosed) {
  Pair p;
  EXPECT_TRUE(put(p.fd[0], "last"));
  p.drop(0);
  EXPECT_EQ(ready(p.fd[1]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
  EXPECT_EQ(receive(p.fd[1]), "last");
  EXPECT_EQ(receive(p.fd[1]), "");
  EXPECT_FALSE(put(p.fd[1], "x"));
  EXPECT_EQ(errno, EPIPE);
}

TEST(Stream, UnreadDataIsAReset) {
  Pair p;
  EXPECT_TRUE(put(p.fd[0], "unread"));
  p.drop(1);
  EXPECT_NE(ready(p.fd[0]) & POLLERR, 0);
  EXPECT_EQ(receive(p.fd[0]), "ECONNRESET");
  EXPECT_EQ(receive(p.fd[0]), "");
}

volatile sig_atomic_t g_signals = 0;

TEST(Stream, SendsSigpipe) {
  Pair p;
  p.drop(1);
  g_signals = 0;
  signal(SIGPIPE, [](int) { g_signals = g_signals + 1; });
  EXPECT_EQ(write(p.fd[0], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(g_signals, 1);
  EXPECT_EQ(send(p.fd[0], "x", 1, 0), -1);
  EXPECT_EQ(g_signals, 2);
  EXPECT_EQ(send(p.fd[0], "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(g_signals, 2);
  Pair packets(SOCK_SEQPACKET);
  packets.drop(1);
  EXPECT_EQ(write(packets.fd[0], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  signal(SIGPIPE, SIG_DFL);
}

TEST(Stream, ShutdownIsSeenByBoth) {
  Pair p;
  EXPECT_TRUE(put(p.fd[0], "x"));
  EXPECT_EQ(shutdown(p.fd[0], SHUT_WR), 0);
  EXPECT_EQ(ready(p.fd[0]), POLLOUT);
  EXPECT_EQ(ready(p.fd[1]), POLLIN | POLLOUT | POLLRDHUP);
  EXPECT_EQ(receive(p.fd[1]), "x");
  EXPECT_EQ(receive(p.fd[1]), "");
  EXPECT_FALSE(put(p.fd[0], "y"));
  EXPECT_EQ(errno, EPIPE);
  EXPECT_TRUE(put(p.fd[1], "back"));
  EXPECT_EQ(receive(p.fd[0]), "back");
  EXPECT_EQ(shutdown(p.fd[0], SHUT_RD), 0);
  EXPECT_FALSE(put(p.fd[1], "z"));
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(ready(p.fd[1]) & POLLHUP, POLLHUP);
}

TEST(Stream, FillsAndDrains) {
  Pair p;
  no_wait(p.fd[0]);
  const std::string block(4096, 'b');
  size_t sent = 0;
  for (ssize_t n; (n = send(p.fd[0], block.data(), block.size(), 0)) > 0;) sent += static_cast<size_t>(n);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GT(sent, 32768u);
  EXPECT_EQ(ready(p.fd[0]) & POLLOUT, 0);
  int waiting = 0;
  EXPECT_EQ(ioctl(p.fd[1], FIONREAD, &waiting), 0);
  EXPECT_EQ(static_cast<size_t>(waiting), sent);
  EXPECT_EQ(ioctl(p.fd[0], SIOCOUTQ, &waiting), 0);
  EXPECT_GE(static_cast<size_t>(waiting), sent);
  size_t got = 0;
  char buffer[65536];
  for (ssize_t n; (n = recv(p.fd[1], buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) got += static_cast<size_t>(n);
  EXPECT_EQ(got, sent);
  EXPECT_NE(ready(p.fd[0]) & POLLOUT, 0);
}

TEST(Stream, AWriterWaitsForRoom) {
  Pair p;
  const size_t kSize = 1 << 20;
  std::thread writer([&] {
    std::string all(kSize, 'w');
    EXPECT_EQ(write(p.fd[0], all.data(), all.size()), static_cast<ssize_t>(kSize));
    shutdown(p.fd[0], SHUT_WR);
  });
  size_t got = 0;
  char buffer[10000];
  for (ssize_t n; (n = read(p.fd[1], buffer, sizeof buffer)) > 0;) got += static_cast<size_t>(n);
  EXPECT_EQ(got, kSize);
  writer.join();
}

TEST(Stream, WaitAllWaits) {
  Pair p;
  std::thread writer([&] {
    for (int i = 0; i < 4; ++i) {
      sleep_ms(5);
      EXPECT_TRUE(put(p.fd[0], "abcde"));
    }
  });
  EXPECT_EQ(receive(p.fd[1], 20, MSG_WAITALL), "abcdeabcdeabcdeabcde");
  writer.join();
  EXPECT_TRUE(put(p.fd[0], "end"));
  p.drop(0);
  EXPECT_EQ(receive(p.fd[1], 20, MSG_WAITALL), "end");
}

TEST(Stream, TimesOut) {
  Pair p;
  EXPECT_TRUE(set(p.fd[0], SO_RCVTIMEO, timeval{0, 30'000}));
  EXPECT_TRUE(set(p.fd[0], SO_SNDTIMEO, timeval{0, 30'000}));
  EXPECT_EQ(option<timeval>(p.fd[0], SO_RCVTIMEO).tv_usec / 10'000, 3);
  int64_t start = now_ms();
  char c;
  EXPECT_EQ(read(p.fd[0], &c, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GE(now_ms() - start, 29);
  const std::string much(1 << 20, 'm');
  start = now_ms();
  const ssize_t sent = send(p.fd[0], much.data(), much.size(), 0);
  EXPECT_GT(sent, 0);
  EXPECT_LT(sent, 1 << 20);
  EXPECT_EQ(send(p.fd[0], much.data(), much.size(), 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GE(now_ms() - start, 58);
}

// What waits without a limit is restarted after a handler with SA_RESTART; with a limit it is not.
TEST(Stream, SignalsInterrupt) {
  Pair p;
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  auto interrupted = [&](bool writes) {
    const pthread_t self = pthread_self();
    std::thread other([&] {
      sleep_ms(20);
      pthread_kill(self, SIGUSR1);
      if (!writes) return;
      sleep_ms(20);
      put(p.fd[0], "x");
    });
    char c;
    const ssize_t n = read(p.fd[1], &c, 1);
    const int error = n < 0 ? errno : 0;
    other.join();
    return error;
  };
  EXPECT_EQ(interrupted(false), EINTR);
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  EXPECT_EQ(interrupted(true), 0);
  EXPECT_TRUE(set(p.fd[1], SO_RCVTIMEO, timeval{5, 0}));
  EXPECT_EQ(interrupted(false), EINTR);
  signal(SIGUSR1, SIG_DFL);
}

TEST(Stream, PollOfOneThatIsNotConnected) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(ready(fd), POLLOUT | POLLHUP);
  close(fd);
}

TEST(Stream, SendfileAndSplice) {
  Pair p;
  int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  EXPECT_EQ(write(file, "0123456789", 10), 10);
  off_t offset = 2;
  EXPECT_EQ(sendfile(p.fd[0], file, &offset, 5), 5);
  EXPECT_EQ(offset, 7);
  EXPECT_EQ(receive(p.fd[1]), "23456");
  EXPECT_EQ(sendfile(file, p.fd[1], nullptr, 5), -1);
  EXPECT_EQ(errno, EINVAL);
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  EXPECT_EQ(write(ends[1], "piped", 5), 5);
  EXPECT_EQ(splice(ends[0], nullptr, p.fd[0], nullptr, 100, 0), 5);
  EXPECT_EQ(receive(p.fd[1], 3), "pip");
  EXPECT_EQ(splice(p.fd[1], nullptr, ends[1], nullptr, 100, 0), 2);
  char buffer[8];
  EXPECT_EQ(read(ends[0], buffer, sizeof buffer), 2);
  EXPECT_EQ(std::string(buffer, 2), "ed");
  EXPECT_EQ(splice(p.fd[1], nullptr, ends[1], nullptr, 100, SPLICE_F_NONBLOCK), -1);
  EXPECT_EQ(errno, EAGAIN);
  for (int fd : {file, ends[0], ends[1]}) close(fd);
}

TEST(Stream, EpollTellsOfEveryArrival) {
  Pair p;
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {EPOLLIN | EPOLLET | EPOLLRDHUP, {}};
  EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, p.fd[1], &event), 0);
  epoll_event got = {};
  EXPECT_EQ(epoll_wait(epoll, &got, 1, 0), 0);
  EXPECT_TRUE(put(p.fd[0], "a"));
  EXPECT_EQ(epoll_wait(epoll, &got, 1, 1000), 1);
  EXPECT_EQ(epoll_wait(epoll, &got, 1, 0), 0);
  EXPECT_TRUE(put(p.fd[0], "b"));
  EXPECT_EQ(epoll_wait(epoll, &got, 1, 1000), 1);
  p.drop(0);
  EXPECT_EQ(epoll_wait(epoll, &got, 1, 1000), 1);
  EXPECT_EQ(got.events, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
  close(epoll);
}

// --- names

class Names : public InDirectory {};

TEST_F(Names, PathsAreFiles) {
  Name name("socket");
  umask(0027);
  const int listener = listening(name);
  struct stat now;
  EXPECT_EQ(stat("socket", &now), 0);
  EXPECT_TRUE(S_ISSOCK(now.st_mode));
  EXPECT_EQ(now.st_mode & 0777, 0750u);
  EXPECT_EQ(open("socket", O_RDWR), -1);
  EXPECT_EQ(errno, ENXIO);
  const int again = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(bind(again, name.get(), name.size), -1);
  EXPECT_EQ(errno, EADDRINUSE);
  const int client = connected(Name(directory_ + "/./socket"));
  const int server = accept(listener, nullptr, nullptr);
  EXPECT_TRUE(put(client, "hello"));
  EXPECT_EQ(receive(server), "hello");
  EXPECT_EQ(rename("socket", "moved"), 0);
  const int second = connected(Name("moved"));
  EXPECT_EQ(unlink("moved"), 0);
  EXPECT_EQ(connect(again, name.get(), name.size), -1);
  EXPECT_EQ(errno, ENOENT);
  for (int fd : {listener, again, client, server, second}) close(fd);
}

TEST_F(Names, AClosedSocketsFileRefuses) {
  Name name("socket");
  close(listening(name));
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(connect(fd, name.get(), name.size), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  close(fd);
}

TEST_F(Names, NeedPermission) {
  Name name("socket");
  const int listener = listening(name);
  EXPECT_EQ(chmod("socket", 0600), 0);
  EXPECT_EQ(chmod(directory_.c_str(), 0755), 0);
  EXPECT_CHILD([&] {
    REQUIRE(setresuid(1000, 1000, 1000) == 0);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(connect(fd, name.get(), name.size) == -1 && errno == EACCES);
    Name other("other");
    REQUIRE(bind(fd, other.get(), other.size) == -1 && errno == EACCES);
    return 0;
  });
  EXPECT_EQ(chmod("socket", 0622), 0);
  EXPECT_CHILD([&] {
    REQUIRE(setresuid(1000, 1000, 1000) == 0);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(connect(fd, name.get(), name.size) == 0);
    return 0;
  });
  close(listener);
}

TEST_F(Names, AreTold) {
  const int listener = listening(Name("server"));
  const int client = bound(SOCK_STREAM, Name("client"));
  Name server("server");
  EXPECT_EQ(connect(client, server.get(), server.size), 0);
  sockaddr_un un = {};
  socklen_t size = sizeof un;
  const int accepted = accept(listener, reinterpret_cast<sockaddr*>(&un), &size);
  EXPECT_EQ(size, offsetof(sockaddr_un, sun_path) + 7);
  EXPECT_STREQ(un.sun_path, "client");
  size = sizeof un;
  EXPECT_EQ(getsockname(accepted, reinterpret_cast<sockaddr*>(&un), &size), 0);
  EXPECT_STREQ(un.sun_path, "server");
  size = 4;
  un = {};
  EXPECT_EQ(getpeername(client, reinterpret_cast<sockaddr*>(&un), &size), 0);
  EXPECT_EQ(size, offsetof(sockaddr_un, sun_path) + 7);
  EXPECT_EQ(std::string(un.sun_path), "se");
  Pair p;
  size = sizeof un;
  EXPECT_EQ(getsockname(p.fd[0], reinterpret_cast<sockaddr*>(&un), &size), 0);
  EXPECT_EQ(size, sizeof(sa_family_t));
  for (int fd : {listener, client, accepted}) close(fd);
}

TEST(Abstract, NamesAreTakenUntilClosed) {
  Name name(abstract("taken"));
  const int first = listening(name);
  const int second = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(bind(second, name.get(), name.size), -1);
  EXPECT_EQ(errno, EADDRINUSE);
  // Every byte counts.
  Name longer(abstract("taken") + std::string(1, '\0'));
  EXPECT_EQ(connect(second, longer.get(), longer.size), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  close(first);
  EXPECT_EQ(bind(second, name.get(), name.size), 0);
  EXPECT_EQ(bind(second, name.get(), name.size), -1);
  EXPECT_EQ(errno, EINVAL);
  close(second);
}

TEST(Abstract, NamesAreGiven) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un un = {AF_UNIX, {}};
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&un), sizeof(sa_family_t)), 0);
  socklen_t size = sizeof un;
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&un), &size), 0);
  EXPECT_EQ(size, offsetof(sockaddr_un, sun_path) + 6);
  EXPECT_EQ(un.sun_path[0], '\0');
  EXPECT_EQ(std::string(un.sun_path + 1, 5).find_first_not_of("0123456789abcdef"), std::string::npos);
  close(fd);
}

// --- connections

TEST(Listener, TakesConnectionsInTheirOrder) {
  Name name(abstract("order"));
  const int listener = listening(name, 5);
  no_wait(listener);
  EXPECT_EQ(accept(listener, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(ready(listener), 0);
  const int one = connected(name), two = connected(name);
  EXPECT_TRUE(put(one, "1"));
  EXPECT_TRUE(put(two, "2"));
  EXPECT_EQ(ready(listener), POLLIN);
  const int first = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  const int second = accept(listener, nullptr, nullptr);
  EXPECT_EQ(receive(first), "1");
  EXPECT_EQ(receive(second), "2");
  EXPECT_EQ(fcntl(first, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(first, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(fcntl(second, F_GETFD), 0);
  EXPECT_EQ(fcntl(second, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(option(listener, SO_ACCEPTCONN), 1);
  EXPECT_EQ(option(first, SO_ACCEPTCONN), 0);
  for (int fd : {listener, one, two, first, second}) close(fd);
}

TEST(Listener, HasABacklog) {
  Name name(abstract("backlog"));
  const int listener = listening(name, 1);
  std::vector<int> clients;
  int result = 0;
  for (int i = 0; i < 10 && result == 0; ++i) {
    clients.push_back(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    result = connect(clients.back(), name.get(), name.size);
  }
  EXPECT_EQ(result, -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(clients.size(), 3u);
  std::thread waits([&] {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(connect(fd, name.get(), name.size), 0);
    close(fd);
  });
  sleep_ms(20);
  close(accept(listener, nullptr, nullptr));
  waits.join();
  for (int fd : clients) close(fd);
  close(listener);
}

TEST(Listener, AcceptWaitsAndTimesOut) {
  Name name(abstract("accept"));
  const int listener = listening(name);
  std::thread client([&] {
    sleep_ms(20);
    close(connected(name));
  });
  const int fd = accept(listener, nullptr, nullptr);
  EXPECT_GE(fd, 0);
  close(fd);
  client.join();
  EXPECT_TRUE(set(listener, SO_RCVTIMEO, timeval{0, 20'000}));
  EXPECT_EQ(accept(listener, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  close(listener);
}

TEST(Listener, ClosingResetsWhoWaits) {
  Name name(abstract("closing"));
  const int listener = listening(name);
  const int client = connected(name);
  close(listener);
  EXPECT_EQ(receive(client), "ECONNRESET");
  EXPECT_EQ(receive(client), "");
  close(client);
}

TEST_F(Names, AreOfOneType) {
  Name name("types");
  const int listener = listening(name);
  const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(connect(fd, name.get(), name.size), -1);
  EXPECT_EQ(errno, EPROTOTYPE);
  close(fd);
  close(listener);
  // Each type has abstract names of its own.
  Name hidden(abstract("types"));
  const int only_bound = bound(SOCK_STREAM, hidden), other = bound(SOCK_DGRAM, hidden);
  const int client = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(connect(client, hidden.get(), hidden.size), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  for (int one : {only_bound, other, client}) close(one);
}

TEST(Listener, DoesNotTakeWhatNobodyHasANumberFor) {
  Name name(abstract("numbers"));
  const int listener = listening(name);
  const int client = connected(name);
  EXPECT_CHILD([&] {
    const int highest = dup(listener);
    rlimit limit = {static_cast<rlim_t>(highest) + 1, static_cast<rlim_t>(highest) + 1};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE(accept(listener, nullptr, nullptr) == -1 && errno == EMFILE);
    return 0;
  });
  const int server = accept(listener, nullptr, nullptr);
  EXPECT_GE(server, 0);
  for (int fd : {listener, client, server}) close(fd);
}

// --- datagrams and packets

TEST(Datagram, KeepsMessagesApart) {
  for (int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    Pair p(type);
    EXPECT_TRUE(put(p.fd[0], "first"));
    EXPECT_EQ(send(p.fd[0], "", 0, 0), 0);
    EXPECT_TRUE(put(p.fd[0], "third"));
    EXPECT_EQ(receive(p.fd[1], 256, MSG_PEEK), "first");
    EXPECT_EQ(receive(p.fd[1], 3), "fir");
    EXPECT_EQ(ready(p.fd[1]) & POLLIN, POLLIN);
    EXPECT_EQ(receive(p.fd[1]), "");
    int waiting = 0;
    EXPECT_EQ(ioctl(p.fd[1], FIONREAD, &waiting), 0);
    EXPECT_EQ(waiting, 5);
    char c;
    EXPECT_EQ(recv(p.fd[1], &c, 1, MSG_TRUNC | MSG_PEEK), 5);
    Message message;
    message.data.resize(2);
    EXPECT_EQ(message.receive(p.fd[1]), 2);
    EXPECT_EQ(message.result_flags, MSG_TRUNC);
    EXPECT_EQ(receive(p.fd[1]), "EAGAIN");
  }
}

TEST(Datagram, SaysWhoSent) {
  Name one(abstract("one")), two(abstract("two"));
  const int a = bound(SOCK_DGRAM, one), b = bound(SOCK_DGRAM, two), nameless = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(sendto(a, "a", 1, 0, two.get(), two.size), 1);
  EXPECT_EQ(sendto(nameless, "n", 1, 0, two.get(), two.size), 1);
  sockaddr_un un = {};
  socklen_t size = sizeof un;
  char c;
  EXPECT_EQ(recvfrom(b, &c, 1, 0, reinterpret_cast<sockaddr*>(&un), &size), 1);
  EXPECT_EQ(size, one.size);
  EXPECT_EQ(memcmp(&un, &one.un, size), 0);
  size = sizeof un;
  EXPECT_EQ(recvfrom(b, &c, 1, 0, reinterpret_cast<sockaddr*>(&un), &size), 1);
  EXPECT_EQ(size, 0u);
  for (int fd : {a, b, nameless}) close(fd);
}

TEST(Datagram, ConnectsToOneSender) {
  Name one(abstract("one")), two(abstract("two"));
  const int a = bound(SOCK_DGRAM, one), b = bound(SOCK_DGRAM, two), c = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(connect(b, one.get(), one.size), 0);
  EXPECT_EQ(sendto(c, "x", 1, 0, two.get(), two.size), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(connect(c, two.get(), two.size), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(sendto(a, "x", 1, 0, two.get(), two.size), 1);
  EXPECT_EQ(receive(b), "x");
  sockaddr_un none = {};
  EXPECT_EQ(connect(b, reinterpret_cast<sockaddr*>(&none), sizeof none), 0);
  EXPECT_EQ(sendto(c, "y", 1, 0, two.get(), two.size), 1);
  EXPECT_EQ(receive(b), "y");
  for (int fd : {a, b, c}) close(fd);
}

TEST(Datagram, ThePeersEndIsToldOnce) {
  Pair p(SOCK_DGRAM);
  p.drop(1);
  EXPECT_FALSE(put(p.fd[0], "x"));
  EXPECT_EQ(errno, ECONNREFUSED);
  EXPECT_FALSE(put(p.fd[0], "x"));
  EXPECT_EQ(errno, ENOTCONN);
}

TEST(Datagram, AQueueHasAnEnd) {
  Name name(abstract("full"));
  const int receiver = bound(SOCK_DGRAM, name), sender = connected(name, SOCK_DGRAM);
  no_wait(sender);
  int sent = 0;
  while (sent < 100000 && send(sender, "x", 1, 0) == 1) ++sent;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(ready(sender) & POLLOUT, 0);
  pollfd one = {sender, POLLOUT, 0};
  std::thread reader([&] {
    sleep_ms(20);
    while (receive(receiver) == "x") {
    }
  });
  EXPECT_EQ(poll(&one, 1, 5000), 1);
  reader.join();
  EXPECT_TRUE(put(sender, "x"));
  close(receiver);
  close(sender);
}

TEST(Datagram, TooLong) {
  Pair p(SOCK_DGRAM);
  EXPECT_TRUE(set(p.fd[0], SO_SNDBUF, 8192));
  const std::string text(option(p.fd[0], SO_SNDBUF), 'x');
  EXPECT_FALSE(put(p.fd[0], text));
  EXPECT_EQ(errno, EMSGSIZE);
  EXPECT_TRUE(put(p.fd[0], text.substr(0, 4096)));
}

TEST(Packets, ConnectAndEnd) {
  Name name(abstract("packets"));
  const int listener = listening(name, 4, SOCK_SEQPACKET), client = connected(name, SOCK_SEQPACKET);
  const int server = accept(listener, nullptr, nullptr);
  EXPECT_TRUE(put(client, "one"));
  EXPECT_TRUE(put(client, "two"));
  close(client);
  EXPECT_EQ(receive(server), "one");
  EXPECT_EQ(receive(server), "two");
  EXPECT_EQ(receive(server), "");
  close(server);
  close(listener);
}

TEST(Messages, SeveralInOneCall) {
  Pair p(SOCK_DGRAM);
  char out[3][4] = {"a", "bb", "ccc"};
  iovec vectors[3];
  mmsghdr messages[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    vectors[i] = {out[i], i + 1};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(sendmmsg(p.fd[0], messages, 3, 0), 3);
  EXPECT_EQ(messages[2].msg_len, 3u);
  char in[4][8];
  iovec room[4];
  mmsghdr got[4] = {};
  for (size_t i = 0; i < 4; ++i) {
    room[i] = {in[i], sizeof in[i]};
    got[i].msg_hdr.msg_iov = &room[i];
    got[i].msg_hdr.msg_iovlen = 1;
  }
  timespec time = {1, 0};
  EXPECT_EQ(recvmmsg(p.fd[1], got, 4, MSG_WAITFORONE, &time), 3);
  EXPECT_EQ(got[0].msg_len, 1u);
  EXPECT_EQ(got[2].msg_len, 3u);
  EXPECT_EQ(std::string(in[2], 3), "ccc");
  EXPECT_EQ(recvmmsg(p.fd[1], got, 4, MSG_DONTWAIT, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(Messages, APartThatIsNotThere) {
  Pair p(SOCK_DGRAM);
  char c = 'x';
  iovec vectors[2] = {{&c, 1}, {kNowhere, 10}};
  EXPECT_EQ(writev(p.fd[0], vectors, 2), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(receive(p.fd[1]), "EAGAIN");
}

// --- descriptors and credentials

TEST(Rights, DescriptorsArrive) {
  Pair p;
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  EXPECT_TRUE(send_fds(p.fd[0], {ends[1], ends[0]}));
  close(ends[1]);
  Message message;
  EXPECT_EQ(message.receive(p.fd[1], 512, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), 1);
  ASSERT_EQ(message.fds.size(), 2u);
  EXPECT_EQ(message.used, CMSG_LEN(2 * sizeof(int)));
  EXPECT_EQ(fcntl(message.fds[0], F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(message.result_flags, MSG_CMSG_CLOEXEC);
  EXPECT_EQ(write(message.fds[0], "x", 1), 1);
  char c;
  EXPECT_EQ(read(ends[0], &c, 1), 1);
  for (int fd : {ends[0], message.fds[0], message.fds[1]}) close(fd);
}

TEST(Rights, ShareTheDescription) {
  Pair p(SOCK_SEQPACKET);
  const int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  EXPECT_TRUE(send_fds(p.fd[0], {file}));
  Message message;
  EXPECT_EQ(message.receive(p.fd[1]), 1);
  ASSERT_EQ(message.fds.size(), 1u);
  EXPECT_EQ(write(file, "12345", 5), 5);
  EXPECT_EQ(lseek(message.fds[0], 0, SEEK_CUR), 5);
  close(file);
  close(message.fds[0]);
}

TEST(Rights, StopAStream) {
  Pair p;
  EXPECT_TRUE(put(p.fd[0], "before"));
  EXPECT_TRUE(send_fds(p.fd[0], {0}, "with"));
  EXPECT_TRUE(put(p.fd[0], "after"));
  Message message;
  EXPECT_EQ(message.receive(p.fd[1]), 10);
  ASSERT_EQ(message.fds.size(), 1u);
  close(message.fds[0]);
  EXPECT_EQ(receive(p.fd[1]), "after");
}

TEST(Rights, PeekingGivesThemToo) {
  Pair p;
  EXPECT_TRUE(send_fds(p.fd[0], {0}));
  Message message;
  EXPECT_EQ(message.receive(p.fd[1], 512, MSG_PEEK), 1);
  ASSERT_EQ(message.fds.size(), 1u);
  close(message.fds[0]);
  EXPECT_EQ(message.receive(p.fd[1]), 1);
  ASSERT_EQ(message.fds.size(), 1u);
  close(message.fds[0]);
}

// The number of descriptors that one has.
size_t open_descriptors() {
  size_t count = 0;
  for (int fd = 0; fd < 200; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

TEST(Rights, WithoutRoomTheyAreLost) {
  const size_t before = open_descriptors();
  {
    Pair p;
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    EXPECT_TRUE(send_fds(p.fd[0], {ends[1]}));
    EXPECT_TRUE(send_fds(p.fd[0], {ends[1], ends[1], ends[1]}, "y"));
    EXPECT_TRUE(send_fds(p.fd[0], {ends[1]}, "z"));
    close(ends[1]);
    Message message;
    EXPECT_EQ(message.receive(p.fd[1], 0), 1);
    EXPECT_NE(message.result_flags & MSG_CTRUNC, 0);
    EXPECT_EQ(message.receive(p.fd[1], CMSG_LEN(2 * sizeof(int))), 1);
    EXPECT_NE(message.result_flags & MSG_CTRUNC, 0);
    ASSERT_EQ(message.fds.size(), 2u);
    for (int fd : message.fds) close(fd);
    char c;
    EXPECT_EQ(read(p.fd[1], &c, 1), 1);
    // The last way to write to the pipe has gone.
    EXPECT_EQ(read(ends[0], &c, 1), 0);
    close(ends[0]);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Rights, GoWithTheMessageThatNobodyReads) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  {
    Pair p;
    EXPECT_TRUE(send_fds(p.fd[0], {ends[1]}));
    close(ends[1]);
  }
  char c;
  EXPECT_EQ(read(ends[0], &c, 1), 0);
  close(ends[0]);
}

// Sockets that are in flight in each other alone, with the end of a pipe: they are found, and the pipe ends.
TEST(Rights, CyclesAreCollected) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  {
    Pair p, q;
    EXPECT_TRUE(send_fds(p.fd[0], {q.fd[1], ends[1]}));
    EXPECT_TRUE(send_fds(q.fd[0], {p.fd[1], p.fd[0], q.fd[0]}));
  }
  close(ends[1]);
  EXPECT_TRUE(eventually([&] {
    Pair somebody;  // is closed: the time to look
    somebody.drop(0);
    pollfd one = {ends[0], POLLIN, 0};
    return poll(&one, 1, 0) == 1 && one.revents == POLLHUP;
  }));
  close(ends[0]);
}

// One that can still be received from is not garbage, nor what lies deeper in it.
TEST(Rights, WhatCanBeReachedIsKept) {
  Pair outer, middle, inner;
  EXPECT_TRUE(put(inner.fd[0], "deep"));
  EXPECT_TRUE(send_fds(middle.fd[0], {inner.fd[1]}));
  EXPECT_TRUE(send_fds(outer.fd[0], {middle.fd[1]}));
  middle.drop(1);
  inner.drop(1);
  for (int i = 0; i < 3; ++i) Pair();
  Message one, two;
  EXPECT_EQ(one.receive(outer.fd[1]), 1);
  ASSERT_EQ(one.fds.size(), 1u);
  EXPECT_EQ(two.receive(one.fds[0]), 1);
  ASSERT_EQ(two.fds.size(), 1u);
  EXPECT_EQ(receive(two.fds[0]), "deep");
  close(one.fds[0]);
  close(two.fds[0]);
}

// A chain of sockets, each in the queue of the next: its end goes with its beginning, however long it is.
TEST(Rights, DeepChainsGo) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  int held = ends[1];
  for (int i = 0; i < 5000; ++i) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    ASSERT_TRUE(send_fds(fds[0], {held})) << i << strerror(errno);
    close(held);
    close(fds[0]);
    held = fds[1];
  }
  close(held);
  pollfd one = {ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&one, 1, 5000), 1);
  EXPECT_EQ(one.revents, POLLHUP);
  close(ends[0]);
}

TEST(Rights, AreLimitedForAUser) {
  EXPECT_CHILD([] {
    rlimit limit = {40, 40};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE(setresuid(1001, 1001, 1001) == 0);
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    int sent = 0;
    while (sent < 100 && send_fds(fds[0], {0})) ++sent;
    REQUIRE(errno == ETOOMANYREFS);
    REQUIRE(sent >= 40 && sent <= 42);
    Message message;
    for (int i = 0; i < 5; ++i) REQUIRE(message.receive(fds[1], 0) == 1);
    REQUIRE(send_fds(fds[0], {0}));
    return 0;
  });
}

TEST(Credentials, OfThePeer) {
  Pair p;
  ucred peer = option<ucred>(p.fd[0], SO_PEERCRED);
  EXPECT_EQ(peer.pid, getpid());
  EXPECT_EQ(peer.uid, geteuid());
  Name name(abstract("credentials"));
  const int listener = listening(name);
  peer = option<ucred>(listener, SO_PEERCRED);
  const pid_t child = fork();
  if (child == 0) {
    if (setresgid(1003, 1003, 1003) != 0 || setresuid(1002, 1002, 1002) != 0) _exit(1);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, name.get(), name.size) != 0) _exit(2);
    const ucred server = option<ucred>(fd, SO_PEERCRED);
    _exit(server.pid == getppid() && server.uid == 0 ? 0 : 3);
  }
  const int server = accept(listener, nullptr, nullptr);
  peer = option<ucred>(server, SO_PEERCRED);
  EXPECT_EQ(peer.pid, child);
  EXPECT_EQ(peer.uid, 1002u);
  EXPECT_EQ(peer.gid, 1003u);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const int fresh = socket(AF_UNIX, SOCK_STREAM, 0);
  peer = option<ucred>(fresh, SO_PEERCRED);
  EXPECT_EQ(peer.pid, 0);
  EXPECT_EQ(peer.uid, ~0u);
  for (int fd : {listener, server, fresh}) close(fd);
}

TEST(Credentials, OfEachMessage) {
  Pair p;
  EXPECT_EQ(option(p.fd[1], SO_PASSCRED), 0);
  EXPECT_TRUE(set(p.fd[1], SO_PASSCRED, 1));
  EXPECT_TRUE(put(p.fd[0], "mine"));
  const pid_t child = fork();
  if (child == 0) _exit(put(p.fd[0], "child's") ? 0 : 1);
  waitpid(child, nullptr, 0);
  // Not from one writer's to another's.
  Message message;
  EXPECT_EQ(message.receive(p.fd[1]), 4);
  EXPECT_EQ(message.credentials.pid, getpid());
  EXPECT_EQ(message.receive(p.fd[1]), 7);
  EXPECT_EQ(message.credentials.pid, child);
  EXPECT_EQ(message.credentials.uid, getuid());
}

TEST(Credentials, CanBeClaimedByTheRightOnesOnly) {
  Pair p(SOCK_DGRAM);
  EXPECT_TRUE(set(p.fd[1], SO_PASSCRED, 1));
  const ucred claimed = {getpid(), 4711, 4712};
  Message message;
  message.add(SCM_CREDENTIALS, &claimed, sizeof claimed);
  EXPECT_EQ(message.send(p.fd[0], "x"), 1);
  Message got;
  EXPECT_EQ(got.receive(p.fd[1]), 1);
  EXPECT_EQ(got.credentials.uid, 4711u);
  EXPECT_EQ(got.credentials.gid, 4712u);
  EXPECT_CHILD([&] {
    REQUIRE(setresuid(1002, 1002, 1002) == 0);
    Message again;
    again.add(SCM_CREDENTIALS, &claimed, sizeof claimed);
    REQUIRE(again.send(p.fd[0], "x") == -1 && errno == EPERM);
    const ucred own = {getpid(), 1002, getgid()};
    Message honest;
    honest.add(SCM_CREDENTIALS, &own, sizeof own);
    REQUIRE(honest.send(p.fd[0], "x") == 1);
    return 0;
  });
}

// --- options

TEST(Options, SayWhatASocketIs) {
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  EXPECT_EQ(option(fd, SO_TYPE), SOCK_SEQPACKET);
  EXPECT_EQ(option(fd, SO_DOMAIN), AF_UNIX);
  EXPECT_EQ(option(fd, SO_PROTOCOL), 0);
  EXPECT_EQ(option(fd, SO_ERROR), 0);
  EXPECT_EQ(option(fd, SO_ACCEPTCONN), 0);
  EXPECT_EQ(option(fd, SO_SNDLOWAT), 1);
  EXPECT_EQ(fcntl(fd, F_GETFL), O_RDWR);
  struct stat now;
  EXPECT_EQ(fstat(fd, &now), 0);
  EXPECT_EQ(now.st_mode, static_cast<mode_t>(S_IFSOCK | 0777));
  char text[64] = {};
  EXPECT_GT(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text, sizeof text), 0);
  EXPECT_EQ(std::string(text), "socket:[" + std::to_string(now.st_ino) + "]");
  close(fd);
}

TEST(Options, BuffersAreDoubled) {
  Pair p;
  EXPECT_TRUE(set(p.fd[0], SO_SNDBUF, 16384));
  EXPECT_EQ(option(p.fd[0], SO_SNDBUF), 32768);
  EXPECT_TRUE(set(p.fd[0], SO_RCVBUF, 1));
  EXPECT_EQ(option(p.fd[0], SO_RCVBUF), 2304);
  EXPECT_TRUE(set(p.fd[0], SO_SNDBUF, 1));
  EXPECT_EQ(option(p.fd[0], SO_SNDBUF), 4608);
}

TEST(Options, AreKept) {
  Pair p;
  for (int name : {SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_TIMESTAMP}) {
    EXPECT_EQ(option(p.fd[0], name), 0) << name;
    EXPECT_TRUE(set(p.fd[0], name, 5)) << name;
    EXPECT_EQ(option(p.fd[0], name), 1) << name;
  }
  EXPECT_TRUE(set(p.fd[0], SO_LINGER, linger{1, 7}));
  EXPECT_EQ(option<linger>(p.fd[0], SO_LINGER).l_linger, 7);
  EXPECT_TRUE(set(p.fd[0], SO_RCVLOWAT, 10));
  EXPECT_EQ(option(p.fd[0], SO_RCVLOWAT), 10);
  // A part of a value, and how much it was.
  char half[2];
  socklen_t size = sizeof half;
  EXPECT_EQ(getsockopt(p.fd[0], SOL_SOCKET, SO_TYPE, half, &size), 0);
  EXPECT_EQ(size, 2u);
}

TEST(Options, NonblockingByIoctl) {
  Pair p;
  int on = 1;
  EXPECT_EQ(ioctl(p.fd[0], FIONBIO, &on), 0);
  char c;
  EXPECT_EQ(read(p.fd[0], &c, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(Proc, ListsUnixSockets) {
  Name name(abstract("listed"));
  const int fd = listening(name);
  struct stat now;
  fstat(fd, &now);
  FILE* file = fopen("/proc/net/unix", "re");
  ASSERT_NE(file, nullptr);
  char line[512];
  std::string found;
  while (fgets(line, sizeof line, file) != nullptr) {
    if (strstr(line, abstract("listed").c_str() + 1) != nullptr) found = line;
  }
  fclose(file);
  unsigned type = 0, state = 0, flags = 0;
  unsigned long inode = 0;
  ASSERT_EQ(sscanf(found.c_str(), "%*[^:]: %*x %*x %x %x %x %lu", &flags, &type, &state, &inode), 4) << found;
  EXPECT_EQ(flags, 0x10000u);
  EXPECT_EQ(type, 1u);
  EXPECT_EQ(state, 1u);
  EXPECT_EQ(inode, now.st_ino);
  EXPECT_NE(found.find(" @guest-listed"), std::string::npos);
  close(fd);
}

// A process's sockets close with it, and whoever waits hears of it.
TEST(Process, ItsEndIsTheEnd) {
  Pair p;
  const pid_t child = fork();
  if (child == 0) {
    close(p.fd[0]);
    sleep_ms(20);
    _exit(0);
  }
  p.drop(1);
  pollfd one = {p.fd[0], POLLIN, 0};
  EXPECT_EQ(poll(&one, 1, 5000), 1);
  EXPECT_EQ(receive(p.fd[0]), "");
  waitpid(child, nullptr, 0);
}

}  // namespace
