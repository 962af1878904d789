// KernelCaller: the kernel itself where a filesystem wants to know who asks: all rights, no memory, no thread. For
// setting mounts up, and for filesystems that stand on others.
#pragma once

#include <cerrno>
#include <cstdlib>

#include "sandbox/vfs/caller.h"

namespace cella::sandbox::vfs {

class KernelCaller final : public Caller {
 public:
  KernelCaller() { credentials_.permitted = credentials_.effective = ~uint64_t{0}; }
  const Credentials& credentials() const override { return credentials_; }
  // Whoever gives a kernel's IoVector never asks for guest memory.
  mm::MemoryManager& memory() override { std::abort(); }
  uint32_t umask() const override { return 0; }
  uint64_t file_size_limit() override { return UINT64_MAX; }
  void send_signal_to_self(int) override {}
  // It never waits: fifos and devices are not opened on the way.
  SysResult<void> sleep_on(core::WaitQueue&, uint32_t, core::Nanoseconds) override {
    return std::unexpected(Errno{EAGAIN});
  }

 private:
  Credentials credentials_;
};

}  // namespace cella::sandbox::vfs
