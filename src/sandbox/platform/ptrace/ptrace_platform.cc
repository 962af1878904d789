#include "sandbox/platform/ptrace/ptrace_platform.h"

#include <elf.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "sandbox/core/time.h"
#include "sandbox/platform/ptrace/placement.h"
#include "sandbox/platform/ptrace/stub.h"

namespace cella::sandbox::platform {
namespace {

constexpr int kInterrupt = SIGUSR1;  // never reaches the guest
constexpr int kSysemu = 31;          // PTRACE_SYSEMU, which glibc names for x86 elsewhere
constexpr size_t kMaxXsave = 16384;

Errno last_error() {
  return Errno{errno};
}

long trace(__ptrace_request request, pid_t tid, uint64_t address = 0, const void* data = nullptr) {
  return ::ptrace(request, tid, address, data);
}

// One traced thread of a stub process. It is stopped whenever none of the member functions is at work.
class Tracee {
 public:
  Tracee() = default;
  explicit Tracee(pid_t tid) : tid_(tid) {}
  pid_t tid() const { return tid_; }

  SysResult<void> seize() {
    constexpr uint64_t kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
    if (trace(PTRACE_SEIZE, tid_, 0, reinterpret_cast<void*>(kOptions)) < 0) return std::unexpected(last_error());
    if (trace(PTRACE_INTERRUPT, tid_) < 0) return std::unexpected(last_error());
    return wait() ? SysResult<void>() : std::unexpected(Errno{ESRCH});
  }
  void release() { (void)trace(PTRACE_DETACH, tid_); }

  bool resume(int request) { return trace(static_cast<__ptrace_request>(request), tid_) == 0; }
  // Until it stops; false: it is gone. A reaped one is remembered as such.
  bool wait() {
    for (;;) {
      pid_t waited = ::waitpid(tid_, &status_, __WALL);
      if (waited < 0 && errno == EINTR) continue;
      return waited == tid_ && WIFSTOPPED(status_);
    }
  }
  bool at_syscall() const { return WSTOPSIG(status_) == (SIGTRAP | 0x80); }
  bool at_event() const { return status_ >> 16 != 0; }
  int signal() const { return WSTOPSIG(status_); }

  SysResult<void> read(Registers& registers) const {
    if (trace(PTRACE_GETREGS, tid_, 0, &registers) < 0) return std::unexpected(last_error());
    return {};
  }
  SysResult<void> write(const Registers& registers) const {
    if (trace(PTRACE_SETREGS, tid_, 0, &registers) < 0) return std::unexpected(last_error());
    return {};
  }

  // Runs stub code from registers.rip to its trap. `interrupted` is set when an interrupt came in between.
  SysResult<int64_t> call(Registers registers, bool& interrupted) {
    registers.orig_rax = ~0ul;
    TRY(write(registers));
    for (;;) {
      if (!resume(PTRACE_CONT) || !wait()) return std::unexpected(Errno{ESRCH});
      if (at_event()) continue;
      if (signal() == SIGTRAP) break;
      // Stub code makes no mistakes: it has been driven from outside, or its pages are gone.
      if (signal() != kInterrupt) return std::unexpected(Errno{EFAULT});
      interrupted = true;
    }
    Registers after;
    TRY(read(after));
    auto result = static_cast<int64_t>(after.rax);
    if (result < 0 && result > -4096) return std::unexpected(Errno{static_cast<int>(-result)});
    return result;
  }

 private:
  pid_t tid_ = -1;
  int status_ = 0;
};

class PtracePlatform;

class PtraceSpace final : public AddressSpace {
 public:
  PtraceSpace(const Stub& stub, pid_t pid) : stub_(stub), pid_(pid) {}
  ~PtraceSpace() override {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGKILL);
    int status;
    while (::waitpid(pid_, &status, __WALL) < 0 && errno == EINTR) {
    }
  }

  void map(uint64_t address, uint64_t size, int protection, int fd, uint64_t offset) override {
    queue_.push_back({SYS_mmap,
                      {address, size, static_cast<uint64_t>(protection), MAP_SHARED | MAP_FIXED,
                       static_cast<uint64_t>(fd), offset}});
  }
  void unmap(uint64_t address, uint64_t size) override { queue_.push_back({SYS_munmap, {address, size}}); }
  void protect(uint64_t address, uint64_t size, int protection) override {
    queue_.push_back({SYS_mprotect, {address, size, static_cast<uint64_t>(protection)}});
  }

  pid_t pid() const { return pid_; }
  bool has_changes() const { return !queue_.empty(); }
  bool first_is_taken() const { return first_is_taken_; }
  void take_first() { first_is_taken_ = true; }

  // All queued calls, through a stopped thread of this process. The page of calls is one for all: the kernel lock keeps
  // it ours.
  SysResult<void> flush(Tracee& tracee, bool& interrupted) {
    SysResult<void> result;
    for (size_t start = 0; start < queue_.size(); start += kMaxStubCalls) {
      size_t count = std::min<size_t>(queue_.size() - start, kMaxStubCalls);
      std::memcpy(stub_.calls, &queue_[start], count * sizeof(StubCall));
      Registers registers = {};
      registers.rip = stub_.batch;
      registers.rbx = reinterpret_cast<uint64_t>(stub_.calls);
      registers.r12 = count;
      registers.cs = 0x33;
      registers.ss = 0x2b;
      SysResult<int64_t> done = tracee.call(registers, interrupted);
      if (!done && result) result = std::unexpected(done.error());
    }
    queue_.clear();
    return result;
  }

 private:
  const Stub& stub_;
  pid_t pid_;
  bool first_is_taken_ = false;
  std::vector<StubCall> queue_;
};

class PtraceContext final : public Context {
 public:
  PtraceContext(const Stub& stub, Placement& placement, PtraceSpace& space, pid_t tid)
      : stub_(stub), placement_(placement), space_(space), tracee_(tid) {
    registers_.cs = 0x33;
    registers_.ss = 0x2b;
    registers_.eflags = 0x200;
    registers_.orig_rax = ~0ul;
  }
  ~PtraceContext() override {
    // The thread ends, unless it is the first one of its process, which is what the process is known by.
    if (!attached_ || dead_) return;
    if (tracee_.tid() != space_.pid()) {
      Registers registers = {};
      registers.rip = stub_.clone;  // a system call
      registers.rax = SYS_exit;
      registers.cs = 0x33;
      registers.ss = 0x2b;
      registers.orig_rax = ~0ul;
      (void)tracee_.write(registers);
    } else {
      (void)tracee_.write(paused());
    }
    tracee_.release();
  }

  SysResult<void> attach() override {
    TRY(tracee_.seize());
    attached_ = true;
    cpu_ = placement_.first_cpu();
    Placement::pin(cpu_, tracee_.tid());
    dirty_ = true;
    return {};
  }

  Registers& registers() override { return registers_; }

  SysResult<std::vector<std::byte>> floating_point() override {
    std::vector<std::byte> state(kMaxXsave);
    iovec vector = {state.data(), state.size()};
    if (trace(PTRACE_GETREGSET, tracee_.tid(), NT_X86_XSTATE, &vector) < 0) return std::unexpected(last_error());
    state.resize(vector.iov_len);
    return state;
  }
  SysResult<void> set_floating_point(std::span<const std::byte> state) override {
    iovec vector = {const_cast<std::byte*>(state.data()), state.size()};
    if (trace(PTRACE_SETREGSET, tracee_.tid(), NT_X86_XSTATE, &vector) < 0) return std::unexpected(last_error());
    return {};
  }

  SysResult<void> flush() override {
    if (!space_.has_changes()) return {};
    bool interrupted = false;
    SysResult<void> result = space_.flush(tracee_, interrupted);
    dirty_ = true;
    if (interrupted) interrupted_.store(true, std::memory_order_relaxed);
    return result;
  }

  Stop run() override {
    if (dead_) return {.event = Event::kDead};
    if (interrupted_.exchange(false, std::memory_order_relaxed)) return {};
    place();
    if (!put_registers()) return died();
    placement_.enter(cpu_);
    bool stopped = tracee_.resume(kSysemu) && tracee_.wait();
    placement_.leave(cpu_);
    if (!stopped) return died();
    if (!tracee_.read(registers_)) return died();
    at_stop_ = registers_;
    dirty_ = false;
    if (tracee_.at_syscall()) return {.event = Event::kSyscall};
    if (tracee_.at_event()) return {};
    return signalled();
  }

  void interrupt() override {
    // A thread that is not being traced yet would die of it.
    if (attached_) {
      (void)::tgkill(space_.pid(), tracee_.tid(), kInterrupt);
    } else {
      interrupted_.store(true, std::memory_order_relaxed);
    }
  }

  // A further thread of the same process; it pauses until somebody attaches.
  SysResult<pid_t> clone_thread() {
    constexpr uint64_t kFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    return clone_from(tracee_, kFlags);
  }
  SysResult<pid_t> clone_from(Tracee& tracee, uint64_t flags) {
    Registers registers = {};
    registers.rip = stub_.clone;
    registers.rax = SYS_clone;
    registers.rdi = flags;
    registers.cs = 0x33;
    registers.ss = 0x2b;
    bool interrupted = false;
    int64_t tid = TRY(tracee.call(registers, interrupted));
    dirty_ = true;
    if (interrupted) interrupted_.store(true, std::memory_order_relaxed);
    return static_cast<pid_t>(tid);
  }

 private:
  Registers paused() const {
    Registers registers = {};
    registers.rip = stub_.pause;
    registers.cs = 0x33;
    registers.ss = 0x2b;
    registers.orig_rax = ~0ul;
    return registers;
  }

  // Most system calls change rax alone, which is cheaper than all registers.
  bool put_registers() {
    Registers wanted = registers_;
    wanted.cs = at_stop_.cs != 0 ? at_stop_.cs : wanted.cs;
    if (!dirty_) {
      if (std::memcmp(&registers_, &at_stop_, sizeof registers_) == 0) return true;
      Registers same = at_stop_;
      same.rax = registers_.rax;
      if (std::memcmp(&registers_, &same, sizeof same) == 0) {
        return ::ptrace(PTRACE_POKEUSER, tracee_.tid(), offsetof(user, regs.rax), registers_.rax) == 0;
      }
    }
    wanted.orig_rax = ~0ul;  // the host must not think that a system call is to be restarted
    wanted.cs = 0x33;
    wanted.ss = 0x2b;
    return tracee_.write(wanted).has_value();
  }

  void place() {
    constexpr core::Nanoseconds kPatience = 2'000'000;
    int better = placement_.better_cpu(cpu_);
    if (better == cpu_) {
      crowded_since_ = 0;
      return;
    }
    core::Nanoseconds now = core::now();
    if (crowded_since_ == 0) crowded_since_ = now;
    if (now - crowded_since_ < kPatience) return;
    crowded_since_ = 0;
    cpu_ = better;
    Placement::pin(cpu_, tracee_.tid());
  }

  Stop signalled() {
    Stop stop;
    if (tracee_.signal() == kInterrupt) return stop;
    if (trace(PTRACE_GETSIGINFO, tracee_.tid(), 0, &stop.info) < 0) return died();
    switch (tracee_.signal()) {
      case SIGSEGV:
      case SIGBUS:
        // What the host says of an address that is not canonical, or of a privileged instruction, is SI_KERNEL.
        stop.event = stop.info.si_code == SI_KERNEL ? Event::kException : Event::kFault;
        break;
      case SIGILL:
      case SIGFPE:
      case SIGTRAP:
        stop.event = Event::kException;
        break;
      default:
        break;  // from outside: not the guest's business
    }
    return stop;
  }

  Stop died() {
    dead_ = true;
    return {.event = Event::kDead};
  }

  const Stub& stub_;
  Placement& placement_;
  PtraceSpace& space_;
  Tracee tracee_;
  Registers registers_ = {};
  Registers at_stop_ = {};  // as the host has them while dirty_ is false
  int cpu_ = 0;
  core::Nanoseconds crowded_since_ = 0;
  bool dirty_ = true;
  std::atomic<bool> attached_ = false;
  bool dead_ = false;
  std::atomic<bool> interrupted_ = false;
};

class PtracePlatform final : public Platform {
 public:
  PtracePlatform(const Stub& stub, pid_t template_pid) : stub_(stub), template_(stub_, template_pid) {}

  std::string_view name() const override { return "ptrace"; }
  uint64_t guest_limit() const override { return stub_.base; }

  SysResult<std::unique_ptr<AddressSpace>> new_address_space() override {
    Tracee tracee(template_.pid());
    TRY(tracee.seize());
    Placement::pin(placement_.first_cpu(), tracee.tid());
    Registers registers = {};
    registers.rip = stub_.clone;
    registers.rax = SYS_clone;
    registers.rdi = CLONE_PARENT | CLONE_FILES | SIGCHLD;
    registers.cs = 0x33;
    registers.ss = 0x2b;
    bool interrupted = false;
    SysResult<int64_t> pid = tracee.call(registers, interrupted);
    registers.rip = stub_.pause;
    registers.orig_rax = ~0ul;
    (void)tracee.write(registers);
    tracee.release();
    if (!pid) return std::unexpected(pid.error());
    return std::make_unique<PtraceSpace>(stub_, static_cast<pid_t>(*pid));
  }

  SysResult<std::unique_ptr<Context>> new_context(AddressSpace& space, Context* sibling) override {
    auto& own = static_cast<PtraceSpace&>(space);
    pid_t tid = own.pid();
    if (own.first_is_taken()) {
      if (sibling == nullptr) return std::unexpected(Errno{EINVAL});
      tid = TRY(static_cast<PtraceContext*>(sibling)->clone_thread());
    }
    own.take_first();
    return std::make_unique<PtraceContext>(stub_, placement_, own, tid);
  }

 private:
  Stub stub_;
  Placement placement_;
  PtraceSpace template_;
};

}  // namespace

SysResult<std::unique_ptr<Platform>> make_ptrace_platform() {
  Stub stub = TRY(Stub::make());
  pid_t pid = TRY(start_template(stub));
  return std::make_unique<PtracePlatform>(stub, pid);
}

}  // namespace cella::sandbox::platform
