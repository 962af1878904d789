// Caller: the task that makes a system call, as far as filesystems may know it. task::Task is one.
#pragma once

#include "sandbox/core/time.h"
#include "sandbox/core/wait_queue.h"
#include "sandbox/mm/memory_manager.h"
#include "sandbox/vfs/credentials.h"

namespace cella::sandbox::vfs {

class Caller {
 public:
  virtual ~Caller() = default;
  virtual const Credentials& credentials() const = 0;
  virtual mm::MemoryManager& memory() = 0;
  virtual uint32_t umask() const = 0;
  // The guest's number for it, gettid(2); 0: the kernel itself (kernel_caller.h).
  virtual int thread_id() const { return 0; }
  // RLIMIT_FSIZE; a write that begins behind it gets SIGXFSZ and EFBIG.
  virtual uint64_t file_size_limit() = 0;
  virtual void send_signal_to_self(int signal) = 0;
  // Sleeps until `queue` has one of `events`, until `deadline` (CLOCK_MONOTONIC), or until a signal. 0, ETIMEDOUT,
  // or ERESTARTSYS (core/restart.h). Spurious wake-ups are possible: look again.
  virtual SysResult<void> sleep_on(core::WaitQueue& queue, uint32_t events,
                                   core::Nanoseconds deadline = core::kNever) = 0;
};

}  // namespace cella::sandbox::vfs
