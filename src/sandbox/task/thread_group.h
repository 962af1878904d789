// ThreadGroup: a process: what its threads share whatever clone(2) said, and what is left of it until its parent has
// waited for it. Sessions and process groups are numbers here: the id of the process that made them.
#pragma once

#include <sys/resource.h>

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "sandbox/core/time.h"
#include "sandbox/core/wait_queue.h"
#include "sandbox/task/posix_timers.h"
#include "sandbox/task/signals.h"
#include "sandbox/task/terminal.h"
#include "sandbox/task/usage.h"

namespace cella::sandbox::task {

class Task;
class Kernel;

class ThreadGroup : public std::enable_shared_from_this<ThreadGroup> {
 public:
  explicit ThreadGroup(Kernel& owner) : kernel(owner) {}
  ThreadGroup(const ThreadGroup&) = delete;
  ThreadGroup& operator=(const ThreadGroup&) = delete;

  Kernel& kernel;
  int id = 0;
  int process_group = 0;
  int session = 0;
  std::shared_ptr<Terminal> terminal;  // the controlling one
  int old_foreground = 0;              // of a leader: the foreground of a terminal that has hung up
  std::weak_ptr<ThreadGroup> parent;
  std::vector<std::shared_ptr<ThreadGroup>> children;
  std::vector<Task*> tasks;  // the leader first, while it lives
  int exit_signal = SIGCHLD;
  bool has_executed = false;  // since it was forked: setpgid(2)
  bool is_subreaper = false;
  int oom_score_adj = 0;  // proc_pid_oom_score_adj(5); told, but nobody is killed by it

  // --- signals
  std::shared_ptr<SignalActions> actions = std::make_shared<SignalActions>();
  SignalQueue pending;

  // --- the end, and stops
  bool exiting = false;  // every thread is to end, with this status:
  int status = 0;        // as wait(2) gives it
  bool is_zombie = false;
  bool stopped = false;
  int stop_signal = 0;
  bool stop_reported = true;  // to a parent with WUNTRACED
  bool continue_reported = true;
  Task* executing = nullptr;  // in execve(2), waiting for the others to end
  core::WaitQueue exits;      // of single threads, and pidfds
  core::WaitQueue child_events;

  std::array<rlimit, RLIM_NLIMITS> limits = {};
  uint64_t limit(int resource) const { return limits[static_cast<size_t>(resource)].rlim_cur; }
  // To be called when they have been changed.
  void limits_changed() { cpu_limit_timer.follow_limit(); }

  Usage ended_usage;                 // of threads that have ended
  Usage children_usage;              // of children that have been waited for
  Usage usage() const;               // of all its threads
  core::Nanoseconds start_time = 0;  // CLOCK_MONOTONIC
  std::string name;                  // of the program, for looking at when it is gone

  ProcessTimer real_timer{*this, ITIMER_REAL}, virtual_timer{*this, ITIMER_VIRTUAL}, profile_timer{*this, ITIMER_PROF};
  CpuLimitTimer cpu_limit_timer{*this};
  std::map<int, std::unique_ptr<PosixTimer>> timers;  // by timer_t

  // To the process: to any of its threads. Ignored ones are dropped, and those that are pending already: false. Without
  // permission checks.
  bool send(const siginfo_t& info);
  // All threads are to end.
  void exit(int wait_status);
  Task* leader() const { return tasks.empty() ? nullptr : tasks.front(); }
};

// Of all processes that there are, and of the children that they have waited for.
Usage usage_of_all(const Kernel& kernel);

}  // namespace cella::sandbox::task
