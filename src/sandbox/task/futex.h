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

  void add(Waiter& waiter) { waiters_[waiter.key].push_back(&waiter); }
  void remove(Waiter& waiter);
  // Up to `count` of those whose bits match, in the order of their arrival; how many.
  int wake(const Key& key, int count, uint32_t bits);
  // Wakes `count`, and lets up to `move` of the others wait at `target` instead; how many of both.
  int requeue(const Key& key, int count, const Key& target, int move);

 private:
  std::map<Key, std::list<Waiter*>> waiters_;
};

}  // namespace cella::sandbox::task
