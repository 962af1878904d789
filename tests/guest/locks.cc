// Advisory locks, and data from file to file: flock(2), fcntl(2) F_SETLK, splice(2), tee(2), copy_file_range(2).
#include <sys/file.h>

#include <thread>

#include "guest.h"

namespace {

const Refusal kRefusals[] = {
    {"FlockClosed", [] { return sys(SYS_flock, 999, LOCK_EX); }, EBADF},
    {"FlockOperation", [] { return sys(SYS_flock, 0, 77); }, EINVAL},
    {"SetlkClosed",
     [] {
       struct flock l = {};
       return sys(SYS_fcntl, 999, F_SETLK, &l);
     },
     EBADF},
    {"SetlkBadPointer", [] { return sys(SYS_fcntl, 0, F_SETLK, kNowhere); }, EFAULT},
    {"SetlkType",
     [] {
       struct flock l = {};
       l.l_type = 77;
       return sys(SYS_fcntl, 0, F_SETLK, &l);
     },
     EINVAL},
    {"SetlkWhence",
     [] {
       struct flock l = {};
       l.l_whence = 77;
       return sys(SYS_fcntl, 0, F_SETLK, &l);
     },
     EINVAL},
    {"SetlkNegative",
     [] {
       struct flock l = {};
       l.l_start = -1;
       return sys(SYS_fcntl, 0, F_SETLK, &l);
     },
     EINVAL},
    {"GetlkUnlock",
     [] {
       struct flock l = {};
       l.l_type = F_UNLCK;
       return sys(SYS_fcntl, 0, F_GETLK, &l);
     },
     EINVAL},
    {"OfdWithPid",
     [] {
       struct flock l = {};
       l.l_pid = 1;
       return sys(SYS_fcntl, 0, F_OFD_SETLK, &l);
     },
     EINVAL},
    {"SpliceFlags", [] { return sys(SYS_splice, 0, nullptr, 1, nullptr, 1L, 0x100u); }, EINVAL},
    {"SpliceClosed", [] { return sys(SYS_splice, 999, nullptr, 1, nullptr, 1L, 0u); }, EBADF},
    {"TeeFlags", [] { return sys(SYS_tee, 0, 1, 1L, 0x100u); }, EINVAL},
    {"TeeClosed", [] { return sys(SYS_tee, 999, 998, 1L, 0u); }, EBADF},
    {"CopyFileRangeClosed", [] { return sys(SYS_copy_file_range, 999, nullptr, 998, nullptr, 1L, 0u); }, EBADF},
};
REFUSALS(Locks, kRefusals);

class Locks : public InDirectory {
 protected:
  void SetUp() override {
    InDirectory::SetUp();
    write_file("f", "0123456789");
    fd_ = open("f", O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd_, 0);
  }
  void TearDown() override {
    close(fd_);
    InDirectory::TearDown();
  }
  static long lock(int fd, int command, short type, off_t start, off_t length) {
    struct flock l = {};
    l.l_type = type;
    l.l_start = start;
    l.l_len = length;
    return fcntl(fd, command, &l);
  }
  // What a child that opens the file anew may lock: 0, or the errno.
  static int in_other_process(short type, off_t start, off_t length) {
    return WEXITSTATUS(in_child([=] {
      int fd = open("f", O_RDWR);
      return lock(fd, F_SETLK, type, start, length) == 0 ? 0 : errno;
    }));
  }
  int fd_ = -1;
};

TEST_F(Locks, WholeFileExcludesOtherDescriptions) {
  int other = open("f", O_RDWR);
  ASSERT_EQ(flock(fd_, LOCK_SH), 0);
  EXPECT_EQ(flock(other, LOCK_SH | LOCK_NB), 0);
  EXPECT_EQ(flock(other, LOCK_EX | LOCK_NB), -1);
  EXPECT_EQ(errno, EWOULDBLOCK);
  ASSERT_EQ(flock(fd_, LOCK_UN), 0);
  EXPECT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(flock(fd_, LOCK_SH | LOCK_NB), -1);
  close(other);
  EXPECT_EQ(flock(fd_, LOCK_EX | LOCK_NB), 0);
}
TEST_F(Locks, DuplicatesShareTheWholeFileLock) {
  int copy = dup(fd_), other = open("f", O_RDWR);
  ASSERT_EQ(flock(fd_, LOCK_EX), 0);
  EXPECT_EQ(flock(copy, LOCK_EX | LOCK_NB), 0);
  close(fd_);
  EXPECT_EQ(flock(other, LOCK_EX | LOCK_NB), -1);
  close(copy);
  EXPECT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
  close(other);
}
TEST_F(Locks, WholeFileLockIsWaitedFor) {
  int other = open("f", O_RDWR);
  ASSERT_EQ(flock(fd_, LOCK_EX), 0);
  std::thread holder([&] {
    sleep_ms(20);
    flock(fd_, LOCK_UN);
  });
  EXPECT_EQ(flock(other, LOCK_EX), 0);
  holder.join();
  close(other);
}
TEST_F(Locks, RecordsExcludeOtherProcesses) {
  ASSERT_EQ(lock(fd_, F_SETLK, F_WRLCK, 2, 4), 0);
  EXPECT_EQ(in_other_process(F_RDLCK, 0, 3), EAGAIN);
  EXPECT_EQ(in_other_process(F_RDLCK, 0, 2), 0);
  EXPECT_EQ(in_other_process(F_WRLCK, 6, 0), 0);
  EXPECT_EQ(in_other_process(F_WRLCK, 0, 0), EAGAIN);
}
TEST_F(Locks, RecordsAreSplit) {
  ASSERT_EQ(lock(fd_, F_SETLK, F_WRLCK, 0, 10), 0);
  ASSERT_EQ(lock(fd_, F_SETLK, F_UNLCK, 4, 2), 0);
  EXPECT_EQ(in_other_process(F_WRLCK, 4, 2), 0);
  EXPECT_EQ(in_other_process(F_WRLCK, 3, 1), EAGAIN);
  EXPECT_EQ(in_other_process(F_WRLCK, 6, 1), EAGAIN);
}
TEST_F(Locks, RecordsGoWithAnyDescriptor) {
  ASSERT_EQ(lock(fd_, F_SETLK, F_WRLCK, 0, 0), 0);
  close(open("f", O_RDONLY));
  EXPECT_EQ(in_other_process(F_WRLCK, 0, 0), 0);
}
TEST_F(Locks, RecordsNeedTheRightMode) {
  int reader = open("f", O_RDONLY);
  EXPECT_EQ(lock(reader, F_SETLK, F_WRLCK, 0, 0), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(lock(reader, F_SETLK, F_RDLCK, 0, 0), 0);
  close(reader);
}
TEST_F(Locks, GetlkNamesTheHolder) {
  ASSERT_EQ(lock(fd_, F_SETLK, F_WRLCK, 2, 4), 0);
  const pid_t holder = getpid();
  EXPECT_CHILD([=] {
    int fd = open("f", O_RDWR);
    struct flock l = {};
    l.l_type = F_WRLCK;
    REQUIRE(fcntl(fd, F_GETLK, &l) == 0);
    REQUIRE(l.l_type == F_WRLCK && l.l_start == 2 && l.l_len == 4 && l.l_pid == holder);
    l = {};
    l.l_type = F_WRLCK;
    l.l_len = 2;
    REQUIRE(fcntl(fd, F_GETLK, &l) == 0 && l.l_type == F_UNLCK);
    return 0;
  });
}
TEST_F(Locks, ForkInheritsNoRecords) {
  ASSERT_EQ(lock(fd_, F_SETLK, F_WRLCK, 0, 0), 0);
  EXPECT_CHILD([this] {
    REQUIRE(lock(fd_, F_SETLK, F_WRLCK, 0, 0) == -1 && errno == EAGAIN);
    return 0;
  });
}
TEST_F(Locks, DescriptionsLockForThemselves) {
  int other = open("f", O_RDWR);
  ASSERT_EQ(lock(fd_, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
  EXPECT_EQ(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(lock(fd_, F_SETLK, F_WRLCK, 0, 0), -1);  // nor for the process
  close(fd_);
  EXPECT_EQ(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
  close(other);
}
TEST_F(Locks, RecordLockIsWaitedFor) {
  ASSERT_EQ(lock(fd_, F_SETLK, F_WRLCK, 0, 0), 0);
  pid_t child = fork();
  if (child == 0) _exit(lock(open("f", O_RDWR), F_SETLKW, F_WRLCK, 0, 0) == 0 ? 0 : 1);
  sleep_ms(20);
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);
  ASSERT_EQ(lock(fd_, F_SETLK, F_UNLCK, 0, 0), 0);
  int status;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
// Each has one and wants the other's: the one that would close the circle is told.
TEST_F(Locks, RecordLocksThatWaitForEachOther) {
  const int fd = open("f", O_RDWR | O_CREAT, 0600);
  ASSERT_GE(fd, 0);
  auto lock = [&](int command, off_t start) {
    struct flock wanted = {};
    wanted.l_type = F_WRLCK;
    wanted.l_start = start;
    wanted.l_len = 1;
    return fcntl(fd, command, &wanted);
  };
  ASSERT_EQ(lock(F_SETLK, 0), 0);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    char c = lock(F_SETLK, 1) == 0 ? 'y' : 'n';
    (void)!write(ready[1], &c, 1);
    _exit(lock(F_SETLKW, 0) == 0 ? 0 : 1);
  }
  char c = 0;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  ASSERT_EQ(c, 'y');
  // Whether it waits already cannot be seen: until then there is no circle, and we would wait ourselves.
  usleep(100'000);
  errno = 0;
  EXPECT_EQ(lock(F_SETLKW, 1), -1);
  EXPECT_EQ(errno, EDEADLK);
  struct flock none = {};
  none.l_type = F_UNLCK;
  none.l_len = 1;
  ASSERT_EQ(fcntl(fd, F_SETLK, &none), 0);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(lock(F_SETLKW, 1), 0);
  close(fd);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(Locks, SpliceFromFileToPipeToFile) {
  int fds[2], out = open("out", O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(pipe(fds), 0);
  loff_t offset = 3;
  EXPECT_EQ(splice(fd_, &offset, fds[1], nullptr, 4, 0), 4);
  EXPECT_EQ(offset, 7);
  EXPECT_EQ(lseek(fd_, 0, SEEK_CUR), 0);
  EXPECT_EQ(splice(fds[0], nullptr, out, nullptr, 100, 0), 4);
  EXPECT_EQ(read_file("out"), "3456");
  EXPECT_EQ(splice(fds[0], nullptr, out, nullptr, 100, SPLICE_F_NONBLOCK), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(splice(fd_, nullptr, out, nullptr, 100, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(splice(fds[0], &offset, out, nullptr, 100, 0), -1);
  EXPECT_EQ(errno, ESPIPE);
  for (int fd : {fds[0], fds[1], out}) close(fd);
}
TEST_F(Locks, TeeLeavesTheData) {
  int from[2], to[2];
  ASSERT_EQ(pipe(from), 0);
  ASSERT_EQ(pipe(to), 0);
  ASSERT_EQ(write(from[1], "abc", 3), 3);
  EXPECT_EQ(tee(from[0], to[1], 10, 0), 3);
  char buffer[4] = {};
  EXPECT_EQ(read(from[0], buffer, 3), 3);
  EXPECT_STREQ(buffer, "abc");
  EXPECT_EQ(read(to[0], buffer, 3), 3);
  EXPECT_STREQ(buffer, "abc");
  EXPECT_EQ(tee(from[0], from[1], 1, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  for (int fd : {from[0], from[1], to[0], to[1]}) close(fd);
}
TEST_F(Locks, CopyFileRange) {
  int out = open("out", O_RDWR | O_CREAT, 0600);
  loff_t from = 2, to = 1;
  EXPECT_EQ(copy_file_range(fd_, &from, out, &to, 100, 0), 8);
  EXPECT_EQ(from, 10);
  EXPECT_EQ(to, 9);
  EXPECT_EQ(read_file("out"), std::string("\0"
                                          "23456789",
                                          9));
  EXPECT_EQ(copy_file_range(fd_, nullptr, out, nullptr, 1, 1), -1);
  EXPECT_EQ(errno, EINVAL);
  from = 0, to = 2;
  EXPECT_EQ(copy_file_range(out, &from, out, &to, 5, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  close(out);
}

}  // namespace
