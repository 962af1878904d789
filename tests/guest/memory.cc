// Memory: mmap(2), mprotect(2), munmap(2), mremap(2), brk(2), madvise(2), seals of memfds, process_vm_readv(2).
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "guest.h"

namespace {

const size_t kPage = 4096;

char* map(size_t size, int protection = PROT_READ | PROT_WRITE, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1) {
  void* address = mmap(nullptr, size, protection, flags, fd, 0);
  EXPECT_NE(address, MAP_FAILED) << strerror(errno);
  return static_cast<char*>(address);
}

constexpr int kDontUnmap = 4;  // MREMAP_DONTUNMAP of Linux 5.7

const Refusal kRefusals[] = {
    {"MmapNothing", [] { return sys(SYS_mmap, 0L, 0L, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L); }, EINVAL},
    {"MmapNoType", [] { return sys(SYS_mmap, 0L, kPage, PROT_READ, MAP_ANONYMOUS, -1, 0L); }, EINVAL},
    {"MmapClosed", [] { return sys(SYS_mmap, 0L, kPage, PROT_READ, MAP_PRIVATE, 999, 0L); }, EBADF},
    {"MmapOddOffset", [] { return sys(SYS_mmap, 0L, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1L); }, EINVAL},
    {"MmapFixedOddAddress",
     [] { return sys(SYS_mmap, 0x10001L, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L); }, EINVAL},
    {"MmapFixedBeyondTheEnd",
     [] {
       return sys(SYS_mmap, 0x7ffffffff000L, 2 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L);
     },
     ENOMEM},
    {"MmapHuge", [] { return sys(SYS_mmap, 0L, ~0xfffUL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L); }, ENOMEM},
    {"MmapDirectory",
     [] {
       int fd = open("/tmp", O_RDONLY | O_CLOEXEC);
       long result = sys(SYS_mmap, 0L, kPage, PROT_READ, MAP_PRIVATE, fd, 0L);
       int error = errno;
       close(fd);
       errno = error;
       return result;
     },
     ENODEV},
    {"MunmapOddAddress", [] { return sys(SYS_munmap, 1L, kPage); }, EINVAL},
    {"MunmapNothing", [] { return sys(SYS_munmap, 0L, 0L); }, EINVAL},
    {"MprotectOddAddress", [] { return sys(SYS_mprotect, 1L, kPage, PROT_READ); }, EINVAL},
    {"MprotectUnmapped", [] { return sys(SYS_mprotect, 0x10000L, kPage, PROT_READ); }, ENOMEM},
    {"MprotectProtection", [] { return sys(SYS_mprotect, 0L, kPage, 0x100); }, EINVAL},
    {"MremapUnmapped", [] { return sys(SYS_mremap, 0x10000L, kPage, 2 * kPage, 0, 0L); }, EFAULT},
    {"MremapFlags", [] { return sys(SYS_mremap, 0x10000L, kPage, 2 * kPage, 0x100, 0L); }, EINVAL},
    {"MremapFixedAlone", [] { return sys(SYS_mremap, 0x10000L, kPage, 2 * kPage, MREMAP_FIXED, 0x20000L); }, EINVAL},
    {"MremapKeepsInPlace", [] { return sys(SYS_mremap, 0x10000L, kPage, kPage, kDontUnmap, 0L); }, EINVAL},
    {"MremapKeepsAndGrows", [] { return sys(SYS_mremap, 0x10000L, kPage, 2 * kPage, kDontUnmap | MREMAP_MAYMOVE, 0L); },
     EINVAL},
    {"MremapToNothing", [] { return sys(SYS_mremap, 0x10000L, kPage, 0L, 0, 0L); }, EINVAL},
    {"MadviseAdvice", [] { return sys(SYS_madvise, 0L, kPage, 999); }, EINVAL},
    {"MadviseOddAddress", [] { return sys(SYS_madvise, 1L, kPage, MADV_DONTNEED); }, EINVAL},
    {"MadviseUnmapped", [] { return sys(SYS_madvise, 0x10000L, kPage, MADV_DONTNEED); }, ENOMEM},
    {"MsyncFlags", [] { return sys(SYS_msync, 0L, kPage, MS_SYNC | MS_ASYNC); }, EINVAL},
    {"MsyncUnmapped", [] { return sys(SYS_msync, 0x10000L, kPage, MS_SYNC); }, ENOMEM},
    {"MincoreOddAddress",
     [] {
       char c;
       return sys(SYS_mincore, 1L, kPage, &c);
     },
     EINVAL},
    {"MincoreUnmapped",
     [] {
       char c;
       return sys(SYS_mincore, 0x10000L, kPage, &c);
     },
     ENOMEM},
    {"MlockUnmapped", [] { return sys(SYS_mlock, 0x10000L, kPage); }, ENOMEM},
    {"Mlock2Flags", [] { return sys(SYS_mlock2, 0L, kPage, 8); }, EINVAL},
    {"MlockallFlags", [] { return sys(SYS_mlockall, 0); }, EINVAL},
    {"ProcessVmFlags", [] { return sys(SYS_process_vm_readv, getpid(), nullptr, 0L, nullptr, 0L, 1L); }, EINVAL},
    {"ProcessVmNobody",
     [] {
       char c;
       iovec v = {&c, 1};
       return sys(SYS_process_vm_readv, 1 << 22, &v, 1L, &v, 1L, 0L);
     },
     ESRCH},
    {"ProcessVmUnmapped",
     [] {
       char c;
       iovec local = {&c, 1}, remote = {kNowhere, 1};
       return sys(SYS_process_vm_readv, getpid(), &local, 1L, &remote, 1L, 0L);
     },
     EFAULT},
    {"SealsOfPipe",
     [] {
       int fds[2];
       EXPECT_EQ(pipe(fds), 0);
       long result = sys(SYS_fcntl, fds[0], F_GET_SEALS);
       int error = errno;
       close(fds[0]);
       close(fds[1]);
       errno = error;
       return result;
     },
     EINVAL},
};
REFUSALS(Memory, kRefusals);

sigjmp_buf back;
siginfo_t fault;
void on_fault(int, siginfo_t* info, void*) {
  fault = *info;
  siglongjmp(back, 1);
}
// The signal that an access causes; 0: none.
template <typename Access>
int signal_of(Access access) {
  struct sigaction action = {}, old_segv, old_bus;
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
  fault = {};
  if (sigsetjmp(back, 1) == 0) access();
  sigaction(SIGSEGV, &old_segv, nullptr);
  sigaction(SIGBUS, &old_bus, nullptr);
  return fault.si_signo;
}
void read_byte(const char* address) {
  (void)*static_cast<const volatile char*>(address);
}
void write_byte(char* address) {
  *static_cast<volatile char*>(address) = 1;
}

class Memory : public InDirectory {};

TEST_F(Memory, AnonymousIsZeroed) {
  char* m = map(3 * kPage);
  for (size_t i = 0; i < 3 * kPage; i += 512) EXPECT_EQ(m[i], 0);
  munmap(m, 3 * kPage);
}
TEST_F(Memory, UnmappedFaults) {
  char* m = map(kPage);
  munmap(m, kPage);
  EXPECT_EQ(signal_of([&] { read_byte(m); }), SIGSEGV);
  EXPECT_EQ(fault.si_code, SEGV_MAPERR);
  EXPECT_EQ(fault.si_addr, m);
}
TEST_F(Memory, ProtectedFaults) {
  char* m = map(kPage, PROT_READ);
  EXPECT_EQ(signal_of([&] { read_byte(m); }), 0);
  EXPECT_EQ(signal_of([&] { write_byte(m); }), SIGSEGV);
  EXPECT_EQ(fault.si_code, SEGV_ACCERR);
  ASSERT_EQ(mprotect(m, kPage, PROT_READ | PROT_WRITE), 0);
  EXPECT_EQ(signal_of([&] { write_byte(m); }), 0);
  ASSERT_EQ(mprotect(m, kPage, PROT_NONE), 0);
  EXPECT_EQ(signal_of([&] { read_byte(m); }), SIGSEGV);
  munmap(m, kPage);
}
TEST_F(Memory, HoleInTheMiddle) {
  char* m = map(3 * kPage);
  ASSERT_EQ(munmap(m + kPage, kPage), 0);
  EXPECT_EQ(signal_of([&] { write_byte(m); }), 0);
  EXPECT_EQ(signal_of([&] { write_byte(m + kPage); }), SIGSEGV);
  EXPECT_EQ(signal_of([&] { write_byte(m + 2 * kPage); }), 0);
  // And mprotect stops at it, with what came before done.
  EXPECT_EQ(mprotect(m, 3 * kPage, PROT_READ), -1);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(signal_of([&] { write_byte(m); }), SIGSEGV);
  munmap(m, 3 * kPage);
}
TEST_F(Memory, FixedReplacesAndNoReplaceRefuses) {
  char* m = map(2 * kPage);
  m[0] = 'x';
  EXPECT_EQ(mmap(m, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), MAP_FAILED);
  EXPECT_EQ(errno, EEXIST);
  ASSERT_EQ(mmap(m, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), m);
  EXPECT_EQ(m[0], 0);
  munmap(m, 2 * kPage);
}
TEST_F(Memory, PrivateFileMappingKeepsTheFile) {
  write_file("f", "hello");
  int fd = open("f", O_RDWR);
  char* m = map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  EXPECT_STREQ(m, "hello");
  m[0] = 'j';
  EXPECT_EQ(read_file("f"), "hello");
  EXPECT_STREQ(m, "jello");
  munmap(m, kPage);
  close(fd);
}
TEST_F(Memory, SharedFileMappingIsTheFile) {
  write_file("f", "hello");
  int fd = open("f", O_RDWR);
  char* m = map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  m[0] = 'j';
  EXPECT_EQ(read_file("f"), "jello");
  ASSERT_EQ(pwrite(fd, "c", 1, 0), 1);
  EXPECT_STREQ(m, "cello");
  EXPECT_EQ(msync(m, kPage, MS_SYNC), 0);
  munmap(m, kPage);
  close(fd);
}
TEST_F(Memory, BehindTheEndOfTheFileIsBus) {
  write_file("f", "x");
  int fd = open("f", O_RDWR);
  char* m = map(2 * kPage, PROT_READ, MAP_SHARED, fd);
  EXPECT_EQ(signal_of([&] { read_byte(m + 100); }), 0);
  EXPECT_EQ(signal_of([&] { read_byte(m + kPage); }), SIGBUS);
  EXPECT_EQ(fault.si_code, BUS_ADRERR);
  munmap(m, 2 * kPage);
  close(fd);
}
TEST_F(Memory, SharedMappingOfReadOnlyFile) {
  write_file("f", "x");
  int fd = open("f", O_RDONLY);
  EXPECT_EQ(mmap(nullptr, kPage, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
  char* m = map(kPage, PROT_READ, MAP_SHARED, fd);
  EXPECT_EQ(mprotect(m, kPage, PROT_READ | PROT_WRITE), -1);
  EXPECT_EQ(errno, EACCES);
  munmap(m, kPage);
  close(fd);
}
TEST_F(Memory, ForkCopiesPrivateAndSharesShared) {
  char *mine = map(kPage), *ours = map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  mine[0] = ours[0] = 'a';
  EXPECT_CHILD([&] {
    REQUIRE(mine[0] == 'a' && ours[0] == 'a');
    mine[0] = ours[0] = 'b';
    return 0;
  });
  EXPECT_EQ(mine[0], 'a');
  EXPECT_EQ(ours[0], 'b');
  munmap(mine, kPage);
  munmap(ours, kPage);
}
TEST_F(Memory, RemapGrowsMovesAndKeepsContent) {
  char* m = map(kPage);
  m[0] = 'x';
  char* moved = static_cast<char*>(mremap(m, kPage, 8 * kPage, MREMAP_MAYMOVE));
  ASSERT_NE(moved, MAP_FAILED);
  EXPECT_EQ(moved[0], 'x');
  EXPECT_EQ(moved[7 * kPage], 0);
  ASSERT_EQ(mremap(moved, 8 * kPage, kPage, 0), moved);
  EXPECT_EQ(signal_of([&] { read_byte(moved + kPage); }), SIGSEGV);
  munmap(moved, kPage);
}
TEST_F(Memory, DontneedZeroes) {
  char* m = map(2 * kPage);
  m[0] = m[kPage] = 'x';
  ASSERT_EQ(madvise(m, kPage, MADV_DONTNEED), 0);
  EXPECT_EQ(m[0], 0);
  EXPECT_EQ(m[kPage], 'x');
  munmap(m, 2 * kPage);
}
TEST_F(Memory, BrkGrowsAndShrinks) {
  const long start = sys(SYS_brk, 0L);
  ASSERT_EQ(sys(SYS_brk, start + 0x10000), start + 0x10000);
  *reinterpret_cast<char*>(start + 0xfff0) = 'x';
  EXPECT_EQ(sys(SYS_brk, start), start);
  EXPECT_EQ(sys(SYS_brk, 1L), start);  // not below where it began
}
TEST_F(Memory, KernelReadsOnlyWhatTheProgramMay) {
  char* m = map(kPage, PROT_NONE);
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  EXPECT_EQ(write(fds[1], m, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  ASSERT_EQ(mprotect(m, kPage, PROT_READ), 0);
  EXPECT_EQ(write(fds[1], m, 1), 1);
  EXPECT_EQ(read(fds[0], m, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  munmap(m, kPage);
  close(fds[0]);
  close(fds[1]);
}
TEST_F(Memory, SealsHold) {
  int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
  ASSERT_EQ(fcntl(fd, F_GET_SEALS), 0);
  ASSERT_EQ(write(fd, "abc", 3), 3);
  ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  EXPECT_EQ(ftruncate(fd, 1), -1);
  EXPECT_EQ(errno, EPERM);
  ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
  EXPECT_EQ(pwrite(fd, "abcdef", 6, 0), -1);
  EXPECT_EQ(ftruncate(fd, 100), -1);
  // Not while it can be written to through a mapping, of this process or a child.
  char* shared = map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EBUSY);
  ASSERT_EQ(mprotect(shared, kPage, PROT_READ), 0);
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EBUSY);
  EXPECT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
  munmap(shared, kPage);
  char* mine = map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
  munmap(mine, kPage);
  EXPECT_EQ(pwrite(fd, "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  EXPECT_EQ(errno, EPERM);
  char* m = map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  m[0] = 'z';
  munmap(m, kPage);
  ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), -1);
  EXPECT_EQ(errno, EPERM);
  close(fd);
  fd = memfd_create("plain", 0);
  EXPECT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
  close(fd);
}
TEST_F(Memory, ProcessVmReadsAndWritesAnother) {
  char* m = map(kPage);
  strcpy(m, "parent");
  pid_t child = fork();
  if (child == 0) {
    strcpy(m, "child!");
    sleep_ms(10'000);
    _exit(0);
  }
  char buffer[8] = {};
  iovec local = {buffer, 6}, remote = {m, 6};
  EXPECT_TRUE(eventually(
      [&] { return process_vm_readv(child, &local, 1, &remote, 1, 0) == 6 && std::string(buffer) == "child!"; }));
  memcpy(buffer, "change", 6);
  EXPECT_EQ(process_vm_writev(child, &local, 1, &remote, 1, 0), 6);
  memset(buffer, 0, sizeof buffer);
  EXPECT_EQ(process_vm_readv(child, &local, 1, &remote, 1, 0), 6);
  EXPECT_STREQ(buffer, "change");
  EXPECT_STREQ(m, "parent");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  munmap(m, kPage);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winfinite-recursion"
[[gnu::noinline]] int overflow(int depth) {
  volatile char frame[2048];
  frame[0] = static_cast<char>(depth);
  return overflow(depth + 1) + frame[0];
}
#pragma GCC diagnostic pop
TEST(Stack, EndsAtItsLimit) {
  const int status = in_child([] {
    const rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    return overflow(0);
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
}
TEST(Stack, GrowsWhenItMay) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
  if (limit.rlim_max < 16 << 20) GTEST_SKIP() << "the hard limit of stacks is too low";
  EXPECT_CHILD([&] {
    limit.rlim_cur = 16 << 20;
    REQUIRE(setrlimit(RLIMIT_STACK, &limit) == 0);
    volatile char* below = static_cast<char*>(__builtin_frame_address(0));
    for (size_t used = 0; used < 12 << 20; used += 65536) *(below - used - 65536) = 1;
    return 0;
  });
}

TEST_F(Memory, MremapLeavesAnEmptyMapping) {
  char* m = static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(m, MAP_FAILED);
  m[0] = 'a';
  m[kPage] = 'b';
  // The C library does not know that it takes an address with this flag too.
  auto* moved = reinterpret_cast<char*>(sys(SYS_mremap, m, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | kDontUnmap, nullptr));
  ASSERT_NE(moved, MAP_FAILED);
  EXPECT_NE(moved, m);
  EXPECT_EQ(moved[0], 'a');
  EXPECT_EQ(moved[kPage], 'b');
  EXPECT_EQ(m[0], 0);
  EXPECT_EQ(m[kPage], 0);
  m[kPage] = 'c';
  EXPECT_EQ(moved[kPage], 'b');
  // To a place of one's own choice, and again.
  char* place = static_cast<char*>(mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_EQ(mremap(m + kPage, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap, place), place);
  EXPECT_EQ(place[0], 'c');
  EXPECT_EQ(m[kPage], 0);
  EXPECT_EQ(munmap(place, kPage), 0);
  EXPECT_EQ(munmap(m, 2 * kPage), 0);
  EXPECT_EQ(munmap(moved, 2 * kPage), 0);
}

// --- files that become shorter

bool faults_at(volatile char* address) {
  const int status = in_child([address] { return static_cast<int>(*address) & 0; });
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

TEST_F(InDirectory, TruncatedPagesAreGone) {
  const int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(ftruncate(fd, 4 * kPage), 0);
  auto* shared = static_cast<char*>(mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  auto* own = static_cast<char*>(mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  memset(shared, 'x', 4 * kPage);
  own[2 * kPage] = 'y';
  EXPECT_EQ(own[3 * kPage], 'x');
  ASSERT_EQ(ftruncate(fd, kPage + 10), 0);
  EXPECT_EQ(shared[kPage + 9], 'x');
  EXPECT_EQ(shared[kPage + 10], 0);
  for (char* mapped : {shared, own}) {
    EXPECT_FALSE(faults_at(mapped + kPage));
    EXPECT_TRUE(faults_at(mapped + 2 * kPage));
    EXPECT_TRUE(faults_at(mapped + 3 * kPage));
  }
  char byte;
  EXPECT_EQ(sys(SYS_write, open("g", O_RDWR | O_CREAT | O_CLOEXEC, 0600), shared + 2 * kPage, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  ASSERT_EQ(ftruncate(fd, 4 * kPage), 0);
  EXPECT_EQ(shared[2 * kPage], 0);
  EXPECT_EQ(own[2 * kPage], 0);
  shared[3 * kPage] = 'z';
  EXPECT_EQ(pread(fd, &byte, 1, 3 * kPage), 1);
  EXPECT_EQ(byte, 'z');
}

TEST_F(InDirectory, TruncatedPagesOfOthersAreGone) {
  const int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(ftruncate(fd, 2 * kPage), 0);
  auto* shared = static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  shared[kPage] = 'x';
  // One that does nothing else than to read them.
  const pid_t reader = fork();
  if (reader == 0) {
    while (*static_cast<volatile char*>(shared + kPage) != 'y') {
    }
    _exit(0);
  }
  sleep_ms(5);
  ASSERT_EQ(truncate("f", 0), 0);
  int status = -1;
  ASSERT_EQ(waitpid(reader, &status, 0), reader);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) << status;
  EXPECT_TRUE(faults_at(shared));
  close(open("f", O_WRONLY | O_TRUNC | O_CLOEXEC));
  ASSERT_EQ(munmap(shared, 2 * kPage), 0);
}

TEST_F(Memory, ResidentPages) {
  constexpr size_t kPages = 8;
  auto* m =
      static_cast<char*>(mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  m[kPage] = m[4 * kPage] = 1;
  unsigned char seen[kPages] = {};
  ASSERT_EQ(mincore(m, kPages * kPage, seen), 0);
  for (size_t i = 0; i < kPages; ++i) EXPECT_EQ(seen[i] & 1, i == 1 || i == 4) << i;
  ASSERT_EQ(madvise(m + 4 * kPage, kPage, MADV_DONTNEED), 0);
  ASSERT_EQ(mincore(m + 4 * kPage, kPage, seen), 0);
  EXPECT_EQ(seen[0] & 1, 0);
}

TEST_F(InDirectory, RemovedPagesAreZeroes) {
  const int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(ftruncate(fd, 2 * kPage), 0);
  auto* shared = static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  memset(shared, 'x', 2 * kPage);
  ASSERT_EQ(madvise(shared + kPage, kPage, MADV_REMOVE), 0);
  EXPECT_EQ(shared[kPage - 1], 'x');
  EXPECT_EQ(shared[kPage], 0);
  char byte = 1;
  EXPECT_EQ(pread(fd, &byte, 1, kPage), 1);
  EXPECT_EQ(byte, 0);
  auto* own = static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  EXPECT_EQ(madvise(own, kPage, MADV_REMOVE), -1);
  EXPECT_EQ(errno, EACCES);
  auto* anonymous =
      static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT_EQ(madvise(anonymous, kPage, MADV_REMOVE), -1);
  EXPECT_EQ(errno, EINVAL);
  auto* common = static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  common[0] = 'x';
  EXPECT_EQ(madvise(common, kPage, MADV_REMOVE), 0);
  EXPECT_EQ(common[0], 0);
}

// mremap(2), "If the value of old_size is zero".
TEST_F(InDirectory, MappedASecondTime) {
  const int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(ftruncate(fd, 4 * kPage), 0);
  auto* file = static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, kPage));
  auto* anonymous =
      static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (char* first : {file, anonymous}) {
    auto* second = static_cast<char*>(mremap(first + kPage, 0, kPage, MREMAP_MAYMOVE));
    ASSERT_NE(second, MAP_FAILED);
    ASSERT_NE(second, first + kPage);
    first[kPage] = 'a';
    EXPECT_EQ(second[0], 'a');
    second[1] = 'b';
    EXPECT_EQ(first[kPage + 1], 'b');
    ASSERT_EQ(munmap(first, 2 * kPage), 0);
    EXPECT_EQ(second[1], 'b');
    EXPECT_EQ(mremap(second, 0, kPage, 0), MAP_FAILED);
    EXPECT_EQ(errno, ENOMEM);
  }
  char byte = 0;
  EXPECT_EQ(pread(fd, &byte, 1, 2 * kPage + 1), 1);
  EXPECT_EQ(byte, 'b');
  auto* own = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(mremap(own, 0, kPage, MREMAP_MAYMOVE), MAP_FAILED);
  EXPECT_EQ(errno, EINVAL);
}

}  // namespace
