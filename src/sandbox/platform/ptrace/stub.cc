#include "sandbox/platform/ptrace/stub.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/result.h"
#include "sandbox/platform/ptrace/stub_code.h"

namespace cella::sandbox::platform {
namespace {

constexpr uint64_t kTop = 0x7ffffffff000;  // TASK_SIZE_MAX of x86_64 with four levels of page tables
constexpr uint64_t kStep = 1 << 20;
constexpr int kAttempts = 4096;

// The pages go where neither the guest's programs nor our own stack are.
void* reserve(uint64_t size) {
  for (int i = 1; i <= kAttempts; ++i) {
    auto* wanted = reinterpret_cast<void*>(kTop - static_cast<uint64_t>(i) * kStep);
    void* got = ::mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == wanted) return got;
    if (got != MAP_FAILED) ::munmap(got, size);
  }
  return MAP_FAILED;
}

// What stub code asks of the host. Guest code asks for nothing: SYSEMU stops it before.
constexpr sock_filter kFilter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 9, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 8, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 7, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pause, 6, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 5, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 4, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rseq, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 2, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PDEATHSIG, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

struct Template {
  Stub stub;
  pid_t parent;
};

// In the new process: leaves everything behind but the two pages, and pauses. What cannot fail has no check; what does
// fail ends the process, which the kernel finds when it attaches.
int run_template(void* argument) {
  // A copy on our own stack: where the kernel's is, there may be nothing any more before we are done.
  const auto [stub, parent] = *static_cast<const Template*>(argument);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent || ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) < 0) ::_exit(1);
  // What is sent to our process group, by a terminal perhaps, is not for guest code.
  if (::setsid() < 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) ::_exit(1);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // One that arrives while its thread is let go must not end the process.
  ::signal(kInterrupt, SIG_IGN);
  // The C library has told the host where to write at each change of CPU, rseq(2); a fault there would end the process.
  constexpr unsigned kRseqSize = 32;  // as registered: struct rseq of Linux 4.18
  auto* rseq = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  if (__rseq_size != 0 && ::syscall(SYS_rseq, rseq, kRseqSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0) ::_exit(1);
  sock_fprog program = {sizeof kFilter / sizeof kFilter[0], const_cast<sock_filter*>(kFilter)};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) ::_exit(1);
  if (::mprotect(stub.calls, kStubPage, PROT_READ) < 0) ::_exit(1);
  const uint64_t above = stub.base + 2 * kStubPage;
  if (::munmap(reinterpret_cast<void*>(above), kTop - above) < 0) ::_exit(1);
#if defined(__x86_64__)
  // What is below has this code in it, so that the page's own code makes the call, and tells our tracer.
  __asm__ volatile("jmp *%3" ::"a"(SYS_munmap), "D"(uint64_t{0}), "S"(stub.base), "r"(stub.ready) : "memory");
#endif
  __builtin_unreachable();
}

}  // namespace

SysResult<Stub> Stub::make() {
  void* pages = reserve(2 * kStubPage);
  if (pages == MAP_FAILED) return std::unexpected(Errno{errno});
  auto base = reinterpret_cast<uint64_t>(pages);
  std::memcpy(pages, cella_stub_begin, static_cast<size_t>(cella_stub_end - cella_stub_begin));
  if (::mprotect(pages, kStubPage, PROT_READ | PROT_EXEC) < 0) return std::unexpected(Errno{errno});
  auto address = [&](const char* label) { return base + static_cast<uint64_t>(label - cella_stub_begin); };
  return Stub{.base = base,
              .calls = reinterpret_cast<StubCall*>(base + kStubPage),
              .pause = address(cella_stub_pause),
              .batch = address(cella_stub_batch),
              .clone = address(cella_stub_clone),
              .ready = address(cella_stub_ready)};
}

SysResult<pid_t> start_template(const Stub& stub) {
  // On a copy of our memory, but with our table of descriptors, so that it can map what we will open.
  Template argument = {stub, ::getpid()};
  alignas(16) static char stack[16384];
  int pid = ::clone(run_template, stack + sizeof stack, CLONE_FILES | SIGCHLD, &argument);
  if (pid < 0) return std::unexpected(Errno{errno});
  for (int status = 0;;) {
    const pid_t waited = ::waitpid(pid, &status, __WALL);
    if (waited < 0 && errno == EINTR) continue;
    if (waited < 0) return std::unexpected(Errno{errno});
    if (!WIFSTOPPED(status)) return std::unexpected(Errno{ECHILD});
    const int signal = WSTOPSIG(status);
    if (signal == SIGTRAP) break;
    // Its own mistake ends it; what is sent to everybody has come too early.
    const bool is_fault = signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGSYS;
    if (::ptrace(PTRACE_CONT, pid, nullptr, is_fault ? signal : 0) < 0) return std::unexpected(Errno{errno});
  }
  if (::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) < 0) return std::unexpected(Errno{errno});
  return pid;
}

}  // namespace cella::sandbox::platform
