// FileLocks: the advisory locks on one file: record locks of processes and of open file descriptions, fcntl(2), which
// exclude each other, and whole-file locks, flock(2), which know nothing of them. An Inode has one once it is locked.
#pragma once

#include <cstdint>
#include <vector>

#include <cella/error.h>

#include "sandbox/core/wait_queue.h"

namespace cella::sandbox::vfs {

class Caller;
class File;

class FileLocks {
 public:
  // Who holds a lock: the descriptor table of a process, or the open file description.
  using Owner = const void*;
  struct Record {
    uint64_t start = 0, end = UINT64_MAX;  // [start, end)
    bool exclusive = false;
    Owner owner = nullptr;
    int pid = 0;  // as F_GETLK shows it; -1: an open file description
  };

  // Who waits for record locks of processes, anywhere: to find those who wait for each other.
  class Waits {
   public:
    // For as long as it lives, `wanted` is waited for; `is_deadlock` is asked first.
    class Wait {
     public:
      Wait(Waits& waits, FileLocks& locks, const Record& wanted);
      ~Wait();
      Wait(const Wait&) = delete;
      Wait& operator=(const Wait&) = delete;

     private:
      friend class Waits;
      Waits& waits_;
      FileLocks& locks_;
      const Record& wanted_;
    };
    // Does who holds what `wanted` needs wait, through others perhaps, for its owner?
    bool is_deadlock(const FileLocks& locks, const Record& wanted) const;

   private:
    std::vector<const Wait*> waits_;
  };

  // The first lock of another owner that excludes this one; null: none does.
  const Record* conflict(const Record& wanted) const;
  // Takes it, in place of what the owner had there. EAGAIN.
  SysResult<void> lock(const Record& wanted);
  void unlock(Owner owner, uint64_t start, uint64_t end);

  // flock(2). EAGAIN: a lock that was to be converted is lost then, as on Linux.
  SysResult<void> lock_whole(Owner owner, bool exclusive);
  void unlock_whole(Owner owner);

  // Everything that it holds.
  void release(Owner owner);
  // Notified when a lock goes.
  core::WaitQueue& queue() { return queue_; }

 private:
  std::vector<Record> records_, whole_;
  core::WaitQueue queue_;
};

// A descriptor of `file` in the table `owner` goes: with it go all locks that the process has on the file.
void close_descriptor(Caller& caller, FileLocks::Owner owner, File& file);

}  // namespace cella::sandbox::vfs
