// For tests alone: another host thread to attach contexts.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace cella::sandbox::platform {

// Does what it is given on a thread of its own, one after the other.
class Runner {
 public:
  Runner() {
    do_now([this] { tid_ = ::gettid(); });
  }
  ~Runner() {
    do_now([this] { ends_ = true; });
    thread_.join();
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  pid_t tid() const { return tid_; }
  // Returns when it is done.
  void do_now(std::function<void()> work) {
    std::unique_lock locked(mutex_);
    work_ = std::move(work);
    changed_.notify_all();
    changed_.wait(locked, [&] { return !work_; });
  }

 private:
  void serve() {
    std::unique_lock locked(mutex_);
    while (!ends_) {
      changed_.wait(locked, [&] { return static_cast<bool>(work_); });
      work_();
      work_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> work_;
  bool ends_ = false;
  pid_t tid_ = 0;
  std::thread thread_{[this] { serve(); }};
};

}  // namespace cella::sandbox::platform
