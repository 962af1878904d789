// Task: a thread of a guest program, and the host thread that serves it.
//
// A task runs guest code until something happens, handles that with the kernel lock held, deals with signals, and goes
// on. All members belong to the kernel lock. Run states:
//
//   in guest      context().run(): without the lock
//   in kernel     with the lock
//   sleeping      in sleep(): without the lock, until wake(), a signal, or a deadline
//   stopped       its group is; sleeps until SIGCONT or SIGKILL
//   exiting       takes itself out of everything, and its host thread ends
#pragma once

#include <sys/prctl.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "sandbox/core/wait_queue.h"
#include "sandbox/mm/memory_manager.h"
#include "sandbox/platform/platform.h"
#include "sandbox/task/kernel.h"
#include "sandbox/task/seccomp.h"
#include "sandbox/task/signals.h"
#include "sandbox/task/thread_group.h"
#include "sandbox/vfs/file.h"
#include "sandbox/vfs/walk.h"

namespace cella::sandbox::task {

// What CLONE_FS shares.
struct FsState {
  vfs::Position position;
  uint32_t umask = 0022;
};

// A program as execve(2) starts it: made by loader/.
struct Image {
  std::unique_ptr<mm::MemoryManager> memory;
  uint64_t entry = 0;
  uint64_t stack = 0;
  std::string name;                 // "comm", at most 15 bytes
  vfs::Path executable;             // /proc/PID/exe
  std::shared_ptr<void> execution;  // of its inode
};

class Task final : public vfs::Caller {
 public:
  Task(Kernel& kernel_of, std::shared_ptr<ThreadGroup> group_of);
  ~Task() override;

  // --- who it is
  Kernel& kernel;
  std::shared_ptr<ThreadGroup> group;
  int id = 0;
  std::string name;
  vfs::Credentials creds;
  vfs::Path executable;
  std::shared_ptr<void> execution;  // of its inode

  // --- what it has; shared with others as clone(2) says
  std::shared_ptr<mm::MemoryManager> memory_manager;
  std::shared_ptr<vfs::FdTable> files;
  std::shared_ptr<FsState> fs;
  platform::Context& context() { return *context_; }
  platform::Registers& registers() { return context_->registers(); }

  // --- signals
  SignalSet blocked = 0;
  // Those of sigtimedwait(2) while it sleeps: unblocked to be woken, and as little thrown away as blocked ones.
  SignalSet waited_for = 0;
  bool keeps(int signal) const { return ((blocked | waited_for) & bit(signal)) != 0; }
  std::optional<SignalSet> saved_mask;  // of sigsuspend(2), pselect(2) …: back when the handler has its frame
  SignalQueue pending;
  uint64_t alternate_stack = 0, alternate_stack_size = 0;
  int alternate_stack_flags = SS_DISABLE;
  // To this thread. Ignored ones are dropped, and those that are pending already: false.
  bool send(const siginfo_t& info);
  // The next one in `wanted` that is pending for the thread or its process, taken out.
  std::optional<siginfo_t> take_signal(SignalSet wanted);
  // Caused by its own instruction or system call: cannot be ignored or blocked.
  void force_signal(const siginfo_t& info);
  bool has_signals() const;

  SeccompState seccomp;

  // --- odds and ends of system calls
  // rseq(2); an address of 0: none.
  struct RestartableSequences {
    uint64_t address = 0;
    uint32_t signature = 0;
  } rseq;
  // In place of what there is. Changes of memory take effect before. EFAULT: there is nothing that can be written to.
  SysResult<void> set_rseq(const RestartableSequences& wanted);
  uint64_t clear_child_tid = 0;
  uint64_t robust_list = 0, robust_list_size = 0;
  int parent_death_signal = 0;
  bool dumpable = true;
  int nice = 0;
  int policy = 0;                      // SCHED_OTHER or another one without priorities
  int io_priority = 0;                 // ioprio_get(2)
  uint64_t processors = ~uint64_t{0};  // that it may run on, as of platform::Context
  uint32_t personality = 0;  // personality(2): nothing is placed at random, and what is for 32 bits is not here
  bool has_personality(uint32_t flag) const { return (personality & flag) != 0; }
  // sched_setaffinity(2). Where it runs now, it stops.
  void set_processors(uint64_t allowed);
  // prctl(2), remembered: no timer here is late on purpose, and no memory of ours fails.
  struct Remembered {
    static constexpr uint64_t kTimerSlack = 50000;  // init's, nanoseconds
    uint64_t timer_slack = kTimerSlack, default_timer_slack = kTimerSlack;
    int memory_failure_policy = PR_MCE_KILL_DEFAULT;
    bool is_io_flusher = false;
  } remembered;
  // restart_syscall(2): how to go on with a call that ended with kRestartBlock.
  std::function<SysResult<uint64_t>(Task&)> restart;
  core::WaitQueue vfork_done;
  bool in_vfork = false;  // it uses its parent's memory, which waits
  // In a system call, which took as long: all but what it slept of it is system time.
  void count_call(core::Nanoseconds taken);
  // Until now, with what it does at the moment.
  Usage usage() const;

  // --- vfs::Caller
  const vfs::Credentials& credentials() const override { return creds; }
  mm::MemoryManager& memory() override { return *memory_manager; }
  uint32_t umask() const override { return fs->umask; }
  int thread_id() const override { return id; }
  uint64_t file_size_limit() override { return group->limit(RLIMIT_FSIZE); }
  void send_signal_to_self(int signal) override { send(signal_info(signal, SI_USER, group->id, creds.uid)); }
  SysResult<void> sleep_on(core::WaitQueue& queue, uint32_t events, core::Nanoseconds deadline = core::kNever) override;

  // Sleeps until wake(), a signal, or the deadline: 0, ERESTARTSYS or ETIMEDOUT. `interruptible` false: until wake() or
  // SIGKILL.
  SysResult<void> sleep(core::Nanoseconds deadline = core::kNever, bool interruptible = true);
  void wake();
  // In sleep(), and there 'S' or 'D' as proc_pid_stat(5) calls it.
  bool is_asleep() const { return asleep_; }
  bool is_interruptible() const { return !sleeping_uninterruptibly_; }
  bool is_in_guest() const { return in_guest_; }
  // How often it has stopped running guest code.
  uint64_t stops() const { return stops_; }
  // Makes it look at its signals, wherever it is.
  void interrupt();

  // --- life
  // Gives it a context in its memory, and a host thread. With `sibling` it is one more thread of that task's memory.
  SysResult<void> start(const platform::Registers& registers, Task* sibling,
                        std::vector<std::byte> floating_point = {});
  // The result of execve(2): another program, in this thread alone. Others of the group have ended.
  SysResult<void> become(Image image);
  void request_exit(int wait_status);  // of this thread alone
  // What its host thread does: runs it to its end, and destroys it.
  static void serve(Task& task);

 private:
  friend class ThreadGroup;
  void run();
  void handle_fault(const siginfo_t& info);
  // Delivers what is pending; false: the thread is to end.
  bool handle_signals();
  bool deliver(const siginfo_t& info);
  bool stop(int signal);
  void restart_or_fail(const SignalAction* action);
  // Before a handler is called: the sequence that the thread is in does not go on.
  SysResult<void> abort_sequence();
  SysResult<void> push_frame(const siginfo_t& info, const SignalAction& action);
  void finish();
  void release_robust_futexes();

 public:
  // rt_sigreturn(2).
  SysResult<void> pop_frame();

 private:
  // Its memory goes: the most that there was of it counts for the usage.
  void look_at_memory();

  std::unique_ptr<platform::Context> context_;
  std::vector<std::byte> initial_floating_point_;
  platform::Registers initial_registers_ = {};
  core::Wakeup wakeup_;
  bool woken_ = false;
  bool asleep_ = false;
  bool in_guest_ = false;
  uint64_t stops_ = 0;
  core::Nanoseconds in_guest_since_ = 0, slept_in_call_ = 0;
  Usage usage_;
  bool exit_requested_ = false;
  bool sleeping_uninterruptibly_ = false;
  int exit_status_ = 0;
};

// exit.cc: what wait4(2) and waitid(2) are about.
struct WaitRequest {
  int pid = -1;  // as of waitpid(2): -1, 0, a group, a process
  bool exited = true, stopped = false, continued = false;
  bool nohang = false, nowait = false;
  bool any_thread = true;
  bool clone_children_only = false, all_children = true;
};
struct WaitResult {
  int pid = 0;  // 0: nothing yet, with nohang
  int status = 0;
  int code = 0;  // CLD_*
  uint32_t uid = 0;
  Usage usage;
};
SysResult<WaitResult> wait_for_child(Task& task, const WaitRequest& request);

// clone.cc
struct CloneRequest {
  uint64_t flags = 0;  // CLONE_*
  uint64_t stack = 0;  // the new stack pointer; 0: the same
  uint64_t parent_tid = 0, child_tid = 0, tls = 0, pidfd = 0;
  int exit_signal = 0;
  std::optional<int> wanted_id = std::nullopt;  // clone3(2), "set_tid"
  // Called with the new task before it runs: CLONE_PIDFD.
  std::function<SysResult<void>(Task& child)> prepare;
};
// The new task's id. With CLONE_VFORK returns when the child has let go.
SysResult<int> clone_task(Task& parent, const CloneRequest& request);

// Signals to processes, kill(2): `pid` as there. Permission is checked.
SysResult<void> kill_processes(Task& sender, int pid, const siginfo_t& info);
bool may_signal(const Task& sender, const ThreadGroup& target, int signal);
void signal_process_group(Kernel& kernel, int process_group, const siginfo_t& info);
// Is a process group without a member whose parent is in another group of the session?
bool is_orphaned(Kernel& kernel, int process_group);
// It has become that: if somebody in it is stopped, all are told, setpgid(2).
void tell_orphans(Kernel& kernel, int process_group);

}  // namespace cella::sandbox::task
