// Descriptors and what goes through them: read(2), write(2), dup(2), fcntl(2), pipe(7), sendfile(2), fallocate(2).
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include <thread>
#include <vector>

#include "guest.h"

namespace {

// Opens something for a case and keeps the errno of the call.
template <typename Call>
long with(const char* path, int flags, Call call) {
  int fd = open(path, flags | O_CLOEXEC, 0600);
  long result = call(fd);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}
template <typename Call>
long with_pipe(Call call) {
  int fds[2];
  EXPECT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
  long result = call(fds[0], fds[1]);
  int error = errno;
  close(fds[0]);
  close(fds[1]);
  errno = error;
  return result;
}

const Refusal kRefusals[] = {
    {"ReadClosed",
     [] {
       char c;
       return sys(SYS_read, 999, &c, 1);
     },
     EBADF},
    {"ReadNegative",
     [] {
       char c;
       return sys(SYS_read, -1, &c, 1);
     },
     EBADF},
    {"ReadWriteOnly",
     [] {
       return with("/dev/null", O_WRONLY, [](int fd) {
         char c;
         return sys(SYS_read, fd, &c, 1);
       });
     },
     EBADF},
    {"ReadDirectory",
     [] {
       return with("/tmp", O_RDONLY, [](int fd) {
         char c;
         return sys(SYS_read, fd, &c, 1);
       });
     },
     EISDIR},
    {"ReadBadPointer",
     [] { return with("/dev/zero", O_RDONLY, [](int fd) { return sys(SYS_read, fd, kNowhere, 1); }); }, EFAULT},
    {"ReadKernelPointer",
     [] { return with("/dev/zero", O_RDONLY, [](int fd) { return sys(SYS_read, fd, kKernel, 1); }); }, EFAULT},
    {"ReadEmptyPipe",
     [] {
       return with_pipe([](int r, int) {
         char c;
         return sys(SYS_read, r, &c, 1);
       });
     },
     EAGAIN},
    {"WriteClosed", [] { return sys(SYS_write, 999, "x", 1); }, EBADF},
    {"WriteReadOnly", [] { return with("/dev/null", O_RDONLY, [](int fd) { return sys(SYS_write, fd, "x", 1); }); },
     EBADF},
    {"WriteBadPointer", [] { return with_pipe([](int, int w) { return sys(SYS_write, w, kNowhere, 1); }); }, EFAULT},
    {"WriteFull", [] { return with("/dev/full", O_WRONLY, [](int fd) { return sys(SYS_write, fd, "x", 1); }); },
     ENOSPC},
    {"ReadvTooMany",
     [] {
       iovec v[1];
       return with("/dev/zero", O_RDONLY, [&](int fd) { return sys(SYS_readv, fd, v, 1025); });
     },
     EINVAL},
    {"ReadvNegativeLength",
     [] {
       iovec v = {nullptr, SIZE_MAX};
       return with("/dev/zero", O_RDONLY, [&](int fd) { return sys(SYS_readv, fd, &v, 1); });
     },
     EINVAL},
    {"ReadvBadVector",
     [] { return with("/dev/zero", O_RDONLY, [](int fd) { return sys(SYS_readv, fd, kNowhere, 1); }); }, EFAULT},
    {"PreadPipe",
     [] {
       return with_pipe([](int r, int) {
         char c;
         return sys(SYS_pread64, r, &c, 1, 0L);
       });
     },
     ESPIPE},
    {"PreadNegative",
     [] {
       return with("/dev/zero", O_RDONLY, [](int fd) {
         char c;
         return sys(SYS_pread64, fd, &c, 1, -1L);
       });
     },
     EINVAL},
    {"PwritePipe", [] { return with_pipe([](int, int w) { return sys(SYS_pwrite64, w, "x", 1, 0L); }); }, ESPIPE},
    {"Preadv2Flags",
     [] {
       char c;
       iovec v = {&c, 1};
       return with("/tmp", O_TMPFILE | O_RDWR, [&](int fd) { return sys(SYS_preadv2, fd, &v, 1, 0L, 0L, 0x40000000); });
     },
     EOPNOTSUPP},
    {"LseekClosed", [] { return sys(SYS_lseek, 999, 0L, SEEK_SET); }, EBADF},
    {"LseekPipe", [] { return with_pipe([](int r, int) { return sys(SYS_lseek, r, 0L, SEEK_SET); }); }, ESPIPE},
    {"CloseClosed", [] { return sys(SYS_close, 999); }, EBADF},
    {"CloseRangeBackwards", [] { return sys(SYS_close_range, 500u, 499u, 0u); }, EINVAL},
    {"CloseRangeFlags", [] { return sys(SYS_close_range, 500u, 501u, 8u); }, EINVAL},
    {"DupClosed", [] { return sys(SYS_dup, 999); }, EBADF},
    {"Dup2Closed", [] { return sys(SYS_dup2, 999, 5); }, EBADF},
    {"Dup2Same", [] { return sys(SYS_dup2, 999, 999); }, EBADF},
    {"Dup2OutOfRange", [] { return sys(SYS_dup2, 0, 1 << 30); }, EBADF},
    {"Dup3Same", [] { return sys(SYS_dup3, 0, 0, 0); }, EINVAL},
    {"Dup3Flags", [] { return sys(SYS_dup3, 0, 500, 1); }, EINVAL},
    {"FcntlClosed", [] { return sys(SYS_fcntl, 999, F_GETFD); }, EBADF},
    {"FcntlCommand", [] { return sys(SYS_fcntl, 0, 9999); }, EINVAL},
    {"FcntlDupTooHigh", [] { return sys(SYS_fcntl, 0, F_DUPFD, 1 << 30); }, EINVAL},
    {"FcntlPipeSizeOfFile",
     [] { return with("/tmp", O_TMPFILE | O_RDWR, [](int fd) { return sys(SYS_fcntl, fd, F_GETPIPE_SZ); }); }, EBADF},
    {"PipeBadPointer", [] { return sys(SYS_pipe, kNowhere); }, EFAULT},
    {"Pipe2Flags",
     [] {
       int fds[2];
       return sys(SYS_pipe2, fds, 1);
     },
     EINVAL},
    {"IoctlClosed", [] { return sys(SYS_ioctl, 999, 0, 0); }, EBADF},
    {"IoctlNotTerminal",
     [] {
       char c[64];
       return with("/dev/null", O_RDONLY, [&](int fd) { return sys(SYS_ioctl, fd, 0x5401, c); });
     },
     ENOTTY},
    {"FsyncClosed", [] { return sys(SYS_fsync, 999); }, EBADF},
    {"FsyncPipe", [] { return with_pipe([](int r, int) { return sys(SYS_fsync, r); }); }, EINVAL},
    {"FtruncateNegative",
     [] { return with("/tmp", O_TMPFILE | O_RDWR, [](int fd) { return sys(SYS_ftruncate, fd, -1L); }); }, EINVAL},
    {"FtruncateReadOnly", [] { return with("/tmp", O_RDONLY, [](int fd) { return sys(SYS_ftruncate, fd, 0L); }); },
     EINVAL},
    {"FallocateNothing",
     [] { return with("/tmp", O_TMPFILE | O_RDWR, [](int fd) { return sys(SYS_fallocate, fd, 0, 0L, 0L); }); }, EINVAL},
    {"FallocatePipe", [] { return with_pipe([](int, int w) { return sys(SYS_fallocate, w, 0, 0L, 1L); }); }, ESPIPE},
    {"SendfileClosed", [] { return sys(SYS_sendfile, 999, 998, nullptr, 1L); }, EBADF},
    {"FadviseAdvice",
     [] { return with("/tmp", O_TMPFILE | O_RDWR, [](int fd) { return sys(SYS_fadvise64, fd, 0L, 0L, 77); }); },
     EINVAL},
    {"FadvisePipe", [] { return with_pipe([](int r, int) { return sys(SYS_fadvise64, r, 0L, 0L, 0); }); }, ESPIPE},
    {"MemfdFlags", [] { return sys(SYS_memfd_create, "x", 0x8000u); }, EINVAL},
    {"MemfdLongName",
     [] {
       static const std::string name(250, 'x');
       return sys(SYS_memfd_create, name.c_str(), 0u);
     },
     EINVAL},
    {"MemfdBadPointer", [] { return sys(SYS_memfd_create, kNowhere, 0u); }, EFAULT},
};
REFUSALS(Io, kRefusals);

class Io : public InDirectory {};

TEST_F(Io, AppendGoesToTheEnd) {
  write_file("f", "abc");
  int fd = open("f", O_WRONLY | O_APPEND);
  EXPECT_EQ(write(fd, "d", 1), 1);
  EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
  EXPECT_EQ(write(fd, "e", 1), 1);
  close(fd);
  EXPECT_EQ(read_file("f"), "abcde");
}
TEST_F(Io, VectorsInOrder) {
  int fd = open("f", O_RDWR | O_CREAT, 0600);
  char a[] = "ab", b[] = "cde";
  iovec out[] = {{a, 2}, {nullptr, 0}, {b, 3}};
  EXPECT_EQ(writev(fd, out, 3), 5);
  char c[3] = {}, d[3] = {};
  iovec in[] = {{c, 2}, {d, 2}};
  EXPECT_EQ(preadv(fd, in, 2, 1), 4);
  EXPECT_STREQ(c, "bc");
  EXPECT_STREQ(d, "de");
  close(fd);
}
TEST_F(Io, PwriteLeavesPosition) {
  int fd = open("f", O_RDWR | O_CREAT, 0600);
  EXPECT_EQ(pwrite(fd, "xyz", 3, 5), 3);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
  close(fd);
  EXPECT_EQ(read_file("f"), std::string("\0\0\0\0\0xyz", 8));
}
TEST_F(Io, PartlyBadBufferMovesTheGoodPart) {
  int fd = open("/dev/zero", O_RDONLY);
  const long page = sysconf(_SC_PAGESIZE);
  const auto size = static_cast<size_t>(page);
  char* memory =
      static_cast<char*>(mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_EQ(munmap(memory + page, size), 0);
  EXPECT_EQ(read(fd, memory + page - 10, 20), 10);
  munmap(memory, size);
  close(fd);
}
TEST_F(Io, DuplicatesShareThePosition) {
  write_file("f", "abcdef");
  int fd = open("f", O_RDONLY), copy = dup(fd);
  char c;
  EXPECT_EQ(read(fd, &c, 1), 1);
  EXPECT_EQ(read(copy, &c, 1), 1);
  EXPECT_EQ(c, 'b');
  EXPECT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  EXPECT_TRUE(fcntl(copy, F_GETFL) & O_NONBLOCK);
  EXPECT_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
  EXPECT_EQ(fcntl(copy, F_GETFD), 0);
  close(fd);
  close(copy);
}
TEST_F(Io, DupTakesTheLowestFree) {
  int a = dup(0), b = dup(0);
  close(a);
  EXPECT_EQ(dup(0), a);
  EXPECT_EQ(fcntl(0, F_DUPFD, 100), 100);
  EXPECT_EQ(fcntl(0, F_DUPFD_CLOEXEC, 100), 101);
  EXPECT_EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
  for (int fd : {a, b, 100, 101}) close(fd);
}
TEST_F(Io, DescriptorLimit) {
  EXPECT_CHILD([] {
    rlimit limit = {16, 16};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int last = -1;
    while (true) {
      int fd = dup(0);
      if (fd < 0) break;
      last = fd;
    }
    REQUIRE(errno == EMFILE && last == 15);
    int fds[2];
    REQUIRE(pipe(fds) == -1 && errno == EMFILE);
    REQUIRE(dup2(0, 16) == -1 && errno == EBADF);
    return 0;
  });
}
TEST_F(Io, CloseRangeClosesAndMarks) {
  for (int fd = 100; fd < 105; ++fd) ASSERT_EQ(dup2(0, fd), fd);
  ASSERT_EQ(sys(SYS_close_range, 101u, 102u, 0u), 0);
  EXPECT_EQ(fcntl(101, F_GETFD), -1);
  EXPECT_EQ(fcntl(100, F_GETFD), 0);
  ASSERT_EQ(sys(SYS_close_range, 103u, ~0u, 4u), 0);
  EXPECT_EQ(fcntl(103, F_GETFD), FD_CLOEXEC);
  sys(SYS_close_range, 100u, 105u, 0u);
}
TEST_F(Io, PipeKeepsOrderAndEnds) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  ASSERT_EQ(write(fds[1], "abc", 3), 3);
  close(fds[1]);
  char buffer[8];
  EXPECT_EQ(read(fds[0], buffer, 2), 2);
  EXPECT_EQ(read(fds[0], buffer, 8), 1);
  EXPECT_EQ(read(fds[0], buffer, 8), 0);
  close(fds[0]);
}
TEST_F(Io, PipeIsOpenedAgainWithoutWaiting) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string again = "/proc/self/fd/" + std::to_string(ends[0]);
  ASSERT_EQ(write(ends[1], "ab", 2), 2);
  close(ends[1]);  // no writer is left
  int reader = open(again.c_str(), O_RDONLY);
  ASSERT_GE(reader, 0);
  char c = 0;
  EXPECT_EQ(read(reader, &c, 1), 1);
  EXPECT_EQ(c, 'a');
  int writer = open(again.c_str(), O_WRONLY);
  ASSERT_GE(writer, 0);
  EXPECT_EQ(write(writer, "c", 1), 1);
  close(writer);
  char rest[4] = {};
  EXPECT_EQ(read(ends[0], rest, sizeof rest), 2);
  EXPECT_STREQ(rest, "bc");
  EXPECT_EQ(read(ends[0], rest, sizeof rest), 0);
  close(reader);
  close(ends[0]);
}
TEST_F(Io, PipeWithoutReaderKills) {
  int status = in_child([] {
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    close(fds[0]);
    (void)!write(fds[1], "x", 1);
    return 1;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGPIPE);
}
TEST_F(Io, PipeHoldsSixteenPages) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_NONBLOCK), 0);
  std::vector<char> data(100'000, 'x');
  EXPECT_EQ(write(fds[1], data.data(), data.size()), 65536);
  EXPECT_EQ(write(fds[1], data.data(), 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(fcntl(fds[0], F_GETPIPE_SZ), 65536);
  close(fds[0]);
  close(fds[1]);
}
TEST_F(Io, PipeSizeCanBeChanged) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_NONBLOCK), 0);
  EXPECT_EQ(fcntl(fds[1], F_SETPIPE_SZ, 5000), 8192);
  std::vector<char> data(8192, 'x');
  EXPECT_EQ(write(fds[1], data.data(), data.size()), 8192);
  EXPECT_EQ(fcntl(fds[1], F_SETPIPE_SZ, 4096), -1);
  EXPECT_EQ(errno, EBUSY);
  EXPECT_EQ(fcntl(fds[1], F_SETPIPE_SZ, 16384), 16384);
  EXPECT_EQ(read(fds[0], data.data(), data.size()), 8192);
  close(fds[0]);
  close(fds[1]);
}
TEST_F(Io, BlockedReaderIsWoken) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  std::thread writer([&] {
    sleep_ms(20);
    EXPECT_EQ(write(fds[1], "x", 1), 1);
  });
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 1);
  writer.join();
  close(fds[0]);
  close(fds[1]);
}
TEST_F(Io, LongWriteWaitsForTheReader) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  std::thread reader([&] {
    std::vector<char> buffer(50'000);
    size_t total = 0;
    for (ssize_t n; (n = read(fds[0], buffer.data(), buffer.size())) > 0;) total += static_cast<size_t>(n);
    EXPECT_EQ(total, 300'000u);
  });
  std::vector<char> data(300'000, 'x');
  EXPECT_EQ(write(fds[1], data.data(), data.size()), 300'000);
  close(fds[1]);
  reader.join();
  close(fds[0]);
}
TEST_F(Io, FifoWithoutReaderRefusesNonblockingWriter) {
  ASSERT_EQ(mkfifo("p", 0600), 0);
  EXPECT_EQ(open("p", O_WRONLY | O_NONBLOCK), -1);
  EXPECT_EQ(errno, ENXIO);
  int reader = open("p", O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  int writer = open("p", O_WRONLY | O_NONBLOCK);
  ASSERT_GE(writer, 0);
  EXPECT_EQ(write(writer, "x", 1), 1);
  char c;
  EXPECT_EQ(read(reader, &c, 1), 1);
  close(reader);
  close(writer);
}
TEST_F(Io, FifoEndsMeet) {
  ASSERT_EQ(mkfifo("p", 0600), 0);
  std::thread writer([] {
    int fd = open("p", O_WRONLY);
    EXPECT_EQ(write(fd, "hello", 5), 5);
    close(fd);
  });
  EXPECT_EQ(read_file("p"), "hello");
  writer.join();
}
TEST_F(Io, SendfileMovesFromThePosition) {
  write_file("in", "0123456789");
  int in = open("in", O_RDONLY), out = open("out", O_WRONLY | O_CREAT, 0600);
  off_t offset = 4;
  EXPECT_EQ(sendfile(out, in, &offset, 3), 3);
  EXPECT_EQ(offset, 7);
  EXPECT_EQ(lseek(in, 0, SEEK_CUR), 0);
  EXPECT_EQ(sendfile(out, in, nullptr, 2), 2);
  EXPECT_EQ(lseek(in, 0, SEEK_CUR), 2);
  close(in);
  close(out);
  EXPECT_EQ(read_file("out"), "45601");
}
TEST_F(Io, FallocateMakesRoom) {
  int fd = open("f", O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(fallocate(fd, 0, 0, 10000), 0);
  struct stat s;
  fstat(fd, &s);
  EXPECT_EQ(s.st_size, 10000);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000), 0);
  fstat(fd, &s);
  EXPECT_EQ(s.st_size, 10000);
  close(fd);
}
TEST_F(Io, FileSizeLimit) {
  EXPECT_CHILD([] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit = {10, 10};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    int fd = open("f", O_WRONLY | O_CREAT, 0600);
    REQUIRE(write(fd, "0123456789abc", 13) == 10);
    REQUIRE(write(fd, "x", 1) == -1 && errno == EFBIG);
    REQUIRE(ftruncate(fd, 11) == -1 && errno == EFBIG);
    return 0;
  });
}
TEST_F(Io, MemfdIsAFile) {
  int fd = memfd_create("name", MFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(write(fd, "abc", 3), 3);
  struct stat s;
  ASSERT_EQ(fstat(fd, &s), 0);
  EXPECT_EQ(s.st_size, 3);
  EXPECT_EQ(s.st_mode & S_IFMT, static_cast<mode_t>(S_IFREG));
  close(fd);
}

}  // namespace
