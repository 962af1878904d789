#include "sandbox/task/futex.h"

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

}  // namespace cella::sandbox::task
