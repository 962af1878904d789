// Terminals: pty(7), devpts, termios(3), ioctl_tty(2), sessions and job control, credentials(7).
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "guest.h"

namespace {

// A pseudoterminal that is nobody's controlling one.
struct Pair {
  int master = -1, slave = -1;
  std::string name;

  Pair() {
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) return;
    char text[64];
    if (ptsname_r(master, text, sizeof text) != 0) return;
    name = text;
    slave = open(text, O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    close_slave();
    close_master();
  }
  void close_master() {
    if (master >= 0) close(master);
    master = -1;
  }
  void close_slave() {
    if (slave >= 0) close(slave);
    slave = -1;
  }
};

void change(int fd, const std::function<void(termios&)>& what) {
  termios t = {};
  ASSERT_EQ(tcgetattr(fd, &t), 0);
  what(t);
  ASSERT_EQ(tcsetattr(fd, TCSANOW, &t), 0);
}
void make_raw(int fd, int least = 1, int time = 0) {
  change(fd, [&](termios& t) {
    cfmakeraw(&t);
    t.c_cc[VMIN] = static_cast<cc_t>(least);
    t.c_cc[VTIME] = static_cast<cc_t>(time);
  });
}

bool put(int fd, const std::string& text) {
  return write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}
// One read(2), when there is something within a second; else "(nothing)", and "(errno)".
std::string get(int fd, size_t size = 4096) {
  pollfd one = {fd, POLLIN, 0};
  if (poll(&one, 1, 1000) == 0) return "(nothing)";
  std::string text(size, '\0');
  ssize_t n = read(fd, text.data(), size);
  if (n < 0) return std::string("(") + strerrorname_np(errno) + ")";
  text.resize(static_cast<size_t>(n));
  return text;
}
// As many bytes as `wanted` has, however many reads that takes.
std::string get_as(int fd, const std::string& wanted) {
  std::string text;
  while (text.size() < wanted.size()) {
    std::string more = get(fd, wanted.size() - text.size());
    if (more.empty() || more[0] == '(') return text + more;
    text += more;
  }
  return text;
}
bool is_ready(int fd, short events, int timeout = 0) {
  pollfd one = {fd, events, 0};
  return poll(&one, 1, timeout) == 1 && (one.revents & events);
}
short readiness(int fd) {
  pollfd one = {fd, POLLIN | POLLOUT | POLLPRI, 0};
  poll(&one, 1, 0);
  return one.revents;
}

const Refusal kRefusals[] = {
    {"TcgetsOfPipe",
     [] {
       int fds[2];
       if (pipe(fds) < 0) return 0L;
       termios t;
       long result = sys(SYS_ioctl, fds[0], TCGETS, &t);
       int error = errno;
       close(fds[0]), close(fds[1]);
       errno = error;
       return result;
     },
     ENOTTY},
    {"TcgetsBadPointer",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.slave, TCGETS, kNowhere);
     },
     EFAULT},
    {"TcsetsBadPointer",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.slave, TCSETS, kNowhere);
     },
     EFAULT},
    {"TiocgwinszBadPointer",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.slave, TIOCGWINSZ, kNowhere);
     },
     EFAULT},
    {"TcflshWhat",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.slave, TCFLSH, 3);
     },
     EINVAL},
    {"TcxoncWhat",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.slave, TCXONC, 4);
     },
     EINVAL},
    {"TiocgptnOfSlave",
     [] {
       Pair p;
       int n;
       return sys(SYS_ioctl, p.slave, TIOCGPTN, &n);
     },
     ENOTTY},
    {"TiocgpgrpOfStranger",
     [] {
       Pair p;
       int n;
       return sys(SYS_ioctl, p.slave, TIOCGPGRP, &n);
     },
     ENOTTY},
    {"TiocspgrpOfStranger",
     [] {
       Pair p;
       int n = getpgrp();
       return sys(SYS_ioctl, p.slave, TIOCSPGRP, &n);
     },
     ENOTTY},
    {"TiocgsidOfStranger",
     [] {
       Pair p;
       int n;
       return sys(SYS_ioctl, p.slave, TIOCGSID, &n);
     },
     ENOTTY},
    {"TiocnottyOfStranger",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.slave, TIOCNOTTY, 0);
     },
     ENOTTY},
    {"TiocsigWhat",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.master, TIOCSIG, SIGKILL);
     },
     EINVAL},
    {"Unknown",
     [] {
       Pair p;
       return sys(SYS_ioctl, p.slave, 0x54ff, 0);
     },
     ENOTTY},
    {"Seek",
     [] {
       Pair p;
       return static_cast<long>(lseek(p.slave, 0, SEEK_SET));
     },
     ESPIPE},
    {"Map",
     [] {
       Pair p;
       return sys(SYS_mmap, nullptr, 4096L, 1, 2, p.slave, 0L);
     },
     ENODEV},
};
REFUSALS(Tty, kRefusals);

// --- devpts

TEST(Devpts, NamesAndNumbers) {
  Pair p;
  ASSERT_GE(p.slave, 0);
  int number = -1;
  ASSERT_EQ(ioctl(p.master, TIOCGPTN, &number), 0);
  EXPECT_EQ(p.name, "/dev/pts/" + std::to_string(number));
  struct stat s = {};
  ASSERT_EQ(fstat(p.slave, &s), 0);
  EXPECT_TRUE(S_ISCHR(s.st_mode));
  EXPECT_EQ(major(s.st_rdev), 136u);
  EXPECT_EQ(minor(s.st_rdev), static_cast<unsigned>(number));
  EXPECT_EQ(s.st_uid, getuid());
  EXPECT_EQ(s.st_ino, static_cast<ino_t>(number) + 3);
  struct statfs fs = {};
  ASSERT_EQ(statfs("/dev/pts", &fs), 0);
  EXPECT_EQ(fs.f_type, 0x1cd1);
  EXPECT_TRUE(isatty(p.slave));
  EXPECT_TRUE(isatty(p.master));
  EXPECT_EQ(std::string(ttyname(p.slave)), p.name);
  char link[64] = {};
  ASSERT_GT(readlink(("/proc/self/fd/" + std::to_string(p.slave)).c_str(), link, sizeof link - 1), 0);
  EXPECT_EQ(std::string(link), p.name);
}

TEST(Devpts, NumbersAreUsedAgain) {
  std::string first;
  {
    Pair p;
    first = p.name;
    EXPECT_EQ(access(first.c_str(), F_OK), 0);
    p.close_master();
    EXPECT_EQ(access(first.c_str(), F_OK), -1);
    EXPECT_EQ(errno, ENOENT);
  }
  EXPECT_EQ(Pair().name, first);
}

TEST(Devpts, IsLockedAtFirst) {
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(master, 0);
  int number = -1, locked = -1;
  ASSERT_EQ(ioctl(master, TIOCGPTN, &number), 0);
  const std::string name = "/dev/pts/" + std::to_string(number);
  ASSERT_EQ(ioctl(master, TIOCGPTLCK, &locked), 0);
  EXPECT_EQ(locked, 1);
  EXPECT_EQ(open(name.c_str(), O_RDWR | O_NOCTTY), -1);
  EXPECT_EQ(errno, EIO);
  locked = 0;
  ASSERT_EQ(ioctl(master, TIOCSPTLCK, &locked), 0);
  int slave = open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(slave, 0);
  close(slave);
  close(master);
}

TEST(Devpts, Peer) {
  Pair p;
  int peer = ioctl(p.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(peer, 0);
  EXPECT_EQ(fcntl(peer, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(std::string(ttyname(peer)), p.name);
  put(peer, "x");
  EXPECT_EQ(get(p.master), "x");
  close(peer);
}

TEST(Devpts, ListsItsTerminals) {
  Pair p;
  std::string list;
  FILE* out = popen("ls /dev/pts 2>/dev/null || true", "r");
  if (out != nullptr) pclose(out);
  int directory = open("/dev/pts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(directory, 0);
  char buffer[4096];
  ssize_t n = sys(SYS_getdents64, directory, buffer, sizeof buffer);
  for (ssize_t at = 0; at < n;) {
    uint16_t length;
    memcpy(&length, buffer + at + 16, sizeof length);
    list += std::string(" ") + (buffer + at + 19);
    at += length;
  }
  close(directory);
  list += " ";
  EXPECT_NE(list.find(" ptmx "), std::string::npos) << list;
  EXPECT_NE(list.find(" " + p.name.substr(strlen("/dev/pts/")) + " "), std::string::npos) << list;
}

TEST(Devpts, NobodyMakesFilesInIt) {
  EXPECT_EQ(open("/dev/pts/file", O_CREAT | O_RDWR, 0600), -1);
  EXPECT_TRUE(errno == EPERM || errno == EACCES) << strerrorname_np(errno);
  EXPECT_EQ(mkdir("/dev/pts/directory", 0700), -1);
}

// --- lines

TEST(Lines, EchoAndNewline) {
  Pair p;
  ASSERT_TRUE(put(p.master, "hello\r"));
  EXPECT_EQ(get_as(p.master, "hello\r\n"), "hello\r\n");
  EXPECT_EQ(get(p.slave), "hello\n");
  ASSERT_TRUE(put(p.slave, "a\nb"));
  EXPECT_EQ(get_as(p.master, "a\r\nb"), "a\r\nb");
}

TEST(Lines, NothingToReadWithoutAnEnd) {
  Pair p;
  fcntl(p.slave, F_SETFL, O_RDWR | O_NONBLOCK);
  ASSERT_TRUE(put(p.master, "abc"));
  get_as(p.master, "abc");
  char c;
  EXPECT_EQ(read(p.slave, &c, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_FALSE(is_ready(p.slave, POLLIN));
  int bytes = -1;
  ASSERT_EQ(ioctl(p.slave, FIONREAD, &bytes), 0);
  EXPECT_EQ(bytes, 0);
  ASSERT_TRUE(put(p.master, "\ndef\n"));
  EXPECT_TRUE(is_ready(p.slave, POLLIN, 1000));
  get_as(p.master, "\r\ndef\r\n");
  ASSERT_EQ(ioctl(p.slave, FIONREAD, &bytes), 0);
  EXPECT_EQ(bytes, 8);
  EXPECT_EQ(get(p.slave, 2), "ab");
  EXPECT_EQ(get(p.slave), "c\n");
  EXPECT_EQ(get(p.slave), "def\n");
}

TEST(Lines, Editing) {
  Pair p;
  ASSERT_TRUE(put(p.master,
                  "abx\x7f"
                  "c\n"));
  EXPECT_EQ(get_as(p.master, "abx\b \bc\r\n"), "abx\b \bc\r\n");
  EXPECT_EQ(get(p.slave), "abc\n");
  ASSERT_TRUE(put(p.master, "one two\x17\x15three\n"));
  EXPECT_EQ(get(p.slave), "three\n");
  get(p.master);
  ASSERT_TRUE(put(p.master, "\x16\x03\n"));
  EXPECT_EQ(get(p.slave), "\x03\n");
}

TEST(Lines, ControlCharactersAreShown) {
  Pair p;
  ASSERT_TRUE(put(p.master, "\x01\t\n"));
  EXPECT_EQ(get_as(p.master, "^A\t\r\n"), "^A\t\r\n");
  change(p.slave, [](termios& t) { t.c_lflag &= ~static_cast<tcflag_t>(ECHOCTL); });
  ASSERT_TRUE(put(p.master, "\x01\n"));
  EXPECT_EQ(get_as(p.master, "\x01\r\n"), "\x01\r\n");
}

TEST(Lines, EndOfFile) {
  Pair p;
  ASSERT_TRUE(put(p.master, "\x04"));
  EXPECT_EQ(get(p.slave), "");
  ASSERT_TRUE(put(p.master, "ab\x04"));
  EXPECT_EQ(get(p.slave), "ab");
  EXPECT_FALSE(is_ready(p.slave, POLLIN));
  ASSERT_TRUE(put(p.master, "ab\x04"));
  ASSERT_TRUE(is_ready(p.slave, POLLIN, 1000));
  EXPECT_EQ(get(p.slave, 2), "ab");
  EXPECT_FALSE(is_ready(p.slave, POLLIN));
}

TEST(Lines, WithoutEcho) {
  Pair p;
  change(p.slave, [](termios& t) { t.c_lflag = (t.c_lflag & ~static_cast<tcflag_t>(ECHO)) | ECHONL; });
  ASSERT_TRUE(put(p.master, "secret\n"));
  EXPECT_EQ(get(p.slave), "secret\n");
  EXPECT_EQ(get(p.master), "\r\n");
}

TEST(Lines, OtherEnds) {
  Pair p;
  change(p.slave, [](termios& t) { t.c_cc[VEOL] = ';'; });
  ASSERT_TRUE(put(p.master, "a;b\n"));
  EXPECT_EQ(get(p.slave), "a;");
  EXPECT_EQ(get(p.slave), "b\n");
}

TEST(Lines, AreAtMost4096Long) {
  Pair p;
  change(p.slave, [](termios& t) { t.c_lflag &= ~static_cast<tcflag_t>(ECHO); });
  ASSERT_TRUE(put(p.master, std::string(5000, 'x') + "\n"));
  const std::string line = get(p.slave, 8192);
  EXPECT_EQ(line.size(), 4096u);
  EXPECT_EQ(line.back(), '\n');
}

TEST(Lines, FlagsOfInput) {
  Pair p;
  change(p.slave, [](termios& t) {
    t.c_iflag = INLCR | ISTRIP;
    t.c_lflag = 0;
  });
  ASSERT_TRUE(put(p.master, "\n\xe1"));
  EXPECT_EQ(get_as(p.slave, "\ra"), "\ra");
}

TEST(Lines, FlagsOfOutput) {
  Pair p;
  change(p.slave, [](termios& t) { t.c_oflag = OPOST | OCRNL | XTABS; });
  ASSERT_TRUE(put(p.slave, "a\tb\r\n"));
  EXPECT_EQ(get_as(p.master, "a       b\n\n"), "a       b\n\n");
  change(p.slave, [](termios& t) { t.c_oflag = 0; });
  ASSERT_TRUE(put(p.slave, "a\n"));
  EXPECT_EQ(get(p.master), "a\n");
}

TEST(Lines, StopAndStart) {
  Pair p;
  fcntl(p.slave, F_SETFL, O_RDWR | O_NONBLOCK);
  ASSERT_TRUE(put(p.master, "\x13"));
  ASSERT_TRUE(eventually([&] { return !is_ready(p.slave, POLLOUT); }));
  EXPECT_EQ(write(p.slave, "x", 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  ASSERT_TRUE(put(p.master, "\x11"));
  EXPECT_TRUE(is_ready(p.slave, POLLOUT, 1000));
  ASSERT_EQ(tcflow(p.slave, TCOOFF), 0);
  EXPECT_FALSE(is_ready(p.slave, POLLOUT));
  ASSERT_EQ(tcflow(p.slave, TCOON), 0);
  EXPECT_TRUE(put(p.slave, "x"));
  EXPECT_EQ(get(p.master), "x");
  ASSERT_EQ(tcflow(p.slave, TCIOFF), 0);
  EXPECT_EQ(get(p.master), "\x13");
}

// --- raw

TEST(Raw, BytesAsTheyAre) {
  Pair p;
  make_raw(p.slave);
  const std::string all = std::string("\x03\x04\r\n\x7f\x11\x13\0\xff", 9);
  ASSERT_TRUE(put(p.master, all));
  EXPECT_EQ(get_as(p.slave, all), all);
  EXPECT_FALSE(is_ready(p.master, POLLIN));
  ASSERT_TRUE(put(p.slave, "\n"));
  EXPECT_EQ(get(p.master), "\n");
}

TEST(Raw, WaitsForTheLeastNumber) {
  Pair p;
  make_raw(p.slave, 3);
  ASSERT_TRUE(put(p.master, "ab"));
  EXPECT_FALSE(is_ready(p.slave, POLLIN, 50));
  EXPECT_CHILD([&] {
    if (fork() == 0) {
      sleep_ms(100);
      put(p.master, "cd");
      _exit(0);
    }
    char buffer[16];
    const int64_t before = now_ms();
    REQUIRE(read(p.slave, buffer, sizeof buffer) >= 3);
    REQUIRE(now_ms() - before >= 80);
    REQUIRE(memcmp(buffer, "abc", 3) == 0);
    return 0;
  });
}

TEST(Raw, ReadsNothingAtOnceWithoutALeastNumber) {
  Pair p;
  make_raw(p.slave, 0, 0);
  char c;
  EXPECT_EQ(read(p.slave, &c, 1), 0);
  ASSERT_TRUE(put(p.master, "x"));
  EXPECT_TRUE(eventually([&] { return read(p.slave, &c, 1) == 1; }));
}

TEST(Raw, WaitsForTheFirstForATime) {
  Pair p;
  make_raw(p.slave, 0, 2);
  char buffer[8];
  const int64_t before = now_ms();
  EXPECT_EQ(read(p.slave, buffer, sizeof buffer), 0);
  EXPECT_GE(now_ms() - before, 150);
  EXPECT_LT(now_ms() - before, 1500);
  ASSERT_TRUE(put(p.master, "x"));
  EXPECT_EQ(read(p.slave, buffer, sizeof buffer), 1);
}

TEST(Raw, WaitsBetweenTwoForATime) {
  Pair p;
  make_raw(p.slave, 8, 2);
  ASSERT_TRUE(put(p.master, "ab"));
  char buffer[8];
  const int64_t before = now_ms();
  EXPECT_EQ(read(p.slave, buffer, sizeof buffer), 2);
  EXPECT_GE(now_ms() - before, 150);
  EXPECT_LT(now_ms() - before, 1500);
}

TEST(Raw, PendingBytesBecomeALine) {
  Pair p;
  make_raw(p.slave);
  ASSERT_TRUE(put(p.master, "abc"));
  ASSERT_TRUE(is_ready(p.slave, POLLIN, 1000));
  change(p.slave, [](termios& t) { t.c_lflag |= ICANON; });
  EXPECT_EQ(get(p.slave), "abc");
}

TEST(Raw, ManyBytesInBothDirections) {
  Pair p;
  make_raw(p.slave);
  constexpr size_t kSize = 300000;
  EXPECT_CHILD([&] {
    pid_t writer = fork();
    if (writer == 0) {
      std::string block(kSize, '\0');
      for (size_t i = 0; i < kSize; ++i) block[i] = static_cast<char>(i * 7);
      for (size_t done = 0; done < kSize;) {
        ssize_t n = write(p.slave, block.data() + done, kSize - done);
        if (n <= 0) _exit(1);
        done += static_cast<size_t>(n);
      }
      _exit(0);
    }
    size_t seen = 0;
    while (seen < kSize) {
      char buffer[5000];
      ssize_t n = read(p.master, buffer, sizeof buffer);
      REQUIRE(n > 0);
      for (ssize_t i = 0; i < n; ++i, ++seen) REQUIRE(buffer[i] == static_cast<char>(seen * 7));
      REQUIRE(write(p.master, buffer, static_cast<size_t>(std::min<ssize_t>(n, 10))) > 0);
      char back[10];
      REQUIRE(read(p.slave, back, sizeof back) > 0);
    }
    int status;
    REQUIRE(waitpid(writer, &status, 0) == writer && status == 0);
    return 0;
  });
}

// --- settings

TEST(Settings, AreWhatWasSet) {
  Pair p;
  termios t = {}, seen = {};
  ASSERT_EQ(tcgetattr(p.slave, &t), 0);
  EXPECT_EQ(t.c_iflag, static_cast<tcflag_t>(ICRNL | IXON));
  EXPECT_EQ(t.c_oflag, static_cast<tcflag_t>(OPOST | ONLCR));
  EXPECT_EQ(t.c_lflag, static_cast<tcflag_t>(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN));
  EXPECT_EQ(t.c_cflag & CSIZE, static_cast<tcflag_t>(CS8));
  EXPECT_EQ(cfgetospeed(&t), static_cast<speed_t>(B38400));
  EXPECT_EQ(t.c_cc[VINTR], 3);
  EXPECT_EQ(t.c_cc[VERASE], 0x7f);
  t.c_cc[VINTR] = 7;
  t.c_cflag = (t.c_cflag & ~static_cast<tcflag_t>(CSIZE)) | CS7 | PARENB;
  cfsetospeed(&t, B9600);
  ASSERT_EQ(tcsetattr(p.slave, TCSANOW, &t), 0);
  // The master shows the same; a pseudoterminal has 8 bits, whatever is asked for.
  ASSERT_EQ(tcgetattr(p.master, &seen), 0);
  EXPECT_EQ(seen.c_cc[VINTR], 7);
  EXPECT_EQ(seen.c_cflag & (CSIZE | PARENB), static_cast<tcflag_t>(CS8));
  EXPECT_EQ(cfgetospeed(&seen), static_cast<speed_t>(B9600));
}

TEST(Settings, SecondKind) {
  struct Second {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[19];
    uint32_t ispeed, ospeed;
  } t = {};
  constexpr unsigned long kGet = 0x802c542a, kSet = 0x402c542b;
  constexpr uint32_t kSpeedMask = 0x100f, kOther = 0x1000;
  Pair p;
  ASSERT_EQ(ioctl(p.slave, kGet, &t), 0);
  EXPECT_EQ(t.ospeed, 38400u);
  t.cflag = (t.cflag & ~kSpeedMask) | kOther;
  t.ospeed = 12345;
  ASSERT_EQ(ioctl(p.slave, kSet, &t), 0);
  t = {};
  ASSERT_EQ(ioctl(p.slave, kGet, &t), 0);
  EXPECT_EQ(t.ospeed, 12345u);
}

TEST(Settings, FlushDropsWhatWasTyped) {
  Pair p;
  ASSERT_TRUE(put(p.master, "old\n"));
  ASSERT_TRUE(is_ready(p.slave, POLLIN, 1000));
  termios t = {};
  ASSERT_EQ(tcgetattr(p.slave, &t), 0);
  ASSERT_EQ(tcsetattr(p.slave, TCSAFLUSH, &t), 0);
  EXPECT_FALSE(is_ready(p.slave, POLLIN));
  ASSERT_TRUE(put(p.master, "older\n"));
  ASSERT_TRUE(is_ready(p.slave, POLLIN, 1000));
  ASSERT_EQ(tcflush(p.slave, TCIFLUSH), 0);
  EXPECT_FALSE(is_ready(p.slave, POLLIN));
  ASSERT_TRUE(put(p.master, "new\n"));
  EXPECT_EQ(get(p.slave), "new\n");
  EXPECT_EQ(tcdrain(p.slave), 0);
  EXPECT_EQ(tcsendbreak(p.slave, 0), 0);
}

TEST(Settings, Window) {
  Pair p;
  winsize size = {}, set = {24, 80, 3, 4};
  ASSERT_EQ(ioctl(p.slave, TIOCGWINSZ, &size), 0);
  EXPECT_EQ(size.ws_row, 0);
  ASSERT_EQ(ioctl(p.master, TIOCSWINSZ, &set), 0);
  ASSERT_EQ(ioctl(p.slave, TIOCGWINSZ, &size), 0);
  EXPECT_EQ(memcmp(&size, &set, sizeof size), 0);
}

TEST(Settings, Exclusive) {
  Pair p;
  ASSERT_EQ(ioctl(p.slave, TIOCEXCL), 0);
  EXPECT_CHILD([&] {
    REQUIRE(chmod(p.name.c_str(), 0666) == 0);
    REQUIRE(setuid(1) == 0);
    REQUIRE(open(p.name.c_str(), O_RDWR | O_NOCTTY) == -1 && errno == EBUSY);
    return 0;
  });
  ASSERT_EQ(ioctl(p.slave, TIOCNXCL), 0);
  int again = open(p.name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(again, 0);
  close(again);
}

// --- ends that go

TEST(Ends, MasterHearsOfTheLastSlave) {
  Pair p;
  EXPECT_FALSE(readiness(p.master) & POLLHUP);
  ASSERT_TRUE(put(p.slave, "last"));
  p.close_slave();
  EXPECT_EQ(get(p.master), "last");
  EXPECT_TRUE(readiness(p.master) & POLLHUP);
  EXPECT_EQ(get(p.master), "(EIO)");
  p.slave = open(p.name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(p.slave, 0);
  EXPECT_FALSE(readiness(p.master) & POLLHUP);
}

TEST(Ends, SlaveHearsOfTheMaster) {
  Pair p;
  ASSERT_TRUE(put(p.master, "unread\n"));
  ASSERT_TRUE(is_ready(p.slave, POLLIN, 1000));
  p.close_master();
  EXPECT_EQ(readiness(p.slave) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
  char c;
  EXPECT_EQ(read(p.slave, &c, 1), 0);
  EXPECT_EQ(write(p.slave, "x", 1), -1);
  EXPECT_EQ(errno, EIO);
  termios t;
  EXPECT_EQ(tcgetattr(p.slave, &t), -1);
  EXPECT_EQ(errno, EIO);
}

TEST(Ends, ASleepingReaderWakesUp) {
  EXPECT_CHILD([] {
    Pair p;
    const pid_t reader = fork();
    if (reader == 0) {
      p.close_master();
      char c;
      _exit(read(p.slave, &c, 1) <= 0 ? 0 : 1);
    }
    sleep_ms(50);
    p.close_master();
    int status;
    REQUIRE(waitpid(reader, &status, 0) == reader && status == 0);
    return 0;
  });
}

TEST(Ends, PacketMode) {
  Pair p;
  int on = 1;
  ASSERT_EQ(ioctl(p.master, TIOCPKT, &on), 0);
  ASSERT_TRUE(put(p.slave, "x"));
  EXPECT_EQ(get(p.master), std::string("\0x", 2));
  ASSERT_EQ(tcflush(p.slave, TCIFLUSH), 0);
  EXPECT_TRUE(is_ready(p.master, POLLPRI, 1000));
  EXPECT_EQ(get(p.master), std::string(1, TIOCPKT_FLUSHREAD));
  ASSERT_EQ(tcflow(p.slave, TCOOFF), 0);
  EXPECT_EQ(get(p.master), std::string(1, TIOCPKT_STOP));
  change(p.slave, [](termios& t) { t.c_iflag &= ~static_cast<tcflag_t>(IXON); });
  EXPECT_TRUE(get(p.master)[0] & TIOCPKT_NOSTOP);
}

// --- sessions

volatile sig_atomic_t got[65];
void note(int signal) {
  got[signal] = got[signal] + 1;
}
void watch(int signal) {
  struct sigaction action = {};
  action.sa_handler = note;
  sigaction(signal, &action, nullptr);
  got[signal] = 0;
}
// Of /proc/self/stat, fields 7 and 8.
struct StatFields {
  int tty = -1, foreground = -1;
};
StatFields stat_fields() {
  std::ifstream in("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  char state;
  int parent, group, session;
  StatFields fields;
  rest >> state >> parent >> group >> session >> fields.tty >> fields.foreground;
  return fields;
}

// Everything in a session of its own, which ends with what it did.
#define EXPECT_SESSION(...) \
  EXPECT_CHILD([&] {        \
    REQUIRE(setsid() > 0);  \
    return __VA_ARGS__();   \
  })

TEST(Session, OpeningMakesItTheControllingOne) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
    REQUIRE(stat_fields().tty == 0 && stat_fields().foreground == -1);
    const int fd = open(p.name.c_str(), O_RDWR);
    REQUIRE(fd >= 0);
    REQUIRE(tcgetsid(fd) == getpid() && tcgetpgrp(fd) == getpgrp());
    const int own = open("/dev/tty", O_RDWR);
    REQUIRE(own >= 0 && put(own, "x") && get(p.master) == "x");
    struct stat s;
    REQUIRE(fstat(fd, &s) == 0);
    const StatFields fields = stat_fields();
    REQUIRE(fields.tty == static_cast<int>(minor(s.st_rdev) | major(s.st_rdev) << 8));
    REQUIRE(fields.foreground == getpgrp());
    // The master tells the same, and a second terminal is none of ours.
    REQUIRE(tcgetpgrp(p.master) == getpgrp());
    Pair other;
    const int second = open(other.name.c_str(), O_RDWR);
    REQUIRE(second >= 0 && tcgetsid(second) == -1 && errno == ENOTTY);
    return 0;
  });
}

TEST(Session, NotWhenItIsNotWanted) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(open(p.name.c_str(), O_RDWR | O_NOCTTY) >= 0);
    REQUIRE(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
    REQUIRE(open(p.name.c_str(), O_WRONLY) >= 0);
    REQUIRE(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    REQUIRE(open("/dev/tty", O_RDWR) >= 0);
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    return 0;
  });
}

TEST(Session, OnlyLeadersGetOne) {
  Pair p;
  EXPECT_SESSION([&] {
    const pid_t child = fork();
    if (child == 0) _exit(ioctl(p.slave, TIOCSCTTY, 0) == -1 && errno == EPERM ? 0 : 1);
    int status;
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    return 0;
  });
}

TEST(Session, StealingTakesPrivileges) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    const pid_t thief = fork();
    if (thief == 0) {
      setsid();
      if (ioctl(p.slave, TIOCSCTTY, 0) != -1 || errno != EPERM) _exit(1);
      if (ioctl(p.slave, TIOCSCTTY, 1) != 0) _exit(2);
      _exit(tcgetsid(p.slave) == getpid() ? 0 : 3);
    }
    int status;
    REQUIRE(waitpid(thief, &status, 0) == thief && status == 0);
    REQUIRE(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
    return 0;
  });
}

TEST(Session, GivingUp) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    watch(SIGHUP);
    watch(SIGCONT);
    REQUIRE(ioctl(p.slave, TIOCNOTTY) == 0);
    REQUIRE(got[SIGHUP] == 1 && got[SIGCONT] == 1);
    REQUIRE(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
    REQUIRE(ioctl(p.slave, TIOCNOTTY) == -1 && errno == ENOTTY);
    return 0;
  });
}

TEST(Session, Setsid) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    const pid_t child = fork();
    if (child == 0) {
      if (open("/dev/tty", O_RDWR) < 0) _exit(1);
      if (setsid() < 0) _exit(2);
      _exit(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO ? 0 : 3);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    REQUIRE(setsid() == -1 && errno == EPERM);
    return 0;
  });
}

TEST(Session, HangUpTellsTheLeader) {
  EXPECT_SESSION([&] {
    Pair p;
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    watch(SIGHUP);
    watch(SIGCONT);
    p.close_master();
    REQUIRE(eventually([] { return got[SIGHUP] == 1 && got[SIGCONT] == 1; }));
    REQUIRE(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
    return 0;
  });
}

TEST(Session, EndOfTheLeaderTellsTheForeground) {
  Pair p;
  int done[2];
  ASSERT_EQ(pipe2(done, O_CLOEXEC), 0);
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    if (fork() == 0) {
      watch(SIGHUP);
      REQUIRE(write(ready[1], "r", 1) == 1);
      const bool heard = eventually([] { return got[SIGHUP] == 1; });
      // And the terminal is nobody's.
      const bool is_free = open("/dev/tty", O_RDWR) == -1 && errno == ENXIO;
      REQUIRE(write(done[1], heard && is_free ? "y" : "n", 1) == 1);
      _exit(0);
    }
    char c;
    REQUIRE(read(ready[0], &c, 1) == 1);
    return 0;
  });
  close(done[1]);
  char c = 'x';
  EXPECT_EQ(read(done[0], &c, 1), 1);
  EXPECT_EQ(c, 'y');
  close(done[0]);
}

TEST(Session, KeysAreSignalsForTheForeground) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    for (auto [key, signal] : {std::pair("\x03", SIGINT), {"\x1c", SIGQUIT}, {"\x1a", SIGTSTP}}) {
      watch(signal);
      REQUIRE(put(p.master, key));
      REQUIRE(eventually([s = signal] { return got[s] == 1; }));
    }
    REQUIRE(get_as(p.master, "^C^\\^Z") == "^C^\\^Z");
    watch(SIGINT);
    REQUIRE(ioctl(p.master, TIOCSIG, SIGINT) == 0);
    REQUIRE(eventually([] { return got[SIGINT] == 1; }));
    watch(SIGWINCH);
    winsize size = {10, 20, 0, 0};
    REQUIRE(ioctl(p.master, TIOCSWINSZ, &size) == 0);
    REQUIRE(eventually([] { return got[SIGWINCH] == 1; }));
    REQUIRE(ioctl(p.master, TIOCSWINSZ, &size) == 0);
    sleep_ms(20);
    REQUIRE(got[SIGWINCH] == 1);
    return 0;
  });
}

TEST(Session, KeysAreNoSignalsWithoutIsig) {
  Pair p;
  change(p.slave, [](termios& t) { t.c_lflag &= ~static_cast<tcflag_t>(ISIG); });
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    REQUIRE(put(p.master, "\x03\n"));
    REQUIRE(get(p.slave) == "\x03\n");
    return 0;
  });
}

TEST(Session, ASignalEndsARead) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    watch(SIGINT);
    const int master = p.master;
    if (fork() == 0) {
      setpgid(0, 0);
      sleep_ms(50);
      put(master, "abc\x03");
      _exit(0);
    }
    char buffer[8];
    REQUIRE(read(p.slave, buffer, sizeof buffer) == -1 && errno == EINTR);
    // What had been typed is gone with it.
    REQUIRE(put(master, "d\n"));
    REQUIRE(read(p.slave, buffer, sizeof buffer) == 2 && buffer[0] == 'd');
    return 0;
  });
}

// --- job control

// A child in a process group of its own, started when both sides have seen to it.
template <typename What>
pid_t start_job(What what) {
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing is left of a test that fails
    for (int signal : {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU}) ::signal(signal, SIG_DFL);
    _exit(what());
  }
  setpgid(pid, pid);
  return pid;
}
int stopped_by(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) return -1;
  return WSTOPSIG(status);
}
bool has_continued(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status);
}
int exit_of(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Jobs, AShellWithForegroundAndBackground) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    signal(SIGTTOU, SIG_IGN);
    const pid_t shell = getpgrp();
    // A job in the background that reads is stopped; brought to the foreground it gets its line.
    const pid_t reader = start_job([&] {
      char line[16] = {};
      const ssize_t n = read(p.slave, line, sizeof line);
      return n == 5 && memcmp(line, "word\n", 5) == 0 ? 7 : 1;
    });
    REQUIRE(stopped_by(reader) == SIGTTIN);
    REQUIRE(tcsetpgrp(p.slave, reader) == 0);
    REQUIRE(tcgetpgrp(p.slave) == reader);
    REQUIRE(kill(-reader, SIGCONT) == 0);
    REQUIRE(has_continued(reader));
    REQUIRE(put(p.master, "word\n"));
    REQUIRE(exit_of(reader) == 7);
    REQUIRE(tcsetpgrp(p.slave, shell) == 0);
    // One in the foreground that is stopped with a key, continued in the background, and ended with a key.
    const pid_t worker = start_job([] {
      for (;;) pause();
      return 1;
    });
    REQUIRE(tcsetpgrp(p.slave, worker) == 0);
    REQUIRE(put(p.master, "\x1a"));
    REQUIRE(stopped_by(worker) == SIGTSTP);
    REQUIRE(tcsetpgrp(p.slave, shell) == 0);
    REQUIRE(kill(-worker, SIGCONT) == 0);
    REQUIRE(has_continued(worker));
    REQUIRE(kill(worker, SIGKILL) == 0 && exit_of(worker) == 1000 + SIGKILL);
    return 0;
  });
}

TEST(Jobs, AShellThatIgnoresKeys) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    const pid_t worker = start_job([] {
      for (;;) pause();
      return 1;
    });
    REQUIRE(put(p.master, "\x03\x1a"));
    sleep_ms(50);
    REQUIRE(waitpid(worker, nullptr, WNOHANG | WUNTRACED) == 0);
    REQUIRE(tcsetpgrp(p.slave, worker) == 0);
    REQUIRE(put(p.master, "\x1a"));
    REQUIRE(stopped_by(worker) == SIGTSTP);
    REQUIRE(kill(-worker, SIGCONT) == 0 && has_continued(worker));
    REQUIRE(put(p.master, "\x03"));
    REQUIRE(exit_of(worker) == 1000 + SIGINT);
    REQUIRE(tcsetpgrp(p.slave, getpgrp()) == 0);
    return 0;
  });
}

TEST(Jobs, WritingFromTheBackground) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    signal(SIGTTOU, SIG_IGN);
    const pid_t free = start_job([&] { return put(p.slave, "x") ? 3 : 1; });
    REQUIRE(exit_of(free) == 3);
    termios t;
    REQUIRE(tcgetattr(p.slave, &t) == 0);
    t.c_lflag |= TOSTOP;
    REQUIRE(tcsetattr(p.slave, TCSANOW, &t) == 0);
    const pid_t held = start_job([&] { return put(p.slave, "y") ? 3 : 1; });
    REQUIRE(stopped_by(held) == SIGTTOU);
    REQUIRE(tcsetpgrp(p.slave, held) == 0);
    REQUIRE(kill(-held, SIGCONT) == 0);
    REQUIRE(exit_of(held) == 3);
    REQUIRE(tcsetpgrp(p.slave, getpgrp()) == 0);
    REQUIRE(get_as(p.master, "xy") == "xy");
    // Who ignores the signal, writes.
    const pid_t ignoring = start_job([&] {
      signal(SIGTTOU, SIG_IGN);
      return put(p.slave, "z") ? 3 : 1;
    });
    REQUIRE(exit_of(ignoring) == 3);
    return 0;
  });
}

TEST(Jobs, ChangingFromTheBackground) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    const pid_t job = start_job([&] {
      termios t;
      if (tcgetattr(p.slave, &t) != 0) return 1;
      return tcsetattr(p.slave, TCSANOW, &t) == 0 ? 3 : 2;
    });
    REQUIRE(stopped_by(job) == SIGTTOU);
    REQUIRE(kill(job, SIGKILL) == 0);
    REQUIRE(exit_of(job) == 1000 + SIGKILL);
    return 0;
  });
}

TEST(Jobs, ReadingFromTheBackgroundWithoutTheSignal) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    const pid_t job = start_job([&] {
      signal(SIGTTIN, SIG_IGN);
      char c;
      return read(p.slave, &c, 1) == -1 && errno == EIO ? 3 : 1;
    });
    REQUIRE(exit_of(job) == 3);
    return 0;
  });
}

TEST(Jobs, OrphansGetErrors) {
  Pair p;
  int result[2];
  ASSERT_EQ(pipe2(result, O_CLOEXEC), 0);
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    const pid_t middle = start_job([&] {
      const pid_t parent = getpid();
      prctl(PR_SET_PDEATHSIG, 0);
      if (fork() == 0) {
        eventually([&] { return getppid() != parent; });
        char c;
        // Nobody in the session could continue it: it is not stopped.
        const bool refused = read(p.slave, &c, 1) == -1 && errno == EIO;
        put(result[1], refused ? "y" : "n");
        _exit(0);
      }
      return 0;
    });
    REQUIRE(exit_of(middle) == 0);
    pollfd one = {result[0], POLLIN, 0};
    REQUIRE(poll(&one, 1, 3000) == 1);
    char c;
    REQUIRE(read(result[0], &c, 1) == 1 && c == 'y');
    return 0;
  });
  close(result[0]);
  close(result[1]);
}

TEST(Jobs, StoppedOrphansAreContinued) {
  int result[2];
  ASSERT_EQ(pipe2(result, O_CLOEXEC), 0);
  EXPECT_SESSION([&] {
    const pid_t shell = fork();
    if (shell == 0) {
      setpgid(0, 0);
      const pid_t job = start_job([&] {
        prctl(PR_SET_PDEATHSIG, 0);
        watch(SIGHUP);
        watch(SIGCONT);
        raise(SIGSTOP);
        const bool told = eventually([] { return got[SIGHUP] == 1 && got[SIGCONT] == 1; });
        put(result[1], told ? "y" : "n");
        return 0;
      });
      if (stopped_by(job) != SIGSTOP) _exit(1);
      _exit(0);
    }
    setpgid(shell, shell);
    REQUIRE(exit_of(shell) == 0);
    pollfd one = {result[0], POLLIN, 0};
    REQUIRE(poll(&one, 1, 3000) == 1);
    char c;
    REQUIRE(read(result[0], &c, 1) == 1 && c == 'y');
    return 0;
  });
  close(result[0]);
  close(result[1]);
}

TEST(Jobs, ForegroundGroupsThatCannotBe) {
  Pair p;
  EXPECT_SESSION([&] {
    REQUIRE(ioctl(p.slave, TIOCSCTTY, 0) == 0);
    REQUIRE(tcsetpgrp(p.slave, 1 << 22) == -1 && errno == ESRCH);
    REQUIRE(tcsetpgrp(p.slave, -1) == -1 && errno == EINVAL);
    REQUIRE(tcsetpgrp(p.slave, getpgid(getppid())) == -1 && errno == EPERM);
    return 0;
  });
}

}  // namespace
