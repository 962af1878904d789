#include "sandbox/platform/ptrace/ptrace_platform.h"

#include <linux/rseq.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/result.h"
#include "sandbox/core/time.h"
#include "sandbox/platform/ptrace/placement.h"
#include "sandbox/platform/ptrace/spares.h"
#include "sandbox/platform/ptrace/stub.h"
#include "sandbox/platform/ptrace/tracee.h"

namespace cella::sandbox::platform {
namespace {

constexpr uint64_t kRseqSize = 32;  // struct rseq of Linux 4.18
constexpr int kSysemu = 31;         // PTRACE_SYSEMU, which glibc names for x86 elsewhere

// What all address spaces of the platform have in common.
struct Shared {
  Stub stub;
  pid_t template_pid;
  Placement placement = {};
  Spares spares{stub};
  std::vector<std::byte> floating_point = {};  // of a new program
};

class PtraceSpace final : public AddressSpace {
 public:
  explicit PtraceSpace(Shared& shared) : shared_(shared) {}
  ~PtraceSpace() override {
    if (pid_ > 0) shared_.spares.end_process(pid_);
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

  // 0 before the first thread is attached.
  pid_t pid() const { return pid_; }
  void set_pid(pid_t pid) { pid_ = pid; }
  bool has_changes() const { return !queue_.empty(); }
  // Has its first thread a context, or had one?
  bool is_taken() const { return is_taken_; }
  // Threads that have not been seen to end.
  size_t threads() const { return threads_; }
  void add_thread() {
    is_taken_ = true;
    ++threads_;
  }
  void remove_thread() { --threads_; }

  // All queued calls, through a stopped thread of this process. The page of calls is one for all: the kernel lock keeps
  // it ours.
  SysResult<void> flush(Tracee& tracee, bool& interrupted) {
    SysResult<void> result;
    const Stub& stub = shared_.stub;
    for (size_t start = 0; start < queue_.size(); start += kMaxStubCalls) {
      size_t count = std::min<size_t>(queue_.size() - start, kMaxStubCalls);
      std::memcpy(stub.calls, &queue_[start], count * sizeof(StubCall));
      Registers registers = stub_registers(stub.batch);
      registers.rbx = reinterpret_cast<uint64_t>(stub.calls);
      registers.r12 = count;
      SysResult<void> done = tracee.call(registers, interrupted);
      if (!done && result) result = done;
    }
    queue_.clear();
    return result;
  }

  // Empties the process, stopped in its first thread and without others that run, for the next program of the calling
  // thread: nothing is left in it of what the guest can have put there, which are mappings and the thread's registers.
  // `last`: a call to make before.
  void retire(Tracee& tracee, int cpu, const std::optional<StubCall>& last) {
    bool interrupted = false;
    queue_.clear();
    if (last) queue_.push_back(*last);
    unmap(0, shared_.stub.base);
    if (flush(tracee, interrupted) && tracee.set_floating_point(shared_.floating_point) &&
        shared_.spares.keep(pid_, pid_, cpu)) {
      pid_ = 0;
    }
  }

 private:
  Shared& shared_;
  pid_t pid_ = 0;
  size_t threads_ = 0;
  bool is_taken_ = false;
  std::vector<StubCall> queue_;
};

// A new stub process, which pauses.
SysResult<pid_t> clone_template(Shared& shared) {
  Tracee tracee(shared.template_pid);
  TRY(tracee.seize());
  Placement::pin(shared.placement.first_cpu(), tracee.tid());
  Registers registers = stub_registers(shared.stub.clone);
  registers.rax = SYS_clone;
  registers.rdi = CLONE_PARENT | CLONE_FILES | SIGCHLD;
  bool interrupted = false;
  SysResult<void> cloned = tracee.call(registers, interrupted);
  SysResult<uint64_t> pid = tracee.rax();
  (void)tracee.release(stub_registers(shared.stub.pause));
  TRY(cloned);
  return static_cast<pid_t>(TRY(pid));
}

class PtraceContext final : public Context {
 public:
  // A further thread of a stub process.
  struct Thread {
    pid_t tid = 0;
    std::optional<Spare> spare = {};             // if the thread that will attach it has kept it
    std::vector<std::byte> floating_point = {};  // for a spare: another has that of its maker
  };

  // By the thread that makes it, on whose CPU it begins. `thread`: what it runs on; none for the first one of a space.
  PtraceContext(Shared& shared, PtraceSpace& space, Thread thread)
      : shared_(shared), space_(space), thread_(std::move(thread)), cpu_(shared.placement.first_cpu()) {
    registers_ = stub_registers(0);
    registers_.eflags = 0x200;
    space_.add_thread();
  }
  ~PtraceContext() override {
    if (!attached_ && thread_.spare) shared_.spares.put_back(*thread_.spare);
    if (!attached_) return;
    const bool is_first = tracee_.tid() == space_.pid();
    if (!dead_ && is_first && space_.threads() == 1) {
      std::optional<StubCall> let_go;
      if (rseq_ != 0) let_go = rseq_call(RSEQ_FLAG_UNREGISTER);
      space_.retire(tracee_, cpu_, let_go);
      return;
    }
    if (!dead_ && !set_rseq(0, 0)) dead_ = true;
    // The first thread of its process stays, because the process is known by it.
    if (!is_first) {
      if (dead_ || !shared_.spares.keep(space_.pid(), tracee_.tid(), cpu_)) tracee_.exit(shared_.stub);
      space_.remove_thread();
    } else if (!dead_) {
      (void)tracee_.release(stub_registers(shared_.stub.pause));
    }
  }

  SysResult<void> attach() override {
    int pinned_to = Placement::kNowhere;
    if (thread_.tid != 0) {
      tracee_ = Tracee(thread_.tid);
      if (thread_.spare) {
        pinned_to = thread_.spare->cpu;
        TRY(tracee_.set_floating_point(thread_.floating_point));
        thread_.floating_point = {};
      } else {
        TRY(tracee_.seize());
      }
    } else if (std::optional<Spare> spare = shared_.spares.take_process()) {
      tracee_ = Tracee(spare->pid);
      space_.set_pid(spare->pid);
      pinned_to = spare->cpu;
    } else {
      const pid_t pid = TRY(clone_template(shared_));
      space_.set_pid(pid);
      tracee_ = Tracee(pid);
      TRY(tracee_.seize());
    }
    Placement::pin(cpu_, tracee_.tid(), pinned_to);
    attached_ = true;
    dirty_ = true;
    return {};
  }

  Registers& registers() override { return registers_; }

  SysResult<std::vector<std::byte>> floating_point() override { return tracee_.floating_point(); }
  SysResult<void> set_floating_point(std::span<const std::byte> state) override {
    return tracee_.set_floating_point(state);
  }

  SysResult<void> set_rseq(uint64_t address, uint32_t signature) override {
    if (rseq_ != 0) TRY(tell_rseq(RSEQ_FLAG_UNREGISTER));
    rseq_ = address;
    rseq_signature_ = signature;
    if (rseq_ == 0) return {};
    SysResult<void> told = tell_rseq(0);
    if (!told) rseq_ = 0;
    return told;
  }

  void set_processors(uint64_t allowed) override { processors_.store(allowed, std::memory_order_relaxed); }

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
    shared_.placement.enter(cpu_);
    bool stopped = tracee_.resume(kSysemu) && tracee_.wait();
    shared_.placement.leave(cpu_);
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

  // A further thread of the same process, for `runner` to attach. It pauses until then.
  SysResult<Thread> new_thread(pid_t runner) {
    if (std::optional<Spare> spare = shared_.spares.take_thread(space_.pid(), runner)) {
      SysResult<std::vector<std::byte>> floating_point = tracee_.floating_point();
      if (floating_point) return Thread{spare->tid, *spare, std::move(*floating_point)};
      shared_.spares.put_back(*spare);
      return std::unexpected(floating_point.error());
    }
    constexpr uint64_t kFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    Registers registers = stub_registers(shared_.stub.clone);
    registers.rax = SYS_clone;
    registers.rdi = kFlags;
    bool interrupted = false;
    SysResult<void> cloned = tracee_.call(registers, interrupted);
    dirty_ = true;
    if (interrupted) interrupted_.store(true, std::memory_order_relaxed);
    TRY(cloned);
    const uint64_t tid = TRY(tracee_.rax());
    return Thread{.tid = static_cast<pid_t>(tid)};
  }

 private:
  // Most system calls change rax alone, which is cheaper than all registers.
  bool put_registers() {
    Registers wanted = registers_;
    wanted.cs = at_stop_.cs != 0 ? at_stop_.cs : wanted.cs;
    if (!dirty_) {
      if (std::memcmp(&registers_, &at_stop_, sizeof registers_) == 0) return true;
      Registers same = at_stop_;
      same.rax = registers_.rax;
      if (std::memcmp(&registers_, &same, sizeof same) == 0) return tracee_.write_rax(registers_.rax).has_value();
    }
    wanted.orig_rax = ~0ul;  // the host must not think that a system call is to be restarted
    wanted.cs = 0x33;
    wanted.ss = 0x2b;
    return tracee_.write(wanted).has_value();
  }

  StubCall rseq_call(uint64_t flags) const { return {SYS_rseq, {rseq_, kRseqSize, flags, rseq_signature_}}; }
  SysResult<void> tell_rseq(uint64_t flags) {
    const StubCall call = rseq_call(flags);
    Registers registers = stub_registers(shared_.stub.ready);
    registers.rax = static_cast<uint64_t>(call.number);
    registers.rdi = call.arguments[0];
    registers.rsi = call.arguments[1];
    registers.rdx = call.arguments[2];
    registers.r10 = call.arguments[3];
    bool interrupted = false;
    dirty_ = true;
    SysResult<void> told = tracee_.call(registers, interrupted);
    if (interrupted) interrupted_.store(true, std::memory_order_relaxed);
    return told;
  }

  void place() {
    constexpr core::Nanoseconds kPatience = 2'000'000;
    const uint64_t processors = processors_.load(std::memory_order_relaxed);
    int better = shared_.placement.better_cpu(cpu_, processors);
    if (better == cpu_) {
      crowded_since_ = 0;
      return;
    }
    if (shared_.placement.may_use(cpu_, processors)) {
      core::Nanoseconds now = core::now();
      if (crowded_since_ == 0) crowded_since_ = now;
      if (now - crowded_since_ < kPatience) return;
    }
    crowded_since_ = 0;
    cpu_ = better;
    Placement::pin(cpu_, tracee_.tid());
  }

  Stop signalled() {
    Stop stop;
    if (tracee_.signal() == kInterrupt) return stop;
    SysResult<siginfo_t> info = tracee_.signal_info();
    if (!info) return died();
    stop.info = *info;
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

  Shared& shared_;
  PtraceSpace& space_;
  Thread thread_;
  Tracee tracee_;
  Registers registers_ = {};
  Registers at_stop_ = {};  // as the host has them while dirty_ is false
  int cpu_;
  std::atomic<uint64_t> processors_ = Placement::kAll;
  core::Nanoseconds crowded_since_ = 0;
  uint64_t rseq_ = 0;  // what the host keeps for the thread; 0: nothing
  uint32_t rseq_signature_ = 0;
  bool dirty_ = true;
  std::atomic<bool> attached_ = false;
  bool dead_ = false;
  std::atomic<bool> interrupted_ = false;
};

// What a program begins with: nothing in any register, and the control words of the psABI. The rights to the keys of
// pkeys(7) are the host's choice, and stay.
void make_initial(std::vector<std::byte>& state) {
  constexpr size_t kControlWord = 0, kMxcsr = 24, kMxcsrMask = 28, kRegisters = 32, kSoftware = 464, kFeatures = 512,
                   kExtended = 576;
  constexpr uint64_t kX87 = 1, kSse = 2, kRights = 1 << 9;
  constexpr uint16_t kInitialControlWord = 0x37f;
  constexpr uint32_t kInitialMxcsr = 0x1f80;
  if (state.size() < kExtended) return;
  auto clear = [&](size_t start, size_t end) { std::memset(&state[start], 0, end - start); };
  clear(0, kMxcsr);
  clear(kRegisters, kSoftware);
  std::memcpy(&state[kControlWord], &kInitialControlWord, sizeof kInitialControlWord);
  std::memcpy(&state[kMxcsr], &kInitialMxcsr, sizeof kInitialMxcsr);
  static_assert(kMxcsrMask + sizeof(uint32_t) == kRegisters);
  uint64_t features;
  std::memcpy(&features, &state[kFeatures], sizeof features);
  features = (features & kRights) | kX87 | kSse;
  std::memcpy(&state[kFeatures], &features, sizeof features);
}

class PtracePlatform final : public Platform {
 public:
  PtracePlatform(const Stub& stub, pid_t template_pid) : shared_{.stub = stub, .template_pid = template_pid} {}
  ~PtracePlatform() override { shared_.spares.end_process(shared_.template_pid); }
  // The template gets the state that others are cloned with.
  SysResult<void> prepare() {
    Tracee tracee(shared_.template_pid);
    TRY(tracee.seize());
    shared_.floating_point = TRY(tracee.floating_point());
    make_initial(shared_.floating_point);
    TRY(tracee.set_floating_point(shared_.floating_point));
    return tracee.release(stub_registers(shared_.stub.pause)) ? SysResult<void>() : std::unexpected(Errno{ESRCH});
  }

  std::string_view name() const override { return "ptrace"; }
  uint64_t guest_limit() const override { return shared_.stub.base; }

  SysResult<std::unique_ptr<AddressSpace>> new_address_space() override {
    return std::make_unique<PtraceSpace>(shared_);
  }

  SysResult<std::unique_ptr<Context>> new_context(AddressSpace& space, Context* sibling, pid_t runner) override {
    auto& own = static_cast<PtraceSpace&>(space);
    PtraceContext::Thread thread;
    if (own.is_taken()) {
      if (sibling == nullptr) return std::unexpected(Errno{EINVAL});
      thread = TRY(static_cast<PtraceContext*>(sibling)->new_thread(runner));
    }
    return std::make_unique<PtraceContext>(shared_, own, std::move(thread));
  }
  bool has_rseq(int cpus) const override { return host_has_rseq_ && shared_.placement.are_below(cpus); }
  void leave_thread() override { shared_.spares.leave_thread(); }

 private:
  // Linux 4.18, where it is configured. There is nothing at 0, so that it cannot succeed.
  const bool host_has_rseq_ = ::syscall(SYS_rseq, nullptr, 0, 0, 0) < 0 && errno != ENOSYS;
  Shared shared_;
};

}  // namespace

SysResult<std::unique_ptr<Platform>> make_ptrace_platform() {
  // Stops are waited for; a signal for each of them, which nobody takes, costs the host a thirtieth of a stop.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDSTOP;
  (void)::sigaction(SIGCHLD, &action, nullptr);
  Stub stub = TRY(Stub::make());
  pid_t pid = TRY(start_template(stub));
  auto platform = std::make_unique<PtracePlatform>(stub, pid);
  TRY(platform->prepare());
  return platform;
}

}  // namespace cella::sandbox::platform
