// WaitQueue: who wants to hear of events at one object (a pipe, a futex, a child). Waiter: one who does.
//
// Both are used with the kernel lock held. A Waiter is in one queue at most, takes itself out when it is destroyed, and
// hears of every event in its mask until then: what an event means is looked at again by whoever waited (a wake-up is a
// hint, never an answer). Event bits are those of poll(2).
#pragma once

#include <cstdint>

namespace cella::sandbox::core {

class WaitQueue;

class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() { leave(); }

  // Called by WaitQueue::notify. May leave the queue, and may not touch other waiters of it.
  virtual void on_event(uint32_t events) = 0;
  void leave();
  bool is_waiting() const { return queue_ != nullptr; }

 private:
  friend class WaitQueue;
  WaitQueue* queue_ = nullptr;
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
  uint32_t mask_ = 0;
};

class WaitQueue {
 public:
  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;
  // Those who still wait are let go; they hear nothing of it.
  ~WaitQueue();

  // At the end of the queue. `waiter` must not be in one.
  void add(Waiter& waiter, uint32_t mask);
  // Tells every waiter whose mask has one of `events`, in the order of their arrival.
  void notify(uint32_t events);
  bool is_empty() const { return first_ == nullptr; }

 private:
  friend class Waiter;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  Waiter* cursor_ = nullptr;  // the next one that a notify() in progress will tell
};

}  // namespace cella::sandbox::core
