// Notification: what libcontainer's notify channels are, as a descriptor to poll.
//
//   Notification oom = TRY(container.notify_oom());
//   poll({oom.fd(), POLLIN}) …
//   switch (TRY(oom.receive())) { case kEvent: …; case kEnd: the container has stopped }
//
// Move-only; keeps working when the Container it is from is gone. Belongs to one thread at a time.
#pragma once

#include <cella/error.h>

#include <memory>

namespace cella {

// How hard it is for the kernel to find memory: cgroup v1's memory.pressure_level.
enum class PressureLevel { kLow, kMedium, kCritical };

class Notification {
 public:
  enum class Kind {
    kNone,   // readable for no reason of ours: poll again
    kEvent,  // it has happened, once or more often
    kEnd,    // the container's first process has ended; nothing follows
  };

  Notification(Notification&&) noexcept;
  Notification& operator=(Notification&&) noexcept;
  ~Notification();

  // Readable (POLLIN) when receive() has something to say. Owned by this object.
  int fd() const;
  // Does not wait.
  Result<Kind> receive();

  struct Impl;
  explicit Notification(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cella
