// The process that serves the host's files to an application kernel with file access "proxy", docs/gofer-protocol.md.
#pragma once

#include <memory>

#include <cella/error.h>

namespace cella::sandbox {

// This process's, which should have no threads and do nothing else, and from which there is no way back: it gets a
// filter that leaves it the system calls of serving files.
class Gofer {
 public:
  // `request_fd`: what libcella has written; the other descriptors that it names are this process's. Takes them all
  // over. Everything that can fail before the kernel's first request is done, the filter included. kConfigInvalid.
  static Result<Gofer> make(int request_fd);
  Gofer(Gofer&&) noexcept;
  Gofer& operator=(Gofer&&) noexcept;
  ~Gofer();

  // Returns when the kernel has ended; an error: what it sent was no request.
  Result<void> serve();

 private:
  struct Impl;
  explicit Gofer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cella::sandbox
