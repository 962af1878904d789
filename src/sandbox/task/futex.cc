#include "sandbox/task/futex.h"

#include <linux/futex.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "sandbox/task/task.h"

namespace cella::sandbox::task {

void FutexTable::remove(Waiter& waiter) {
  auto list = waiters_.find(waiter.key);
  if (list == waiters_.end()) return;
  list->second.remove(&waiter);
  if (list->second.empty()) waiters_.erase(list);
}

int FutexTable::wake(const Key& key, int count, uint32_t bits) {
  auto list = waiters_.find(key);
  if (list == waiters_.end()) return 0;
  int woken = 0;
  for (auto waiter = list->second.begin(); waiter != list->second.end() && woken < count;) {
    if (!((*waiter)->bits & bits)) {
      ++waiter;
      continue;
    }
    (*waiter)->woken = true;
    (*waiter)->task->wake();
    waiter = list->second.erase(waiter);
    ++woken;
  }
  if (list->second.empty()) waiters_.erase(list);
  return woken;
}

int FutexTable::requeue(const Key& key, int count, const Key& target, int move) {
  int done = wake(key, count, ~0u);
  auto list = waiters_.find(key);
  if (list == waiters_.end() || key == target) return done;
  std::list<Waiter*>& to = waiters_[target];
  for (; move > 0 && !list->second.empty(); --move, ++done) {
    Waiter* waiter = list->second.front();
    list->second.pop_front();
    waiter->key = target;
    to.push_back(waiter);
  }
  if (list->second.empty()) waiters_.erase(list);
  if (to.empty()) waiters_.erase(target);
  return done;
}

void FutexTable::remove_lock_waiter(LockWaiter& waiter) {
  auto list = lock_waiters_.find(waiter.key);
  if (list == lock_waiters_.end()) return;
  list->second.remove(&waiter);
  if (list->second.empty()) lock_waiters_.erase(list);
}

SysResult<void> FutexTable::hand_on(const Key& key, uint32_t* word, int owner, bool died) {
  auto list = lock_waiters_.find(key);
  LockWaiter* next = list == lock_waiters_.end() ? nullptr : list->second.front();
  uint32_t value = died ? FUTEX_OWNER_DIED : 0;
  if (next != nullptr) value |= static_cast<uint32_t>(next->task->id);
  if (next != nullptr && list->second.size() > 1) value |= FUTEX_WAITERS;
  uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  do {
    if ((old & FUTEX_TID_MASK) != static_cast<uint32_t>(owner)) return std::unexpected(Errno{EPERM});
  } while (!__atomic_compare_exchange_n(word, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  if (next == nullptr) return {};
  next->has_it = true;
  next->task->wake();
  remove_lock_waiter(*next);
  return {};
}

void FutexTable::hand_on_all(int owner) {
  std::vector<const LockWaiter*> first;
  for (const auto& [key, list] : lock_waiters_) first.push_back(list.front());
  for (const LockWaiter* waiter : first) {
    const Key key = waiter->key;
    SysResult<uint32_t*> word = waiter->task->memory().futex_word(waiter->address, true);
    if (word) (void)hand_on(key, *word, owner, /*died=*/true);
  }
}

}  // namespace cella::sandbox::task
