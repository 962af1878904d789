// Kernel: what all tasks of a sandbox have in common: who there is, the platform they run on, the memory they live in.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "sandbox/core/kernel_lock.h"
#include "sandbox/core/time.h"
#include "sandbox/core/timer.h"
#include "sandbox/core/wait_queue.h"
#include "sandbox/mm/mappable.h"
#include "sandbox/mm/memory_file.h"
#include "sandbox/platform/platform.h"
#include "sandbox/task/futex.h"
#include "sandbox/task/host_threads.h"
#include "sandbox/task/id_map.h"
#include "sandbox/vfs/locks.h"
#include "sandbox/vfs/walk.h"

namespace cella::sandbox::net {
class Stack;
}

namespace cella::sandbox::task {

class Clocks;
class SeccompFilter;
class Task;
class Terminal;
class ThreadGroup;

// What programs make of the kernel's version: new enough for all that is served, and no promise of more.
inline constexpr char kRelease[] = "5.15.0-cella";
inline constexpr char kVersion[] = "#1 SMP";

// uname(2).
struct HostName {
  std::string node = "cella";
  std::string domain = "(none)";
};

// Sees every system call before and after it is served, with the kernel lock held.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // `call`: the registers that the call was made with.
  virtual void entered(Task& task, const platform::Registers& call) = 0;
  // `result`: of the call, or a negative errno, also one of core/restart.h.
  virtual void left(Task& task, const platform::Registers& call, int64_t result, core::Nanoseconds taken) = 0;
};

class Kernel {
 public:
  // Serves the system call that the task has stopped at, and puts its result into the registers.
  using Dispatch = void (*)(Task& task);

  Kernel(std::unique_ptr<platform::Platform> guest_platform, std::unique_ptr<mm::MemoryFile> memory_file,
         Dispatch syscalls);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  core::KernelLock lock;
  HostThreads threads;
  std::unique_ptr<platform::Platform> platform;
  std::unique_ptr<mm::MemoryFile> memory;
  Dispatch dispatch;
  core::TimerQueue timers{lock};
  const std::unique_ptr<Clocks> clocks;  // after what it needs
  FutexTable futexes;
  vfs::FileLocks::Waits lock_waits;
  HostName host_name;
  std::shared_ptr<vfs::MountNamespace> mounts;
  // The root of a new filesystem for mount(2), by type and options: fs/types.h.
  std::function<SysResult<vfs::DentryPtr>(const std::string& type, const std::string& options)> make_filesystem;
  std::shared_ptr<net::Stack> network;         // what sockets are made of, net/stack.h; null: there are none
  std::map<std::string, std::string> sysctls;  // what /proc/sys says by path, where that is not the usual
  IdMap user_ids, group_ids;
  // What loader/ maps into every program.
  struct Vdso {
    std::shared_ptr<mm::Mappable> clocks, code;
  } vdso;
  std::shared_ptr<Terminal> console;  // /dev/console; null: there is none
  static constexpr uint64_t kMostTasks = 32768, kCpuPeriod = 100'000;
  uint64_t task_limit = kMostTasks;
  const uint64_t own_memory;           // bytes of the host's
  uint64_t memory_limit = own_memory;  // that guests are told they have
  // Processors that guests are told they have: those of this process when the kernel is made, or fewer.
  int cpu_count;
  // cpu.max of cgroup v2 in microseconds; a quota of 0: no limit.
  uint64_t cpu_quota = 0, cpu_period = kCpuPeriod;
  // Of the container's configuration: programs that are started from outside have it.
  std::shared_ptr<SeccompFilter> seccomp;
  // A line for whoever debugs the guest; empty: nobody does.
  std::function<void(const std::string&)> log;
  // Numbers of system calls that are not served → how often they were made; from 512 on as 512.
  std::map<uint64_t, uint64_t> unknown_calls;
  std::unique_ptr<CallObserver> call_observer;  // none: nobody looks
  core::Nanoseconds boot_time = core::now();    // CLOCK_MONOTONIC

  // Tasks by thread id; ids come one after the other, as with pid_max 4194304.
  std::map<int, Task*> tasks;
  std::map<int, std::shared_ptr<ThreadGroup>> groups;  // by process id; zombies too
  // Process ids are below; those that are free begin at kFirstAgain once all have been used.
  static constexpr int kMostIds = 4194304, kFirstAgain = 300;
  int next_id();
  // clone3(2), "set_tid": one that there can be. EEXIST.
  SysResult<int> take_id(int id);
  int last_id() const { return last_id_; }

  Task* task(int tid) const;
  ThreadGroup* group(int pid) const;
  std::shared_ptr<ThreadGroup> init;  // adopts orphans; when it ends, everything does

  // Notified when a signal becomes pending for anybody: signalfd(2).
  core::WaitQueue signal_events;
  // Notified when a process ends or stops, and when the last one has gone.
  core::WaitQueue process_events;
  bool shutting_down = false;

 private:
  // Also by a process group or a session that has outlived its leader.
  bool is_taken(int id) const;
  int last_id_ = 0;
  bool in_order_ = true;  // every id has been the next one, and the first round is not over: those ahead are free
};

}  // namespace cella::sandbox::task
