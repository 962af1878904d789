// Futexes, futex(2): who waits at which word. The words are the guest's; see mm::MemoryManager::FutexKey.
#pragma once

#include <cstdint>
#include <list>
#include <map>

#include <cella/error.h>

#include "sandbox/core/time.h"
#include "sandbox/mm/memory_manager.h"

namespace cella::sandbox::task {

class Task;

class FutexTable {
 public:
  using Key = mm::MemoryManager::FutexKey;

  // One task at one word, for as long as it waits there.
  struct Waiter {
    Task* task = nullptr;
    uint32_t bits = ~0u;
    Key key;
    bool woken = false;
  };

  // Locks of priority inheritance, FUTEX_LOCK_PI: the word holds its owner's thread id, and the kernel hands it on. All
  // guest threads have one priority here, so who came first is next. They wait apart from the others.
  struct LockWaiter {
    Task* task = nullptr;
    Key key;
    uint64_t address = 0;  // of the word, for the task
    bool has_it = false;
  };
  void add_lock_waiter(LockWaiter& waiter) { lock_waiters_[waiter.key].push_back(&waiter); }
  void remove_lock_waiter(LockWaiter& waiter);
  bool has_lock_waiters(const Key& key) const { return lock_waiters_.contains(key); }
  // The lock goes from thread `owner` to the next one; EPERM: it is not the owner's. `died`: the next one is told.
  SysResult<void> hand_on(const Key& key, uint32_t* word, int owner, bool died);
  // All that `owner`, who has ended, had and others wait for.
  void hand_on_all(int owner);

  void add(Waiter& waiter) { waiters_[waiter.key].push_back(&waiter); }
  void remove(Waiter& waiter);
  // Up to `count` of those whose bits match, in the order of their arrival; how many.
  int wake(const Key& key, int count, uint32_t bits);
  // Wakes `count`, and lets up to `move` of the others wait at `target` instead; how many of both.
  int requeue(const Key& key, int count, const Key& target, int move);

 private:
  std::map<Key, std::list<Waiter*>> waiters_;
  std::map<Key, std::list<LockWaiter*>> lock_waiters_;
};

}  // namespace cella::sandbox::task
