// Spares: stub processes and their threads that host threads keep, stopped and traced, for what they run next: to make
// and to seize another costs as much as several system calls. Private to platform/ptrace. Under the kernel lock.
//
// Only the thread that traces can use what it keeps, and the host ends the whole process when it ends: hence
// leave_thread().
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "sandbox/platform/ptrace/stub.h"

namespace cella::sandbox::platform {

struct Spare {
  pid_t pid;  // of its process
  pid_t tid;  // `pid`: the process as a whole, emptied
  pid_t holder;
  int cpu;  // that it is pinned to
  bool is_process() const { return tid == pid; }
};

class Spares {
 public:
  explicit Spares(const Stub& stub) : stub_(stub) {}
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;
  // Ends the processes.
  ~Spares();

  // The process that the calling thread keeps.
  std::optional<Spare> take_process();
  // A thread of process `pid` that `holder` keeps.
  std::optional<Spare> take_thread(pid_t pid, pid_t holder);
  // One that has not been used.
  void put_back(const Spare& spare);
  // For the calling thread. False: there are enough, and it stays the caller's.
  bool keep(pid_t pid, pid_t tid, int cpu);
  // Whatever the calling thread keeps is let go.
  void leave_thread();
  // With all its threads, which must have no other user.
  void end_process(pid_t pid);

 private:
  static constexpr size_t kMost = 16;
  template <class Which>
  std::optional<Spare> take(Which which);
  void forget_dead();
  void let_go(const Spare& spare);

  const Stub stub_;
  std::vector<Spare> kept_;  // at most one process and one thread of a holder
};

}  // namespace cella::sandbox::platform
