// inotify(7).
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include <vector>

#include "guest.h"

namespace {

int an_instance() {
  static const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  return fd;
}

const Refusal kRefusals[] = {
    {"InitFlags", [] { return sys(SYS_inotify_init1, 1); }, EINVAL},
    {"NoMask", [] { return sys(SYS_inotify_add_watch, an_instance(), "/tmp", 0); }, EINVAL},
    {"BadDescriptor", [] { return sys(SYS_inotify_add_watch, -1, "/tmp", IN_OPEN); }, EBADF},
    {"NotOne", [] { return sys(SYS_inotify_add_watch, 0, "/tmp", IN_OPEN); }, EINVAL},
    {"Missing", [] { return sys(SYS_inotify_add_watch, an_instance(), "/nope", IN_OPEN); }, ENOENT},
    {"BadPath", [] { return sys(SYS_inotify_add_watch, an_instance(), kNowhere, IN_OPEN); }, EFAULT},
    {"NoDirectory", [] { return sys(SYS_inotify_add_watch, an_instance(), "/proc/self/stat", IN_OPEN | IN_ONLYDIR); },
     ENOTDIR},
    {"AddAndCreate",
     [] {
       return sys(SYS_inotify_add_watch, an_instance(), "/tmp",
                  static_cast<uint32_t>(IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
     },
     EINVAL},
    {"RemoveUnknown", [] { return sys(SYS_inotify_rm_watch, an_instance(), 99); }, EINVAL},
    {"RemoveBadDescriptor", [] { return sys(SYS_inotify_rm_watch, -1, 1); }, EBADF},
};
REFUSALS(Inotify, kRefusals);

class Watching : public InDirectory {
 protected:
  void SetUp() override {
    InDirectory::SetUp();
    fd_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    ASSERT_GE(fd_, 0);
  }
  void TearDown() override {
    close(fd_);
    InDirectory::TearDown();
  }
  int watch(const char* path, uint32_t mask = IN_ALL_EVENTS) { return inotify_add_watch(fd_, path, mask); }

  // What has happened, in words: "1:CREATE file 2:…".
  std::string happened() {
    static constexpr std::pair<uint32_t, const char*> kNames[] = {{IN_ACCESS, "ACCESS"},
                                                                  {IN_MODIFY, "MODIFY"},
                                                                  {IN_ATTRIB, "ATTRIB"},
                                                                  {IN_CLOSE_WRITE, "CLOSE_WRITE"},
                                                                  {IN_CLOSE_NOWRITE, "CLOSE"},
                                                                  {IN_OPEN, "OPEN"},
                                                                  {IN_MOVED_FROM, "FROM"},
                                                                  {IN_MOVED_TO, "TO"},
                                                                  {IN_CREATE, "CREATE"},
                                                                  {IN_DELETE, "DELETE"},
                                                                  {IN_DELETE_SELF, "DELETE_SELF"},
                                                                  {IN_MOVE_SELF, "MOVE_SELF"},
                                                                  {IN_Q_OVERFLOW, "OVERFLOW"},
                                                                  {IN_IGNORED, "IGNORED"},
                                                                  {IN_ISDIR, "DIR"}};
    std::string text;
    alignas(inotify_event) char buffer[65536];
    ssize_t n = read(fd_, buffer, sizeof buffer);
    cookies_.clear();
    for (ssize_t at = 0; at < n;) {
      inotify_event event;
      memcpy(&event, buffer + at, sizeof event);
      if (!text.empty()) text += ' ';
      text += std::to_string(event.wd) + ":";
      bool first = true;
      for (const auto& [bit, name] : kNames) {
        if (!(event.mask & bit)) continue;
        text += (first ? "" : "|") + std::string(name);
        first = false;
      }
      if (event.len > 0) text += std::string(" ") + (buffer + at + sizeof event);
      EXPECT_EQ(event.len % sizeof event, 0u);
      cookies_.push_back(event.cookie);
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
    return text;
  }

  int fd_ = -1;
  std::vector<uint32_t> cookies_;
};

TEST_F(Watching, AFileInADirectory) {
  ASSERT_EQ(watch("."), 1);
  write_file("file", "text");
  EXPECT_EQ(happened(), "1:CREATE file 1:OPEN file 1:MODIFY file 1:CLOSE_WRITE file");
  EXPECT_EQ(read_file("file"), "text");
  EXPECT_EQ(happened(), "1:OPEN file 1:ACCESS file 1:CLOSE file");
  ASSERT_EQ(chmod("file", 0600), 0);
  ASSERT_EQ(truncate("file", 1), 0);
  EXPECT_EQ(happened(), "1:ATTRIB file 1:MODIFY file");
  ASSERT_EQ(unlink("file"), 0);
  EXPECT_EQ(happened(), "1:DELETE file");
}

TEST_F(Watching, Directories) {
  ASSERT_EQ(watch("."), 1);
  ASSERT_EQ(mkdir("sub", 0755), 0);
  EXPECT_EQ(happened(), "1:CREATE|DIR sub");
  ASSERT_EQ(watch("sub", IN_ALL_EVENTS & ~static_cast<uint32_t>(IN_ACCESS)), 2);
  close(open("sub", O_RDONLY | O_DIRECTORY));
  EXPECT_EQ(happened(), "1:OPEN|DIR sub 2:OPEN|DIR 1:CLOSE|DIR sub 2:CLOSE|DIR");
  ASSERT_EQ(rmdir("sub"), 0);
  EXPECT_EQ(happened(), "2:DELETE_SELF 2:IGNORED 1:DELETE|DIR sub");
}

TEST_F(Watching, TheFileItself) {
  write_file("file", "text");
  ASSERT_EQ(watch("file"), 1);
  ASSERT_EQ(link("file", "other"), 0);
  EXPECT_EQ(happened(), "1:ATTRIB");
  ASSERT_EQ(unlink("other"), 0);
  EXPECT_EQ(happened(), "1:ATTRIB");
  const int fd = open("file", O_RDWR | O_CLOEXEC);
  ASSERT_EQ(unlink("file"), 0);
  EXPECT_EQ(happened(), "1:OPEN 1:ATTRIB");
  EXPECT_EQ(write(fd, "x", 1), 1);
  close(fd);
  EXPECT_EQ(happened(), "1:MODIFY 1:CLOSE_WRITE 1:DELETE_SELF 1:IGNORED");
  EXPECT_EQ(inotify_rm_watch(fd_, 1), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Watching, TheFileItselfAtOnce) {
  write_file("file", "text");
  ASSERT_EQ(watch("file"), 1);
  ASSERT_EQ(unlink("file"), 0);
  EXPECT_EQ(happened(), "1:ATTRIB 1:DELETE_SELF 1:IGNORED");
}

TEST_F(Watching, RenamesHaveACookie) {
  ASSERT_EQ(mkdir("a", 0755) | mkdir("b", 0755), 0);
  write_file("a/one", "");
  ASSERT_EQ(watch("a"), 1);
  ASSERT_EQ(watch("b"), 2);
  ASSERT_EQ(watch("a/one", IN_MOVE_SELF), 3);
  ASSERT_EQ(rename("a/one", "b/two"), 0);
  EXPECT_EQ(happened(), "1:FROM one 2:TO two 3:MOVE_SELF");
  ASSERT_EQ(cookies_.size(), 3u);
  EXPECT_NE(cookies_[0], 0u);
  EXPECT_EQ(cookies_[0], cookies_[1]);
  EXPECT_EQ(cookies_[2], 0u);
  const uint32_t first = cookies_[0];
  ASSERT_EQ(rename("b/two", "b/three"), 0);
  EXPECT_EQ(happened(), "2:FROM two 2:TO three 3:MOVE_SELF");
  EXPECT_NE(cookies_[0], first);
}

TEST_F(Watching, ARenameOverAFile) {
  write_file("a", "");
  write_file("b", "");
  ASSERT_EQ(watch("b", IN_ATTRIB | IN_DELETE_SELF), 1);
  ASSERT_EQ(rename("a", "b"), 0);
  EXPECT_EQ(happened(), "1:ATTRIB 1:DELETE_SELF 1:IGNORED");
}

TEST_F(Watching, LinksOfAllKinds) {
  write_file("file", "");
  ASSERT_EQ(watch("."), 1);
  ASSERT_EQ(symlink("file", "symbolic"), 0);
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  EXPECT_EQ(happened(), "1:CREATE symbolic 1:CREATE fifo");
  ASSERT_EQ(link("file", "hard"), 0);
  EXPECT_EQ(happened(), "1:CREATE hard");
}

TEST_F(Watching, OnlyWhatIsAskedFor) {
  ASSERT_EQ(watch(".", IN_DELETE), 1);
  write_file("file", "");
  EXPECT_EQ(happened(), "");
  ASSERT_EQ(watch(".", IN_CREATE | IN_MASK_ADD), 1);
  write_file("other", "");
  unlink("file");
  EXPECT_EQ(happened(), "1:CREATE other 1:DELETE file");
  ASSERT_EQ(watch(".", IN_CREATE), 1);
  unlink("other");
  EXPECT_EQ(happened(), "");
  EXPECT_EQ(watch(".", IN_CREATE | IN_MASK_CREATE), -1);
  EXPECT_EQ(errno, EEXIST);
}

TEST_F(Watching, Once) {
  ASSERT_EQ(watch(".", IN_CREATE | IN_ONESHOT), 1);
  write_file("one", "");
  write_file("two", "");
  EXPECT_EQ(happened(), "1:CREATE one 1:IGNORED");
}

TEST_F(Watching, Removing) {
  ASSERT_EQ(watch("."), 1);
  ASSERT_EQ(inotify_rm_watch(fd_, 1), 0);
  EXPECT_EQ(happened(), "1:IGNORED");
  write_file("file", "");
  EXPECT_EQ(happened(), "");
  // Numbers are not used again.
  EXPECT_EQ(watch("."), 2);
}

TEST_F(Watching, SameEventsAreOne) {
  ASSERT_EQ(watch(".", IN_MODIFY), 1);
  const int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(fd, "x", 1), 1);
  EXPECT_EQ(happened(), "1:MODIFY file");
  close(fd);
}

TEST_F(Watching, LinksAreFollowedUnlessNot) {
  write_file("file", "");
  ASSERT_EQ(symlink("file", "link"), 0);
  ASSERT_EQ(watch("link", IN_ATTRIB), 1);
  ASSERT_EQ(watch("link", IN_ATTRIB | IN_DONT_FOLLOW), 2);
  ASSERT_EQ(chmod("file", 0600), 0);
  EXPECT_EQ(happened(), "1:ATTRIB");
}

TEST_F(Watching, WithoutANameAnyMore) {
  const int kept = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(watch(".", IN_MODIFY | IN_EXCL_UNLINK), 1);
  unlink("file");
  EXPECT_EQ(write(kept, "x", 1), 1);
  EXPECT_EQ(happened(), "");
  close(kept);
}

TEST_F(Watching, ReadinessAndSizes) {
  ASSERT_EQ(watch(".", IN_CREATE), 1);
  pollfd one = {fd_, POLLIN, 0};
  EXPECT_EQ(poll(&one, 1, 0), 0);
  int bytes = -1;
  ASSERT_EQ(ioctl(fd_, FIONREAD, &bytes), 0);
  EXPECT_EQ(bytes, 0);
  write_file("file", "");
  EXPECT_EQ(poll(&one, 1, 0), 1);
  ASSERT_EQ(ioctl(fd_, FIONREAD, &bytes), 0);
  EXPECT_EQ(bytes, 32);
  char small[16];
  EXPECT_EQ(read(fd_, small, sizeof small), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(happened(), "1:CREATE file");
  EXPECT_EQ(read(fd_, small, sizeof small), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(Watching, AnotherProcessWaits) {
  ASSERT_EQ(watch(".", IN_CREATE), 1);
  ASSERT_EQ(fcntl(fd_, F_SETFL, 0), 0);
  EXPECT_CHILD([&] {
    if (fork() == 0) {
      sleep_ms(50);
      mkdir("made", 0700);
      _exit(0);
    }
    REQUIRE(happened() == "1:CREATE|DIR made");
    return 0;
  });
}

TEST_F(Watching, TooMany) {
  ASSERT_EQ(watch(".", IN_ATTRIB), 1);
  write_file("a", "");
  write_file("b", "");
  std::string limit = read_file("/proc/sys/fs/inotify/max_queued_events");
  const int most = atoi(limit.c_str());
  ASSERT_GT(most, 0);
  if (most > 20000) GTEST_SKIP() << "max_queued_events is too large to be reached";
  for (int i = 0; i < most + 10; ++i) chmod(i % 2 ? "a" : "b", 0600);
  std::string last;
  for (std::string more; !(more = happened()).empty();) last = more;
  EXPECT_TRUE(last.ends_with("-1:OVERFLOW")) << last.substr(last.size() > 40 ? last.size() - 40 : 0);
}

TEST_F(Watching, TemporaryFilesHaveNoName) {
  ASSERT_EQ(watch(".", IN_CREATE | IN_DELETE), 1);
  const int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) GTEST_SKIP() << "no O_TMPFILE here";
  close(fd);
  EXPECT_EQ(happened(), "");
}

}  // namespace
