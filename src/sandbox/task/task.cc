#include "sandbox/task/task.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/result.h"
#include "sandbox/core/restart.h"

namespace cella::sandbox::task {
namespace {

// Wakes a task that sleeps at a queue.
class SleepWaiter final : public core::Waiter {
 public:
  explicit SleepWaiter(Task& task) : task_(task) {}
  void on_event(uint32_t) override { task_.wake(); }

 private:
  Task& task_;
};

}  // namespace

Task::Task(Kernel& kernel_of, std::shared_ptr<ThreadGroup> group_of) : kernel(kernel_of), group(std::move(group_of)) {}
Task::~Task() = default;

// --- sleeping and waking

SysResult<void> Task::sleep_on(core::WaitQueue& queue, uint32_t events, core::Nanoseconds deadline) {
  SleepWaiter waiter(*this);
  queue.add(waiter, events);
  return sleep(deadline);
}

SysResult<void> Task::sleep(core::Nanoseconds deadline, bool interruptible) {
  SysResult<void> result;
  sleeping_uninterruptibly_ = !interruptible;
  asleep_ = true;
  while (!woken_) {
    if (group->exiting || exit_requested_ || (interruptible && has_signals())) {
      result = std::unexpected(Errno{core::kRestartSys});
      break;
    }
    if (deadline != core::kNever && deadline <= core::now()) {
      result = std::unexpected(Errno{ETIMEDOUT});
      break;
    }
    const core::Nanoseconds before = core::now();
    wakeup_.wait(kernel.lock, deadline);
    slept_in_call_ += core::now() - before;
    ++usage_.sleeps;
  }
  woken_ = false;
  sleeping_uninterruptibly_ = asleep_ = false;
  return result;
}

void Task::wake() {
  woken_ = true;
  wakeup_.wake(kernel.lock);
}

void Task::interrupt() {
  wakeup_.wake(kernel.lock);
  if (in_guest_) context_->interrupt();
}

void Task::count_call(core::Nanoseconds taken) {
  usage_.system_time += std::max<core::Nanoseconds>(taken - slept_in_call_, 0);
}

Usage Task::usage() const {
  Usage usage = usage_;
  if (in_guest_) usage.user_time += core::now() - in_guest_since_;
  return usage;
}

void Task::set_processors(uint64_t allowed) {
  processors = allowed;
  if (context_ != nullptr) context_->set_processors(allowed);  // else it is about to end
  if (in_guest_) interrupt();
}

void Task::look_at_memory() {
  if (memory_manager.use_count() > 1) return;
  usage_.peak_memory = std::max(usage_.peak_memory, memory_manager->peak());
}

Usage ThreadGroup::usage() const {
  Usage usage = ended_usage;
  for (const Task* task : tasks) usage += task->usage();
  return usage;
}

Usage usage_of_all(const Kernel& kernel) {
  Usage usage;
  for (const auto& [id, group] : kernel.groups) {
    usage += group->usage();
    usage += group->children_usage;
  }
  return usage;
}

// --- life

SysResult<void> Task::start(const platform::Registers& registers, Task* sibling,
                            std::vector<std::byte> floating_point) {
  context_ = TRY(kernel.platform->new_context(memory_manager->space(), sibling ? sibling->context_.get() : nullptr,
                                              kernel.threads.next()));
  context_->set_processors(processors);
  initial_registers_ = registers;
  initial_floating_point_ = std::move(floating_point);
  return kernel.threads.start(*this);
}

void Task::serve(Task& task) {
  task.run();
  task.finish();
  delete &task;
}

void Task::run() {
  if (!context_->attach()) {
    group->exit(SIGKILL);
    return;
  }
  context_->registers() = initial_registers_;
  if (!initial_floating_point_.empty()) (void)context_->set_floating_point(initial_floating_point_);
  initial_floating_point_ = {};
  // After fork(2): as its parent has it.
  if (rseq.address != 0 && !set_rseq(std::exchange(rseq, {}))) {
    group->exit(SIGKILL);
    return;
  }
  while (handle_signals()) {
    if (!memory_manager->flush(*context_)) {
      // The host is out of something, and the guest's memory is not what it should be.
      group->exit(SIGKILL);
      return;
    }
    in_guest_since_ = core::now();
    in_guest_ = true;
    kernel.lock.unlock();
    platform::Stop stop = context_->run();
    kernel.lock.lock();
    in_guest_ = false;
    ++stops_;
    usage_.user_time += core::now() - in_guest_since_;
    slept_in_call_ = 0;
    switch (stop.event) {
      case platform::Event::kSyscall:
        kernel.dispatch(*this);
        break;
      case platform::Event::kFault:
        handle_fault(stop.info);
        break;
      case platform::Event::kException:
        force_signal(stop.info);
        break;
      case platform::Event::kInterrupted:
        break;
      case platform::Event::kDead:
        group->exit(SIGKILL);
        break;
    }
  }
}

void Task::handle_fault(const siginfo_t& info) {
  const auto address = reinterpret_cast<uint64_t>(info.si_addr);
  mm::MemoryManager& memory = *memory_manager;
  siginfo_t signal = {};
  signal.si_addr = info.si_addr;
  using Result = mm::MemoryManager::FaultResult;
  const mm::MemoryManager::Access access = memory.access_of(address, registers().rip);
  switch (memory.handle_fault(address, access, group->limit(RLIMIT_STACK))) {
    case Result::kHandled:
      ++usage_.faults;
      return;
    case Result::kUnmapped:
      signal.si_signo = SIGSEGV;
      signal.si_code = SEGV_MAPERR;
      break;
    case Result::kDenied:
      signal.si_signo = SIGSEGV;
      signal.si_code = SEGV_ACCERR;
      break;
    case Result::kBus:
      signal.si_signo = SIGBUS;
      signal.si_code = BUS_ADRERR;
      break;
    case Result::kNoMemory:
      group->exit(SIGKILL);
      return;
  }
  force_signal(signal);
}

SysResult<void> Task::become(Image image) {
  std::unique_ptr<platform::Context> context =
      TRY(kernel.platform->new_context(image.memory->space(), nullptr, ::gettid()));
  // From here on there is no way back.
  if (in_vfork) {
    in_vfork = false;
    vfork_done.notify(~0u);
  }
  release_robust_futexes();
  // The former context goes first: what it ran in may serve the next one.
  context_ = std::move(context);
  context_->set_processors(processors);
  TRY(context_->attach());
  look_at_memory();
  memory_manager = std::move(image.memory);
  executable = image.executable;
  execution = std::move(image.execution);
  name = group->name = image.name;
  platform::Registers registers = {};
  registers.rip = image.entry;
  registers.rsp = image.stack;
  registers.eflags = 0x200;
  context_->registers() = registers;
  group->actions = std::make_shared<SignalActions>(*group->actions);
  group->actions->reset_handlers();
  group->has_executed = true;
  group->timers.clear();
  alternate_stack = alternate_stack_size = 0;
  alternate_stack_flags = SS_DISABLE;
  clear_child_tid = robust_list = 0;
  rseq = {};
  dumpable = true;
  restart = nullptr;
  return {};
}

void Task::request_exit(int wait_status) {
  exit_requested_ = true;
  exit_status_ = wait_status;
}

}  // namespace cella::sandbox::task
