// Every system call with hostile arguments, and programs whose files are nonsense. What becomes of the callers does not
// matter; whoever made them must live on, and the kernel must answer.
//
// The numbers come from a fixed seed, so that a failure comes again. The callers are nobody, in namespaces of their own
// where these can be had, and in an empty directory, so that Linux can be asked the same.
#include <elf.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <array>
#include <cstddef>
#include <iterator>
#include <random>

#include "guest.h"

namespace {

// Calls that end or stop the caller by design, or make copies of it that nobody waits for.
bool is_left_out(long number) {
  switch (number) {
    case SYS_exit:
    case SYS_exit_group:
    case SYS_fork:
    case SYS_vfork:
    case SYS_clone:
    case SYS_clone3:
    case SYS_pause:
    case SYS_rt_sigreturn:
    case SYS_rt_sigsuspend:
      return true;
    default:
      return false;
  }
}

class Arguments {
 public:
  explicit Arguments(unsigned seed) : random_(seed) {}
  uint64_t next() {
    static char buffer[4096];
    const std::array<uint64_t, 20> kHostile = {
        0,
        1,
        2,
        7,
        4096,
        ~uint64_t{0},
        static_cast<uint64_t>(-2),
        static_cast<uint64_t>(-100),  // AT_FDCWD
        INT32_MAX,
        static_cast<uint64_t>(INT32_MIN),
        INT64_MAX,
        static_cast<uint64_t>(INT64_MIN),
        0x1000,
        0xdeadbeef000,
        0x7ffffffff000,
        0x7fffffffeffe,
        0x800000000000,
        0xffff800000000000,
        reinterpret_cast<uint64_t>(buffer),
        reinterpret_cast<uint64_t>(buffer) + 4090,
    };
    const uint64_t pick = random_() % 24;
    if (pick < kHostile.size()) return kHostile[pick];
    return pick == 20 ? random_() : pick == 21 ? random_() & 0xff : uint64_t{1} << random_() % 64;
  }

 private:
  std::mt19937_64 random_;
};

// Gives up what could do harm on Linux.
void become_nobody() {
  (void)unshare(CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS | CLONE_FILES | CLONE_FS);
  for (int resource : {RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_MSGQUEUE, RLIMIT_MEMLOCK}) {
    const rlimit none = {0, 0};
    (void)setrlimit(static_cast<__rlimit_resource>(resource), &none);
  }
  if (chroot(".") < 0 || chdir("/") < 0 || setgid(65534) < 0 || setuid(65534) < 0) _exit(100);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  close_range(0, ~0u, 0);
}

// Calls that block are ended by a timer that goes on. So is a caller whose handlers have been changed: by its death.
void make_calls(long number, unsigned seed) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, nullptr);
  itimerval often = {{0, 5'000}, {0, 5'000}};
  setitimer(ITIMER_REAL, &often, nullptr);
  Arguments arguments(seed);
  for (int i = 0; i < 12; ++i) {
    uint64_t a[6];
    for (uint64_t& one : a) one = arguments.next();
    syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  // For those that were left in a state where the handler does not run.
  syscall(SYS_exit_group, 0);
}

class Fuzz : public InDirectory, public testing::WithParamInterface<long> {};

constexpr long kStep = 46, kEnd = 461;

// Process 1 of a namespace, where there is one: what the caller leaves behind ends with it.
int call_as_nobody(long number) {
  pid_t worker = fork();
  if (worker == 0) {
    become_nobody();
    make_calls(number, static_cast<unsigned>(number) * 7919);
  }
  for (int64_t end = now_ms() + 1000; now_ms() < end; sleep_ms(1)) {
    int status;
    if (waitpid(worker, &status, WNOHANG) == worker && !WIFSTOPPED(status)) return 0;
  }
  kill(worker, SIGKILL);
  waitpid(worker, nullptr, 0);
  return 0;
}

TEST_P(Fuzz, KernelSurvives) {
  for (long number = GetParam(); number < std::min(GetParam() + kStep, kEnd); ++number) {
    if (is_left_out(number)) continue;
    SCOPED_TRACE(number);
    EXPECT_CHILD([number] {
      (void)unshare(CLONE_NEWPID);
      const int status = in_child([number] { return call_as_nobody(number); });
      REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
      return 0;
    });
  }
}
INSTANTIATE_TEST_SUITE_P(Calls, Fuzz, testing::Range(0L, kEnd, kStep),
                         [](const testing::TestParamInfo<long>& one) { return "From" + std::to_string(one.param); });

// --- programs

// A program of one page that ends with status 42, with the segments that a loader looks at.
struct Program {
  Elf64_Ehdr header = {};
  Elf64_Phdr segments[4] = {};
  char interpreter[16] = "/no/loader";
  unsigned char code[16] = {0xb8, 0x3c, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05};  // exit(42)
};

Program make_program() {
  constexpr uint64_t kAddress = 0x400000;
  Program program;
  Elf64_Ehdr& h = program.header;
  memcpy(h.e_ident, ELFMAG, SELFMAG);
  h.e_ident[EI_CLASS] = ELFCLASS64;
  h.e_ident[EI_DATA] = ELFDATA2LSB;
  h.e_ident[EI_VERSION] = EV_CURRENT;
  h.e_type = ET_EXEC;
  h.e_machine = EM_X86_64;
  h.e_version = EV_CURRENT;
  h.e_entry = kAddress + offsetof(Program, code);
  h.e_phoff = offsetof(Program, segments);
  h.e_ehsize = sizeof h;
  h.e_phentsize = sizeof(Elf64_Phdr);
  h.e_phnum = 4;
  program.segments[0] = {PT_LOAD, PF_R | PF_X, 0, kAddress, kAddress, sizeof program, sizeof program, 4096};
  program.segments[1] = {PT_LOAD, PF_R | PF_W, 0, kAddress + 0x10000, 0, 64, 0x3000, 4096};
  program.segments[2] = {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16};
  program.segments[3] = {PT_NOTE, PF_R, offsetof(Program, interpreter), 0, 0, 16, 16, 1};
  return program;
}

class Mangled : public InDirectory {
 protected:
  // The status that executing it ends with, as wait(2) gives it; 111 when that is refused.
  static int run(const void* bytes, size_t size) {
    const int fd = open("p", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    EXPECT_EQ(write(fd, bytes, size), static_cast<ssize_t>(size));
    close(fd);
    const pid_t pid = vfork();
    if (pid == 0) {
      const rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      char* arguments[] = {const_cast<char*>("p"), nullptr};
      alarm(2);  // it may do anything, also nothing for ever
      execve("p", arguments, nullptr);
      _exit(111);
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return status;
  }
};

TEST_F(Mangled, AsItIsItRuns) {
  const Program program = make_program();
  const int status = run(&program, sizeof program);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(Mangled, KernelSurvivesPrograms) {
  std::mt19937_64 random(20221);
  const uint64_t kHostile[] = {0,
                               1,
                               4095,
                               4096,
                               INT32_MAX,
                               UINT32_MAX,
                               INT64_MAX,
                               ~uint64_t{0},
                               ~uint64_t{4095},
                               0x7ffffffff000,
                               0x800000000000,
                               0xffff800000000000};
  for (int round = 0; round < 1500; ++round) {
    Program program = make_program();
    auto* bytes = reinterpret_cast<unsigned char*>(&program);
    if (random() % 4 == 0) program.segments[3].p_type = PT_INTERP;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t headers = offsetof(Program, interpreter);
      if (random() % 2 == 0) {
        // A field as a whole.
        const size_t at = random() % (headers / 8) * 8;
        memcpy(bytes + at, &kHostile[random() % std::size(kHostile)], 8);
      } else {
        bytes[random() % headers] = static_cast<unsigned char>(random());
      }
    }
    const size_t size = random() % 8 == 0 ? random() % sizeof program : sizeof program;
    run(bytes, size);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST_F(Mangled, KernelSurvivesScripts) {
  std::mt19937_64 random(20222);
  for (int round = 0; round < 300; ++round) {
    std::string text = "#!";
    for (uint64_t left = random() % 300; left > 0; --left)
      text += random() % 3 == 0 ? "/. \t\n#!"[random() % 7] : static_cast<char>(random());
    run(text.data(), text.size());
    if (HasFailure()) FAIL() << "round " << round;
  }
}

}  // namespace
