#include "sandbox/core/wait_queue.h"

namespace cella::sandbox::core {

void Waiter::leave() {
  if (queue_ == nullptr) return;
  if (queue_->cursor_ == this) queue_->cursor_ = next_;
  (previous_ != nullptr ? previous_->next_ : queue_->first_) = next_;
  (next_ != nullptr ? next_->previous_ : queue_->last_) = previous_;
  queue_ = nullptr;
  previous_ = next_ = nullptr;
}

WaitQueue::~WaitQueue() {
  while (first_ != nullptr) first_->leave();
}

void WaitQueue::add(Waiter& waiter, uint32_t mask) {
  waiter.queue_ = this;
  waiter.mask_ = mask;
  waiter.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
}

void WaitQueue::notify(uint32_t events) {
  // One that is told may leave, or others with it: the cursor moves along. A nested notify() starts from the front.
  for (Waiter* waiter = first_; waiter != nullptr; waiter = cursor_) {
    cursor_ = waiter->next_;
    if (waiter->mask_ & events) waiter->on_event(events);
  }
  cursor_ = nullptr;
}

}  // namespace cella::sandbox::core
