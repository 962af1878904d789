#include "sandbox/task/host_threads.h"

#include <unistd.h>

#include <cerrno>
#include <memory>

namespace cella::sandbox::task {
namespace {

constexpr size_t kStack = 256 * 1024;
constexpr size_t kMostIdle = 4;

}  // namespace

HostThreads::~HostThreads() {
  std::vector<pthread_t> ending;
  {
    core::Locked locked(lock_);
    for (Thread* thread : idle_) {
      ending.push_back(thread->handle);
      thread->ends = true;
      thread->wakeup.wake(lock_);
    }
    idle_.clear();
  }
  for (pthread_t thread : ending) ::pthread_join(thread, nullptr);
}

SysResult<void> HostThreads::start(Task& task) {
  if (!idle_.empty()) {
    Thread* thread = idle_.back();
    idle_.pop_back();
    thread->task = &task;
    thread->wakeup.wake(lock_);
    return {};
  }
  auto thread = std::make_unique<Thread>(*this, &task);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  const int error = pthread_create(&thread->handle, &attributes, main, thread.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) return std::unexpected(Errno{EAGAIN});
  (void)thread.release();  // it owns itself
  return {};
}

void* HostThreads::main(void* argument) {
  std::unique_ptr<Thread> self(static_cast<Thread*>(argument));
  core::KernelLock& lock = self->owner.lock_;
  const Serve serve = self->owner.serve_;
  core::Locked locked(lock);
  self->tid = ::gettid();
  do {
    serve(*self->task);
  } while (self->owner.rest(*self));
  return nullptr;
}

bool HostThreads::rest(Thread& self) {
  if (idle_.size() >= kMostIdle) {
    leave_();
    ::pthread_detach(::pthread_self());
    return false;
  }
  self.task = nullptr;
  idle_.push_back(&self);
  while (self.task == nullptr && !self.ends) self.wakeup.wait(lock_);
  return self.task != nullptr;
}

}  // namespace cella::sandbox::task
